"""Promises about the weights of attention, where there are any.

B batch, H heads, T queries, S keys.
"""

from torch import Tensor

from nmt.attention.layout import Layout
from nmt.attention.multi_head import MultiHeadAttention
from nmt.checks.case import Case, Layers, example
from nmt.checks.comparing import LENGTHS, near, require


def weights_are_of_visible_keys(case: Case) -> None:
    """Look at the weights: their shape, that hidden keys have none, and what they sum to."""
    layers, given = case.build(), example(case, (5, 3, 0))
    weights = given.run(layers, need_weights=True).weights
    if weights is None:
        raise AssertionError("there are no weights")
    wanted = (3, given.layout.num_queries, 5)
    require((len(weights), *weights.shape[2:]) == wanted, f"weights are {tuple(weights.shape)}")
    seen = visible(layers, given.layout, weights)
    require((weights[~seen] == 0).all(), "a hidden key has a weight")
    if case.has_shares:
        require((weights >= 0).all(), "a weight is negative")
    if case.sums_to_one:
        near(weights.sum(-1), seen.any(-1).to(weights.dtype), "the sum of a query's weights")


def visible(layers: Layers, layout: Layout, weights: Tensor) -> Tensor:
    """Tell which pairs may see each other, (B, H, T, S)."""
    first = layers.each[0]
    if isinstance(first, MultiHeadAttention):
        layout = layout.restricted(first.composition.pattern())
    seen = layout.visible()
    assert seen is not None
    return seen.expand_as(weights)


def asking_for_weights_changes_nothing(case: Case) -> None:
    """Compare the output with and without weights, which come only when asked for."""
    layers, given = case.build(), example(case, LENGTHS)
    plain, telling = given.run(layers), given.run(layers, need_weights=True)
    require(plain.weights is None, "weights come unasked")
    near(telling.output, plain.output, "the output")
