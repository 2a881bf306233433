"""The command `nmt reproduce`."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.errors import DataError

Report = dict[str, Any]

REPEATED = ("translate", "score", "segment learn", "encode")  # commands that leave a record


@click.command(
    cls=NmtCommand,
    example="""
    nmt reproduce run
    nmt reproduce test.hyp.de
    nmt reproduce run --input train=/new/place/corpus --output again
    """,
)
@click.argument("path", metavar="RUN|FILE|RECORD", type=click.Path())
@click.option(
    "--output", type=click.Path(), help="What to write.  [default: the name with -reproduced]"
)
@click.option(
    "--input", "moved", multiple=True, metavar="NAME=PATH",
    help="Where an input is now; names are those of the record.",
)  # fmt: skip
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="What differs, for people; or one JSON object.",
)  # fmt: skip
@verbosity_options
def reproduce(path: str, output: str | None, moved: tuple[str, ...], style: str) -> int:
    """Make something again from its record, and say whether the result is the same.

    A run is trained again; a translation, a score, a segmenter or an encoded corpus is computed
    again from FILE.manifest.json. The status is 0 for the same, 1 where anything differs. What was
    interrupted goes on when it is asked for again.
    """
    from nmt.reproduce.inputs import parse_inputs
    from nmt.text.lines import write_lines

    elsewhere = parse_inputs(moved)
    is_run = (Path(path) / "manifest.json").is_file()
    report = (run_again if is_run else file_again)(Path(path), output, elsewhere)
    if report:
        write_lines("-", spell(report, style))
    return 0 if not report or report["same"] else 1


def spell(report: Report, style: str) -> Iterator[str]:
    """Write the report in the form that is asked for."""
    if style == "json":
        yield from json.dumps(report, indent=2, ensure_ascii=False).split("\n")
    else:
        from nmt.reproduce.report import text_lines

        yield from text_lines(report)


def run_again(folder: Path, output: str | None, elsewhere: Mapping[str, str]) -> Report:
    """Train again and compare; of several processes the first alone does that."""
    from nmt.reproduce.comparison import compare_runs
    from nmt.reproduce.training import train_again

    again = Path(output or reproduced_name(folder))
    train_again(folder, again, elsewhere)
    if os.environ.get("RANK", "0") != "0":
        return {}
    return {"again": str(again), **compare_runs(folder, again)}


def reproduced_name(path: Path) -> Path:
    """Name what is made again beside what it is to be the same as."""
    path = Path(os.path.normpath(path))
    if path.is_dir():
        return path.with_name(f"{path.name}-reproduced")
    return path.with_name(f"{path.stem}-reproduced{path.suffix}")


def record_of(path: Path) -> Path:
    """Find the record: what is named itself, or what is beside it.

    Raises:
        DataError: There is none.
    """
    from nmt.provenance import SUFFIX, record_path

    if not path.exists():
        raise DataError(f"{path} does not exist; name a run, a file with a record, or a record")
    beside = record_path(path)
    if beside is not None and beside.is_file():
        return beside
    if path.name.endswith((SUFFIX, ".json")) and path.is_file():
        return path
    raise DataError(f"{path} has no record of what it was made from, such as {path}{SUFFIX}")


def file_again(path: Path, output: str | None, elsewhere: Mapping[str, str]) -> Report:
    """Compute a file again and compare."""
    from nmt.cli.repeating import repeat
    from nmt.provenance import read_record, record_path
    from nmt.reproduce.inputs import located
    from nmt.reproduce.outputs import compare_outputs

    beside = record_of(path)
    record = read_record(beside)
    if record["command"] not in REPEATED:
        raise DataError(f"{beside} is of nmt {record['command']}, which is not made again")
    paths = located(record, record["paths"], elsewhere)
    written = record["output"].get("path", "-")
    with tempfile.TemporaryDirectory(prefix="nmt-") as folder:
        kept = output or (None if written == "-" else str(reproduced_name(named(beside, written))))
        again = kept or str(Path(folder) / "again")
        repeat(record, paths, again, Path(folder))
        made = record_path(again)
        assert made is not None
        report = compare_outputs(record, read_record(made), named(beside, written))
    return {"again": kept, **report}


def named(record: Path, written: str) -> Path:
    """Find an output: beside its record, if the record has not another place."""
    from nmt.provenance import CORPUS_RECORD

    if record.name == CORPUS_RECORD:
        return record.parent
    beside = record.with_name(Path(written).name)
    return beside if beside.exists() else Path(written)
