"""Entropy and support of attention weights, captured from models that do not offer them."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nmt.attention.contract import Attended
from nmt.model.compute import Compute
from nmt.model.directory import load_package
from nmt.study.weights import Spread, measure_weights
from nmt.text.lines import read_pairs

COMPUTE = Compute(torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("size", [1, 4, 9])
def test_equal_weights_have_the_entropy_of_their_number(size: int) -> None:
    spread = Spread()
    spread.add(torch.full((2, 3, 5, size), 1 / size))
    entropy, support = spread.means()
    assert entropy == pytest.approx(math.log(size))
    assert (support, spread.rows) == (size, 30)


def test_rows_are_scaled_and_empty_ones_left_out() -> None:
    spread = Spread()
    spread.add(
        torch.tensor([[[[0.2, 0.2, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.002]]]])
    )
    entropy, support = spread.means()
    small = 0.002 / 3.002
    rest = -small * math.log(small) - (1 - small) * math.log(1 - small)
    assert entropy == pytest.approx((math.log(2) + rest) / 2)
    assert support == (2 + 1) / 2  # 0.002 of 3.002 is under the threshold


def test_nothing_has_no_mean() -> None:
    assert Spread().means() == (None, None)


def test_a_model_that_looks_everywhere_alike_has_logarithms_of_lengths(
    trained: Path, toy: Path
) -> None:
    package = load_package(trained)
    for mechanism in package.model.mechanisms().values():
        for weight in mechanism.parameters():
            weight.data.zero_()  # all scores are zero
    pairs = list(read_pairs(toy / "test.src", toy / "test.tgt"))
    measured = measure_weights(package.model, package.segmenters, pairs, COMPUTE)
    lengths = [
        (len(source) + 1, len(target) + 1)
        for source, target in zip(
            package.segmenters.source.encode_lines([source for source, _ in pairs]),
            package.segmenters.target.encode_lines([target for _, target in pairs]),
            strict=True,
        )
        if source
    ]
    own = [math.log(s) for s, _ in lengths for _ in range(s)]
    past = [math.log(t + 1) for _, size in lengths for t in range(size)]
    other = [math.log(s) for s, size in lengths for _ in range(size)]
    expected = {"encoder": own, "decoder": past, "cross": other}
    for role, logarithms in expected.items():
        mean = sum(logarithms) / len(logarithms)
        assert measured[f"entropy_{role}"] == pytest.approx(mean, rel=1e-4)
        support = sum(map(math.exp, logarithms)) / len(logarithms)
        assert measured[f"support_{role}"] == pytest.approx(support, rel=1e-4)


def test_without_weights_there_is_nothing_to_tell(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = load_package(trained)
    for mechanism in package.model.mechanisms().values():
        monkeypatch.setattr(mechanism, "forward", silenced(mechanism.forward))
    measured = measure_weights(package.model, package.segmenters, [("a", "m")], COMPUTE)
    assert set(measured.values()) == {None}


def silenced(forward: Callable[..., Attended]) -> Callable[..., Attended]:
    """Make a mechanism that has no weights to give, though it is asked."""

    def silent(*args: object, need_weights: bool, **kwargs: object) -> Attended:
        assert need_weights
        return dataclasses.replace(forward(*args, **kwargs), weights=None)

    return silent
