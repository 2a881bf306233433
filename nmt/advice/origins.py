"""Every setting with its value, where that came from, and what it means."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from nmt.attention.variants import VARIANTS
from nmt.errors import ConfigError
from nmt.experiment import USUAL, Experiment
from nmt.model.config import PRESETS
from nmt.settings import plain

DEFAULT = "default"


@dataclasses.dataclass(frozen=True)
class Explained:
    """A setting.

    Attributes:
        name: Dotted, from its section.
        value, default: As TOML has them.
        source: `default`, `preset NAME`, `variant NAME`, `arch NAME`, or what a user said it by.
        doc: One sentence.
        choices: All values there are, if they are few.
    """

    name: str
    value: object
    source: str
    default: object
    doc: str
    choices: tuple[str, ...]


def explained(experiment: Experiment, said: Mapping[str, str]) -> Iterator[Explained]:
    """Give all settings, in the order of their declaration.

    Args:
        said: What a user set, by dotted name: where and how.
    """
    for name, value, declared in settings_of(experiment):
        yield Explained(
            name,
            plain(value),
            said.get(name) or source_of(name, experiment),
            plain(declared.default),
            declared.metadata["doc"],
            tuple(declared.metadata["choices"]),
        )


def settings_of(
    section: object, before: str = ""
) -> Iterator[tuple[str, object, "dataclasses.Field[Any]"]]:
    """Give the settings of a section and of those within: name, value, declaration."""
    for declared in dataclasses.fields(cast(Any, section)):
        value = getattr(section, declared.name)
        if dataclasses.is_dataclass(value):
            yield from settings_of(value, f"{before}{declared.name}.")
        else:
            yield before + declared.name, value, declared


def source_of(name: str, experiment: Experiment) -> str:
    """Tell where a setting has its value from, of which a user said nothing."""
    *sections, key = name.split(".")
    preset = experiment.model.preset
    if sections == ["model"] and key in PRESETS[preset]:
        return f"preset {preset}"
    if key in USUAL.get(experiment.model.arch, {}).get(sections[0], {}):
        return f"arch {experiment.model.arch}"
    if sections[0] == "attention":
        variant = getattr(experiment.attention, sections[1]).variant
        if variant in VARIANTS and key in VARIANTS[variant].settings:
            return f"variant {variant}"
    return DEFAULT


def chosen(settings: Sequence[Explained], names: Sequence[str]) -> list[Explained]:
    """Keep the settings, or those of the sections, that are named; without names, all.

    Raises:
        ConfigError: There is no such setting or section; the nearest one is offered.
    """
    known = {part for each in settings for part in (each.name, *sections_of(each.name))}
    for name in names:
        if name not in known:
            raise ConfigError(f"no setting or section is called {name!r}; {offer(name, known)}")
    wanted = set(names)
    return [each for each in settings if not names or wanted & {each.name, *sections_of(each.name)}]


def sections_of(name: str) -> list[str]:
    """Name the sections that a setting is in, as `attention` and `attention.cross`."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def offer(name: str, known: set[str]) -> str:
    """Offer what is most like a name: in full, or by its last part, which people remember."""
    if near := difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75):
        return f"did you mean {near[0]}?"
    parts = {each.rpartition(".")[2] for each in known}
    near = difflib.get_close_matches(name.rpartition(".")[2], sorted(parts), n=1, cutoff=0.75)
    if near:
        alike = sorted(each for each in known if each.rpartition(".")[2] == near[0])
        return f"did you mean {' or '.join(alike)}?"
    return f"sections are {', '.join(sorted(each for each in known if '.' not in each))}"
