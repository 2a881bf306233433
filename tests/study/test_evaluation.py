"""Variants of attention are compared by one engine."""

from nmt.model.compute import ComputeConfig
from nmt.study.evaluation import by_modules


def test_what_is_automatic_is_left_to_pytorch_in_float32() -> None:
    assert by_modules(ComputeConfig(threads=2)) == ComputeConfig(
        threads=2, steps="torch", precision="fp32"
    )
    asked = ComputeConfig(steps="compiled", precision="bf16")
    assert by_modules(asked) == asked
