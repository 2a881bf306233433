"""Products of features: estimates of a softmax that converge, and numbers in all weathers."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.chunked import quadratic
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Place
from nmt.attention.features import (
    Elu,
    Favor,
    FeatureMap,
    RandomFourier,
    make_features,
    orthogonal_gaussian,
)
from nmt.attention.layout import Layout
from nmt.attention.running import counted, ratio

SIZE = 4
FREE = Layout(num_queries=16, num_keys=16)
RANDOM = ["favor", "random"]


def make(kind: str, count: int, seed: int = 0, size: int = SIZE, heads: int = 2) -> FeatureMap:
    """Make a map of `count` features for each head."""
    if kind == "elu":
        return Elu(size)
    rows = count if kind == "favor" else count // 2
    directions = orthogonal_gaussian(heads, rows, size, [seed])
    return Favor(directions) if kind == "favor" else RandomFourier(directions)


def vectors(scale: float = 1.0, size: int = SIZE) -> tuple[Tensor, Tensor, Tensor]:
    """Draw queries, keys and values of two heads, (1, 2, 16, size)."""
    random = torch.Generator().manual_seed(1)
    shape = (1, 2, 16, size)
    drawn = [torch.randn(shape, generator=random, dtype=torch.float64) for _ in range(3)]
    return drawn[0] * scale, drawn[1] * scale, drawn[2]


def attend(features: FeatureMap, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    sums = quadratic(features.queries(query), features.keys(key), counted(value), FREE)
    return ratio(sums, features.least)


def softmax(kind: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend by what a map estimates: a softmax of scaled products, or of cosines."""
    if kind == "favor":
        return F.scaled_dot_product_attention(query, key, value)
    scores = F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).mT
    return scores.softmax(-1) @ value


@pytest.mark.parametrize("kind", RANDOM)
def test_the_error_against_a_softmax_falls_with_the_root_of_the_features(kind: str) -> None:
    query, key, value = vectors(0.25)  # the longer, the more features until the law begins
    expected = softmax(kind, query, key, value)
    counts = [16, 32, 64, 128, 256, 512, 1024]
    errors = []
    for count in counts:
        draws = [attend(make(kind, count, seed), query, key, value) for seed in range(30)]
        distance = (torch.stack(draws) - expected).detach()
        errors.append(float(distance.square().mean().sqrt()))
    x = torch.tensor(counts).double().log()
    y = torch.tensor(errors).double().log()
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
    assert slope == pytest.approx(-0.5, abs=0.08)
    assert errors[-1] < 0.05


def test_a_scale_sharpens_the_softmax_of_cosines() -> None:
    query, key, value = vectors()
    features = make("random", 2**14)
    assert isinstance(features, RandomFourier)
    features.scale.data = torch.tensor([0.5, 1.5])
    cosines = F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).mT
    squares = torch.tensor([0.25, 2.25]).view(1, 2, 1, 1)
    expected = (squares * cosines).softmax(-1) @ value
    assert_close(attend(features, query, key, value), expected, rtol=0, atol=0.15)


def test_elu_plus_one_keeps_its_digits_far_below_zero() -> None:
    x = torch.linspace(-80, 80, 161, dtype=torch.float64)
    mapped = Elu(SIZE).queries(x)
    assert_close(mapped, F.elu(x) + 1, rtol=0, atol=1e-15)
    assert_close(Elu(SIZE).keys(x.float()).double(), mapped, rtol=1e-5, atol=0)


@pytest.mark.parametrize("size", [4, 16, 64, 256])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("kind", ["elu", *RANDOM])
def test_weights_of_any_vectors_are_numbers_in_float32(kind: str, scale: float, size: int) -> None:
    features = make(kind, 2 * size, size=size)
    query, key, value = (each.float().requires_grad_() for each in vectors(scale, size))
    output = attend(features, query, key, value)
    gradients = torch.autograd.grad(output.square().sum(), (query, key, value))
    assert all(each.isfinite().all() for each in (output, *gradients))
    if kind != "random":  # a mean of values, and never a mean of none
        assert (output.abs() <= value.abs().amax(2, keepdim=True) * (1 + 1e-4)).all()
        assert (output != 0).any(-1).all()


