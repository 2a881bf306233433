"""Where and how precisely a model computes is decided once, and refused where it makes no sense."""

import pytest
import torch

from nmt.errors import ConfigError
from nmt.model.compute import (
    ComputeConfig,
    has_fast_bf16,
    has_fast_int8,
    prepare,
    tell_once,
    why_not_compiled,
)
from nmt.native.compiler import lacks_bytes


@pytest.mark.parametrize("name", ["threads", "seed"])
def test_numbers_below_zero_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"compute.{name} must be 0 or more, not -1"):
        ComputeConfig(**{name: -1})


@pytest.mark.parametrize("name", ["gpu", "cpu:x", "meta"])
def test_a_device_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="must be auto, cpu, cuda or cuda:N"):
        prepare(ComputeConfig(device=name), training=True)


def test_the_same_seed_gives_the_same_numbers() -> None:
    drawn = []
    for _ in range(2):
        prepare(ComputeConfig(device="cpu", seed=7), training=True)
        drawn.append(torch.rand(3))
    assert drawn[0].equal(drawn[1])


@pytest.mark.parametrize(
    ("precision", "training", "expected"),
    [("fp32", True, False), ("bf16", True, True), ("bf16", False, True), ("auto", False, False)],
)
def test_precision_is_what_was_asked_for(precision: str, training: bool, expected: bool) -> None:
    compute = prepare(ComputeConfig(device="cpu", precision=precision), training=training)
    assert (compute.dtype == torch.bfloat16) == expected
    with compute.autocast():
        assert torch.is_autocast_enabled("cpu") == expected


def test_training_takes_bf16_by_itself_exactly_where_it_is_fast() -> None:
    compute = prepare(ComputeConfig(device="cpu"), training=True)
    assert (compute.dtype == torch.bfloat16) == has_fast_bf16(torch.device("cpu"))


CPU_FLAGS = "torch.cpu.get_capabilities"


def test_integers_are_for_searches_where_the_processor_multiplies_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = ComputeConfig(device="cpu", precision="int8")
    with pytest.raises(ConfigError, match="'int8' is for searches; train in auto, bf16 or fp32"):
        prepare(config, training=True)
    monkeypatch.setattr(CPU_FLAGS, lambda: {"avx2": False, "avx_vnni": False})
    monkeypatch.setattr("nmt.native.compiler.lacks_bytes", lambda: "the processor lacks AVX2")
    with pytest.raises(
        ConfigError, match=r"'int8' needs a processor with AVX2 or VNNI .*; take bf16 or fp32"
    ):
        prepare(config, training=False)
    monkeypatch.setattr(CPU_FLAGS, lambda: {"avx2": True, "avx_vnni": True})
    compute = prepare(config, training=False)
    assert (compute.int8, compute.dtype, compute.precision) == (True, torch.float32, "int8")
    assert compute.described()["precision"] == "int8"
    assert not has_fast_int8(torch.device("cuda"))


@pytest.mark.skipif(bool(lacks_bytes()), reason=lacks_bytes())
def test_searches_by_compiled_steps_are_in_integers_unless_asked_otherwise() -> None:
    def precision(*, training: bool = False, **settings: str) -> str:
        return prepare(ComputeConfig(device="cpu", **settings), training=training).precision

    assert precision() == "int8"
    assert precision(steps="compiled") == "int8"
    assert precision(steps="torch") == "fp32"
    assert precision(precision="fp32") == "fp32"
    assert precision(precision="bf16") == "bf16"
    assert precision(training=True) != "int8"


def test_without_compiled_steps_searches_are_in_float32_and_it_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tell_once.cache_clear()
    for name in ("unavailable", "lacks_bytes"):
        monkeypatch.setattr(f"nmt.native.compiler.{name}", lambda: "there is no C compiler (cc)")
    for config in (ComputeConfig(device="cpu", steps="torch"), ComputeConfig(device="cpu")):
        compute = prepare(config, training=False)
        assert compute.precision == "fp32"
    prepare(ComputeConfig(device="cpu"), training=False)
    (told,) = caplog.messages
    assert told.startswith("searches are slower here, and in float32")
    assert told.endswith("steps: there is no C compiler (cc)")
    assert why_not_compiled(compute) == "there is no C compiler (cc)"
