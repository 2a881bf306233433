"""Find the inputs that a record names, and make sure that they are still what they were."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nmt.errors import ConfigError, DataError
from nmt.provenance import STANDARD, Hashes, hashes_of

CORPORA = "train"


def parse_inputs(assignments: tuple[str, ...]) -> dict[str, str]:
    """Read `NAME=PATH`, for inputs that are elsewhere now.

    Raises:
        ConfigError: It is not that.
    """
    parted = [text.partition("=") for text in assignments]
    for text, (name, _, path) in zip(assignments, parted, strict=True):
        if not (name and path):
            raise ConfigError(f"--input needs NAME=PATH, not {text!r}")
    return {name: path for name, _, path in parted}


def paths_of_run(manifest: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, str]:
    """Name where the inputs of a run were, by the names of their hashes."""
    data = settings.get("data", {})
    corpora = data.get(CORPORA, [])
    corpora = [corpora] if isinstance(corpora, str) else corpora
    alone = len(corpora) == 1
    paths = {CORPORA if alone else f"{CORPORA}[{n}]": each for n, each in enumerate(corpora)}
    paths |= {name: data.get(name) for name in ("dev_source", "dev_target")}
    paths["parent"] = manifest.get("parent")
    return {name: path for name, path in paths.items() if path}


def located(
    record: Mapping[str, Any], paths: Mapping[str, str], elsewhere: Mapping[str, str]
) -> dict[str, str]:
    """Find every input, as it was.

    A path holds as it stands, or from the folder where the command was given.

    Args:
        elsewhere: Paths of inputs that have moved, by name.

    Raises:
        ConfigError: A name is no input.
        DataError: An input is gone, or is another now; both hashes are named.
    """
    if odd := sorted(elsewhere.keys() - paths.keys()):
        raise ConfigError(f"--input: no input is called {odd[0]!r}; known: {', '.join(paths)}")
    return {name: locate(record, name, path, elsewhere.get(name)) for name, path in paths.items()}


def locate(record: Mapping[str, Any], name: str, path: str, moved: str | None) -> str:
    """Find one input."""
    expected = {
        part: digest
        for part, digest in record["inputs"].items()
        if part == name or part.startswith(f"{name}.")
    }
    faults = []
    for candidate in candidates(record, path, moved):
        fault = fault_of(candidate, name, expected)
        if not fault:
            return candidate
        faults.append(fault)
    if path == STANDARD and not faults:
        raise DataError(
            f"{name} came from standard input and was not kept (its hash is {expected.get(name)}); "
            f"name a file that holds it: --input {name}=FILE"
        )
    if not faults:
        raise DataError(
            f"{moved or path} is gone ({name}, its hash was {expected.get(name)}); if it has "
            f"moved: --input {name}=PATH"
        )
    raise DataError(faults[0])


def candidates(record: Mapping[str, Any], path: str, moved: str | None) -> Iterator[str]:
    """List where an input may be, as far as something is there."""
    places = [moved] if moved else [path, str(Path(record.get("folder", ".")) / path)]
    for place in dict.fromkeys(places):
        if place != STANDARD and path_is_there(place) and (moved or path != STANDARD):
            yield place


def path_is_there(path: str) -> bool:
    """Tell whether anything has this name."""
    return Path(path).exists()


def fault_of(path: str, name: str, expected: Hashes) -> str:
    """Say how what is there differs from what was read; nothing if it does not."""
    found = hashes_of(name, path)
    for part, digest in expected.items():
        if found.get(part) != digest:
            about = name if part == name else f"{name}, {part.removeprefix(f'{name}.')}"
            return (
                f"{path} ({about}) is not what it was: its hash is {found.get(part)}, but was "
                f"{digest}; put the original back, or name it: --input {name}=PATH"
            )
    return ""