def test_keys_like_the_random_vectors_themselves_overflow_nothing() -> None:
    directions = orthogonal_gaussian(2, 512, 256, [0])
    features = Favor(directions)
    longest = directions.norm(dim=-1).argmax(-1)
    key = directions[torch.arange(2), longest][None, :, None] * 256**0.25
    assert directions.norm(dim=-1).max() ** 2 / 2 > math.log(torch.finfo(torch.float32).max)
    assert features.keys(key).isfinite().all()


def test_a_factor_of_the_query_cancels_and_costs_nothing() -> None:
    query, key, value = vectors()
    features = make("favor", 64)
    assert isinstance(features, Favor)
    plain = (query * SIZE**-0.25) @ features.directions.double().mT
    sums = quadratic(plain.exp(), features.keys(key), counted(value), FREE)
    assert_close(attend(features, query, key, value), ratio(sums), rtol=1e-12, atol=1e-12)


def test_one_key_gets_all_the_weight() -> None:
    query, key, value = vectors()
    one = Layout(num_queries=16, num_keys=1)
    for kind in ("elu", "favor"):
        features = make(kind, 8)
        sums = quadratic(
            features.queries(query), features.keys(key[:, :, :1]), counted(value[:, :, :1]), one
        )
        expected = value[:, :, :1].expand_as(value)
        assert_close(ratio(sums), expected, rtol=1e-12, atol=1e-12)


def test_a_sum_of_weights_near_zero_is_moved_away_on_its_own_side() -> None:
    sums = torch.tensor([[3.0, 2.0], [3.0, 1e-9], [3.0, -1e-9], [3.0, -2.0], [0.0, 0.0]])
    assert ratio(sums, 0.5).flatten().tolist() == [1.5, 6.0, -6.0, -1.5, 0.0]


def test_random_vectors_prefer_no_direction() -> None:
    drawn = orthogonal_gaussian(4, 4096, 4, [9]).double().flatten(0, 1)
    assert_close(drawn.mean(0), torch.zeros(4).double(), rtol=0, atol=0.03)
    assert_close(drawn.mT @ drawn / len(drawn), torch.eye(4).double(), rtol=0, atol=0.05)


def test_rows_are_orthogonal_in_blocks_and_as_long_as_gaussian_vectors() -> None:
    directions = orthogonal_gaussian(3, 20, 8, [7]).double()
    assert directions.shape == (3, 20, 8)
    unit = F.normalize(directions, dim=-1)
    for start in range(0, 20, 8):
        block = unit[:, start : start + 8]
        assert_close(block @ block.mT, torch.eye(block.size(1)).double().expand(3, -1, -1))
    squares = orthogonal_gaussian(4, 512, 16, [8]).double().square().sum(-1)
    assert float(squares.mean()) == pytest.approx(16, rel=0.05)  # chi-square of 16 degrees
    assert float(squares.var()) == pytest.approx(32, rel=0.15)


@pytest.mark.parametrize("kind", RANDOM)
def test_random_vectors_depend_on_the_place_alone(kind: str) -> None:
    config = AttentionConfig(variant="favor" if kind == "favor" else "random-feature")
    place = Place(role="decoder", model_size=8, num_heads=2, layer=1)
    torch.manual_seed(1)
    first = make_features(place, config)
    torch.manual_seed(2)
    again = make_features(place, config)
    assert torch.equal(first.get_buffer("directions"), again.get_buffer("directions"))
    assert "directions" not in first.state_dict()
    for other in (
        Place(role="cross", model_size=8, num_heads=2, layer=1),
        Place(role="decoder", model_size=8, num_heads=2, layer=2),
    ):
        drawn = make_features(other, config).get_buffer("directions")
        assert not torch.equal(drawn, first.get_buffer("directions"))


def test_random_vectors_are_those_that_trained_models_were_trained_with() -> None:
    drawn = orthogonal_gaussian(1, 2, 2, [1, 0])
    expected = torch.tensor([[[-0.32772270, 1.26578295], [-1.19123340, -0.30842113]]])
    assert_close(drawn, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("variant", "asked", "count"),
    [("linear", 0, 4), ("favor", 0, 8), ("favor", 5, 5), ("random-feature", 0, 8),
     ("random-feature", 6, 6)],
)  # fmt: skip
def test_features_are_counted_as_asked_or_twice_the_head(
    variant: str, asked: int, count: int
) -> None:
    config = AttentionConfig(variant=variant, num_features=asked)
    features = make_features(Place(role="encoder", model_size=8, num_heads=2), config)
    assert features.num_features == count
    assert features.queries(torch.ones(1, 2, 3, 4)).shape == (1, 2, 3, count)
