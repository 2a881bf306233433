"""`nmt attention list` and `describe`: every variant, as it is built."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from nmt.attention.config import AttentionConfig
from nmt.attention.overview import Setup, build_block, count, look_at
from nmt.attention.variants import VARIANTS
from nmt.settings import build

Command = Callable[..., Any]
HERE = Setup(device="cpu", length=25)


def test_the_list_holds_every_variant_with_all_that_is_known(nmt: Command) -> None:
    finished = nmt("attention", "list", "--device", "cpu", "--format", "json")
    assert (finished.status, finished.err) == (0, "")
    found = {each["name"]: each for each in json.loads(finished.out)}
    assert list(found) == list(VARIANTS)
    for name, variant in VARIANTS.items():
        told = found[name]
        assert set(told["places"]) == variant.roles
        assert told["causal"] == ("decoder" in variant.roles)
        assert told["exportable"] == (not variant.obstacle)
        assert (told["paper"], told["state"], told["cost"]) == (
            variant.paper, variant.state, variant.cost,
        )  # fmt: skip
        assert all(told[work]["kernel"] and told[work]["reason"] for work in ("training", "step"))


def test_the_table_has_a_row_for_each_and_says_why(nmt: Command) -> None:
    table, kernels, papers = nmt("attention", "list", "--device", "cpu").out.split("\n\n")
    rows = table.split("\n")
    assert rows[0].split()[:2] == ["variant", "places"]
    assert [row.split()[0] for row in rows[1:]] == list(VARIANTS)
    assert max(map(len, rows)) <= 140
    assert kernels.startswith("Kernels at length 25 on cpu, and why\n  training: dense, since ")
    assert all(f"  {name} " in papers for name in VARIANTS)


def test_the_length_decides_on_the_kernel(nmt: Command) -> None:
    def kernels(*arguments: str) -> dict[str, str]:
        out = nmt("attention", "list", "--device", "cpu", "--format", "json", *arguments).out
        return {each["name"]: each["training"]["kernel"] for each in json.loads(out)}

    short, long = kernels(), kernels("--length", "4096")
    assert (short["multi-head"], long["multi-head"]) == ("dense", "fused")
    assert (short["window"], long["window"]) == ("dense", "banded")


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("multi-head", 0),
        ("mqa", -2 * (256 + 1) * 192),
        ("tied-kv", -(256 + 1) * 256),
        ("sink", 4),
        ("rotary", 0),
        ("shared-kv", -(256 + 1) * 256),  # two projections less in one of two layers
    ],
)
def test_parameters_are_counted(name: str, extra: int) -> None:
    assert look_at(name, HERE).extra_parameters == extra


def test_a_block_is_all_layers_that_share() -> None:
    assert count(build_block("multi-head", "decoder")) == 4 * (256 * 256 + 256)
    assert [len(build_block(name, "decoder")) for name in ("multi-head", "shared-weights")] == [
        1,
        2,
    ]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_described_and_its_example_is_read(nmt: Command, name: str) -> None:
    import tomllib

    out = nmt("attention", "describe", name, "--device", "cpu").out
    told = json.loads(nmt("attention", "describe", name, "--format", "json", "--device", "cpu").out)
    variant = VARIANTS[name]
    for text in (variant.formula, variant.paper, variant.state, variant.cost):
        assert text in out
    assert [each["name"] for each in told["settings"]] == list(
        dict.fromkeys([*variant.settings, *variant.tunable])
    )
    assert all(f"  {each['name']} = " in out for each in told["settings"])
    ((role, section),) = tomllib.loads(told["example"]["settings"])["attention"].items()
    assert build(AttentionConfig, section) == AttentionConfig(variant=name)
    assert role in variant.roles
    flag = "attention" if len(variant.roles) == 3 else f"{role}-attention"
    assert told["example"]["flag"] == f"nmt train --{flag} {name}"


def test_an_unknown_variant_is_refused_with_the_nearest(nmt: Command) -> None:
    finished = nmt("attention", "describe", "windw")
    assert (finished.status, finished.out) == (1, "")
    assert finished.err == "nmt: no attention is called 'windw'; did you mean 'window'?\n"


@pytest.mark.parametrize("name", ["list", "describe"])
def test_help_ends_with_an_example(nmt: Command, name: str) -> None:
    assert f"Example:\n  nmt attention {name}" in nmt("attention", name, "--help").out
