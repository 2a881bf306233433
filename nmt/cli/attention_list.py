"""The command `nmt attention list`."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.model.compute import ComputeConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.attention.overview import Overview, Setup

LETTERS = {"encoder": "E", "decoder": "D", "cross": "X"}


@click.command(
    "list",
    cls=NmtCommand,
    example="""
    nmt attention list
    nmt attention list --length 2048 --format json
    """,
)
@click.option(
    "--length", type=click.IntRange(min=1), default=25, show_default=True,
    help="Tokens of source and target that the kernels are chosen for.",
)  # fmt: skip
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Tables to read, or a JSON list with everything.",
)  # fmt: skip
@setting_options(ComputeConfig, "device")
@config_options
@verbosity_options
def list_(length: int, style: str, table: Table) -> None:
    """List the named variants, with their cost and the kernel that would run here.

    Places: E encoder, D decoder (causal), X from decoder to encoder. State: numbers kept for each
    layer and hypothesis after t steps beside a source of S. Parameters: of a layer of model size
    256 with 4 heads, beyond those of multi-head attention. Cost: operations of a full pass
    beyond the projections. nmt attention describe says more about one.
    """
    from nmt.attention.overview import Setup, look_at
    from nmt.attention.variants import VARIANTS
    from nmt.experiment import section
    from nmt.model.compute import choose_device

    device = choose_device(section(ComputeConfig, table).device)
    setup = Setup(device=device.type, length=length)
    found = [look_at(name, setup) for name in VARIANTS]
    if style == "json":
        click.echo(json.dumps([each.as_object() for each in found], indent=2))
        return
    for line in text_lines(found, setup):
        click.echo(line)


def text_lines(found: "Sequence[Overview]", setup: "Setup") -> Iterator[str]:
    """Write tables for people: the variants, why their kernels run, who described them."""
    from nmt.tables import aligned, table

    yield from table([row(each) for each in found])
    yield ""
    yield f"Kernels at length {setup.length:,} on {setup.device}, and why"
    yield from (f"  {line}" for line in kernels(found))
    yield ""
    yield "Papers"
    yield from (f"  {line}" for line in aligned({each.name: each.paper for each in found}))


def row(of: "Overview") -> dict[str, object]:
    """Write a variant as the cells of a row."""
    return {
        "variant": of.name,
        "places": " ".join(LETTERS[role] if role in of.places else "-" for role in LETTERS),
        "causal": of.causal,
        "state": of.state,
        "parameters": of.extra_parameters,
        "cost": of.cost,
        "training": of.training.kernel,
        "step": of.step.kernel,
        "CTranslate2": not of.obstacle,
    }


def kernels(found: "Sequence[Overview]") -> Iterator[str]:
    """Write each reason for a kernel once, with the variants that it holds for."""
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for each in found:
        works = {"training": each.training, "step": each.step}
        if each.training == each.step:
            works = {"training and step": each.step}
        for work, choice in works.items():
            reasons.setdefault((work, choice.kernel, choice.reason), []).append(each.name)
    for (work, kernel, reason), names in reasons.items():
        yield f"{work}: {kernel}, since {reason}: {', '.join(names)}"
