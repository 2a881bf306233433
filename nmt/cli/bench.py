"""The command `nmt bench`."""

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from nmt.cli.bench_systems import systems
from nmt.cli.bench_translate import translate
from nmt.cli.command import NmtCommand, verbosity_options
from nmt.cli.options import config_options, setting_options
from nmt.model.compute import ComputeConfig
from nmt.model.config import ModelConfig
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.bench.training import TrainingSpeed, Work
    from nmt.model.compute import Compute


@click.group()
def bench() -> None:
    """Measure speed on this machine, alone: a busy neighbour spoils any figure."""


bench.add_command(systems)
bench.add_command(translate)


@bench.command(
    cls=NmtCommand,
    example="""
    nmt bench train
    nmt bench train --preset transformer-base --updates 5 --format json
    nmt bench train --compare
    """,
)
@setting_options(ModelConfig, "preset")
@click.option("--vocab-size", default=8000, show_default=True, help="Pieces on both sides.")
@click.option("--batch-tokens", default=4096, show_default=True, help="Tokens in a batch.")
@click.option("--shortest", default=8, show_default=True, help="Fewest pieces of a source.")
@click.option("--longest", default=32, show_default=True, help="Most pieces of a source.")
@click.option("--updates", default=20, show_default=True, help="Updates that are timed.")
@click.option(
    "--compare",
    is_flag=True,
    help="Switch single settings, and measure what each brings: the same updates by turns.",
)
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Lines to read, or one JSON object.",
)  # fmt: skip
@setting_options(ComputeConfig, "seed", "threads", "device", "precision")
@config_options
@verbosity_options
def train(
    vocab_size: int,
    batch_tokens: int,
    shortest: int,
    longest: int,
    updates: int,
    compare: bool,
    style: str,
    table: Table,
) -> None:
    """Measure training on synthetic ids of stated lengths.

    Target tokens a second, padding left out, and the share that the model's products reach of
    the speed of a plain 2048 x 2048 product in the same type, measured in the same process.

    With --compare, a line for each switch: its speed over that without it, its target tokens a
    second, and what it changes.
    """
    from nmt.bench.training import Work, measure_training
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare

    experiment = read_experiment(table)
    work = Work(
        vocab_size=vocab_size, batch_tokens=batch_tokens, shortest=shortest, longest=longest,
        updates=updates, seed=experiment.compute.seed,
    )  # fmt: skip
    compute = prepare(experiment.compute, training=True)
    if compare:
        if style == "text":
            click.echo(f"{experiment.model.preset} on {described(compute)}")
        show_switches(table, work, style)
        return
    speed = measure_training(experiment, work, compute)
    if style == "json":
        record = {"preset": experiment.model.preset, **dataclasses.asdict(work)}
        click.echo(json.dumps(record | dataclasses.asdict(speed) | {"share": speed.share}))
        return
    click.echo(f"{experiment.model.preset} on {described(compute)}")
    for line in spelled(speed):
        click.echo(line)


@bench.command(
    cls=NmtCommand,
    example="""
    nmt bench contract
    nmt bench contract --model-size 512 --num-heads 8
    """,
)
@setting_options(ModelConfig, "model_size", "num_heads")
@click.option(
    "--turns", type=click.IntRange(2), default=30, show_default=True,
    help="Times that either way is measured, by turns.",
)  # fmt: skip
@setting_options(ComputeConfig, "threads")
@config_options
@verbosity_options
def contract(turns: int, table: Table) -> None:
    """Measure what the contract of attention costs.

    Multi-head attention through the contract against the same products written out by hand, and
    a decoding step of grouped-query against one of multi-head attention: the median of paired
    ratios with its quartiles. Below 1 the first way is the faster. Always on the processor and
    in fp32.
    """
    from nmt.bench.contract import measure_contract
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare

    experiment = read_experiment(table)
    here = dataclasses.replace(experiment.compute, device="cpu", precision="fp32")
    compute = prepare(here, training=True)
    model = experiment.model
    found = measure_contract(model.model_size, model.num_heads, turns)
    click.echo(f"model size {model.model_size}, {model.num_heads} heads on {described(compute)}")
    for each in found:
        click.echo(
            f"{each.ratio:5.3f} ({each.low:.3f} to {each.high:.3f})  "
            f"{each.milliseconds:8.3f} ms  {each.name}"
        )


def show_switches(table: Table, work: "Work", style: str) -> None:
    """Print what each switch brings, as soon as it is known."""
    from nmt.bench.switches import measure_switches

    found = []
    for each in measure_switches(table, work):
        found.append(dataclasses.asdict(each))
        if style == "text":
            click.echo(f"{each.ratio:6.3f}  {each.tokens_per_second:8,.0f}  {each.name}")
    if style == "json":
        click.echo(json.dumps({**dataclasses.asdict(work), "switches": found}))


def described(compute: "Compute") -> str:
    """Name the machine, the type and the threads."""
    import torch

    from nmt.provenance import processor

    name = processor()
    if compute.device.type == "cuda":
        name = torch.cuda.get_device_name(compute.device)
    precision = str(compute.dtype).removeprefix("torch.")
    return f"{name}, {precision}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def spelled(speed: "TrainingSpeed") -> list[str]:
    """Write the figures for people."""
    return [
        f"target tokens/s   {speed.tokens_per_second:,.0f} "
        f"(single updates {speed.slowest:,.0f} to {speed.fastest:,.0f})",
        f"an update         {speed.milliseconds:,.0f} ms (median)",
        f"batches filled    {speed.fill:.1%}",
        f"model products    {speed.model_flops / 1e9:,.1f} GFLOP/s",
        f"plain product     {speed.product_flops / 1e9:,.1f} GFLOP/s",
        f"share             {speed.share:.1%}",
    ]
