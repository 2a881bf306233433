"""The command `nmt attention describe`."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import click

from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.model.compute import ComputeConfig
from nmt.settings import Table


@click.command(cls=NmtCommand, example="nmt attention describe window")
@click.argument("name")
@click.option(
    "--length", type=click.IntRange(min=1), default=25, show_default=True,
    help="Tokens of source and target that the kernels are chosen for.",
)  # fmt: skip
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Lines to read, or one JSON object.",
)  # fmt: skip
@setting_options(ComputeConfig, "device")
@config_options
@verbosity_options
def describe(name: str, length: int, style: str, table: Table) -> None:
    """Explain one variant: formula, paper, settings, kernels.

    State counts numbers kept for each layer and hypothesis after t steps beside a source of S;
    cost, the operations of a full pass beyond the projections; parameters, those of a layer of
    model size 256 with 4 heads beyond multi-head attention's. Letters: h query heads, g
    key/value heads, d head size, D model size, n and m queries and keys, w window, b block,
    r random features.
    """
    from nmt.attention.overview import Setup, look_at
    from nmt.attention.variants import VARIANTS
    from nmt.experiment import section
    from nmt.model.compute import choose_device

    device = choose_device(section(ComputeConfig, table).device)
    overview = look_at(name, Setup(device=device.type, length=length))
    told = {
        **overview.as_object(),
        "formula": VARIANTS[name].formula,
        "settings": settings_of(name),
        "example": example(name, overview.places),
    }
    if style == "json":
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for line in text_lines(told):
        click.echo(line)


def settings_of(name: str) -> list[dict[str, Any]]:
    """List the settings that a variant sets or reads, with their values."""
    from nmt.attention.config import AttentionConfig
    from nmt.attention.variants import VARIANTS
    from nmt.settings import plain

    config, variant = AttentionConfig(variant=name), VARIANTS[name]
    fields = {field.name: field for field in dataclasses.fields(config)}
    return [
        {
            "name": key,
            "value": plain(getattr(config, key)),
            "set": key in variant.settings,
            "doc": fields[key].metadata["doc"],
            "choices": list(fields[key].metadata["choices"]),
        }
        for key in dict.fromkeys([*variant.settings, *variant.tunable])
    ]


def example(name: str, places: tuple[str, ...]) -> dict[str, str]:
    """Give a section of a file of settings, and the flag that says the same."""
    from nmt.attention.config import ROLES
    from nmt.attention.refusals import toml
    from nmt.attention.variants import VARIANTS

    role = "decoder" if "decoder" in places else places[0]
    values = {each["name"]: each["value"] for each in settings_of(name)}
    tuned = [f"{key} = {toml(values[key])}" for key in VARIANTS[name].tunable]
    flag = "--attention" if set(places) == set(ROLES) else f"--{role}-attention"
    lines = [f"[attention.{role}]", f'variant = "{name}"', *tuned]
    return {"settings": "\n".join(lines), "flag": f"nmt train {flag} {name}"}


def text_lines(told: dict[str, Any]) -> Iterator[str]:
    """Write it for people."""
    from nmt.tables import aligned

    yield from aligned(
        {
            "name": told["name"],
            "formula": told["formula"],
            "paper": told["paper"],
            "places": ", ".join(told["places"]),
            "state": told["state"],
            "cost": told["cost"],
            "parameters": f"{told['extra_parameters']:+,}",
            "training": "{kernel}: {reason}".format(**told["training"]),
            "step": "{kernel}: {reason}".format(**told["step"]),
            "CTranslate2": told["obstacle"] or "can be exported",
        }
    )
    yield ""
    yield "Settings" if told["settings"] else "Settings: none of its own"
    for each in told["settings"]:
        yield f"  {spelled(each)}"
    yield ""
    yield "In a file of settings, or as a flag"
    for line in [*told["example"]["settings"].split("\n"), told["example"]["flag"]]:
        yield f"  {line}"


def spelled(setting: dict[str, Any]) -> str:
    """Write a setting with what it means."""
    from nmt.attention.refusals import toml

    allowed = f" One of: {', '.join(setting['choices'])}." if setting["choices"] else ""
    whose = "set by the variant" if setting["set"] else "default"
    return f"{setting['name']} = {toml(setting['value'])}  ({whose}) {setting['doc']}{allowed}"
