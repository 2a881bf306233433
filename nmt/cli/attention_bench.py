"""The command `nmt attention bench`."""

import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nmt.bench.cells import LENGTHS, PASS, STEP, Scale
from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, roles_option, setting_options
from nmt.errors import ConfigError
from nmt.files import atomic_write, cannot_write
from nmt.model.compute import ComputeConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.bench.cells import Cell, Measured
    from nmt.bench.report import Report

log = logging.getLogger(__name__)

WORKS = {PASS: (PASS,), STEP: (STEP,), "both": (PASS, STEP)}
PICTURES = ("svg", "png")


@click.command(
    cls=NmtCommand,
    example="""
    nmt attention bench --variants window,linear --lengths 256,1024,4096
    nmt attention bench --variants window+window=128 --what kernel --pass forward-backward
    nmt attention bench --pass step --variants mqa,average --output measured
    """,
)
@click.option(
    "--variants", default="", metavar="NAME[+KEY=VALUE...],...",
    help="Those to measure, perhaps with settings of their own; empty: all.",
)  # fmt: skip
@roles_option("Where to measure; by default the decoder, else a variant's only role.")
@click.option(
    "--lengths", default=",".join(map(str, LENGTHS)), show_default=True,
    help="Tokens, with commas.",
)  # fmt: skip
@click.option(
    "--pass", "work", type=click.Choice(list(WORKS)), default="both", show_default=True,
    help="Training's pass, a decoding step after as many, or both.",
)  # fmt: skip
@click.option(
    "--what", type=click.Choice(["mechanism", "kernel"]), default=Scale.what, show_default=True,
    help="All of it, or with a copy in place of every linear projection.",
)  # fmt: skip
@click.option(
    "--limit-seconds", default=Scale.limit_seconds, show_default=True,
    help="A measurement that takes longer is cut off.",
)  # fmt: skip
@click.option(
    "--repeats", default=Scale.repeats, show_default=True, help="Timed; the median counts."
)
@click.option("--model-size", default=Scale.model_size, show_default=True, help="D.")
@click.option("--num-heads", default=Scale.num_heads, show_default=True, help="Heads.")
@click.option(
    "--batch-tokens", default=Scale.batch_tokens, show_default=True,
    help="Tokens of a batch of sentences below 1,024; longer ones come alone.",
)  # fmt: skip
@click.option(
    "--fit-from", default=1024, show_default=True, help="Shortest length that growth is fitted to."
)
@click.option("--output", type=click.Path(), help="Folder for bench.csv, bench.json and a plot.")
@click.option(
    "--format", "style", type=click.Choice(["text", "csv", "json"]), default="text",
    show_default=True, help="What is written to standard output.",
)  # fmt: skip
@setting_options(ComputeConfig, "threads", "device", "precision")
@config_options
@verbosity_options
def bench(
    variants: str,
    roles: list[str],
    lengths: str,
    work: str,
    fit_from: int,
    output: str | None,
    style: str,
    table: Table,
    **scale: Any,
) -> None:
    """Measure time, memory and growth with length, beside multi-head attention.

    Of each variant at each length: the time of forward and backward with the most memory at
    once, and the time of a decoding step after as many, with the size of the cache. Growth is
    fitted as a power of the length. All is for one sentence and one layer, on random states,
    and in fp32 unless --precision says otherwise.
    """
    from nmt.bench.cells import plan
    from nmt.bench.report import Report, written

    size = Scale(**scale)
    cells = plan(split(variants), roles, whole_numbers(lengths), WORKS[work])
    if output:
        make_folder(Path(output))
    measured, machine = run(cells, size, table)
    command = shlex.join(["nmt", *sys.argv[1:]])
    report = Report(measured, size, machine | {"command": command}, fit_from)
    click.echo(written(report, style), nl=False)
    if output:
        save(report, Path(output))


def split(text: str) -> list[str]:
    """Read words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def whole_numbers(text: str) -> list[int]:
    """Read lengths.

    Raises:
        ConfigError: One is no whole number above 0, or there is none.
    """
    words = split(text)
    for word in words or [text]:
        if not word.isdecimal() or not int(word):
            raise ConfigError(f"--lengths must be whole numbers from 1, with commas, not {word!r}")
    return [int(word) for word in words]


def run(cells: "list[Cell]", scale: Scale, table: Table) -> "tuple[Measured, dict[str, Any]]":
    """Measure the cells in a process of their own, with progress on a terminal."""
    from tqdm import tqdm

    from nmt.bench.worker import Worker, measure_all
    from nmt.experiment import section

    quiet = None if log.isEnabledFor(logging.INFO) else True  # None: only at a terminal
    with Worker(section(ComputeConfig, table)) as worker:
        progress = tqdm(measure_all(cells, scale, worker), total=len(cells), disable=quiet)
        return dict(progress), worker.machine


def make_folder(folder: Path) -> None:
    """Make the folder, before hours are spent on what could not be written.

    Raises:
        DataError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def save(report: "Report", folder: Path) -> None:
    """Write a folder of tables, and of plots where they can be drawn."""
    from nmt.bench.plot import draw
    from nmt.bench.report import title, written

    for form in ("csv", "json"):
        write(folder / f"bench.{form}", written(report, form).encode())
    try:
        pictures = draw(report.measured, title(report), PICTURES)
    except ConfigError as error:
        log.warning("nmt: %s", error)
        return
    for form, content in pictures.items():
        write(folder / f"bench.{form}", content)


def write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with atomic_write(path) as stream:
        stream.write(content)
