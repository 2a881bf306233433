"""From weights of attention to links between words.

H heads, T target pieces with the end, S source pieces with tags before and the end after.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.alignment.head import Head
from nmt.alignment.links import Links

NOTHING = -1


@dataclass(frozen=True)
class Words:
    """The words that each piece of a pair stands for; none for commas within a word and the like.

    Attributes:
        tags: Source pieces that come before the text.
    """

    source: Sequence[range]
    target: Sequence[range]
    tags: int = 0


def source_places(weights: Sequence[Tensor | None], head: Head, words: Words) -> list[int]:
    """Find the source piece that each target piece looks at most, among those of words.

    Args:
        weights: Of each layer, (H, T, S).

    Returns:
        Numbers from 0 of the text's pieces; `NOTHING` for a target piece that stands for no word,
        or looks at nothing but tags, the end and such pieces.
    """
    layer = weights[head.layer]
    assert layer is not None, "a head that was checked"
    rows = layer.mean(0) if head.head is None else layer[head.head]  # (T, S)
    rows = (rows[:-1] if head.position == "predicts" else rows[1:])[:, words.tags : -1]
    if not rows.numel():
        return [NOTHING] * rows.size(0)
    silent = torch.tensor([not each for each in words.source], device=rows.device)
    best, places = rows.masked_fill(silent, 0.0).max(-1)
    found: list[int] = places.masked_fill(best <= 0, NOTHING).tolist()
    return [place if own else NOTHING for place, own in zip(found, words.target, strict=True)]


def word_links(places: Sequence[int], words: Words) -> Links:
    """Link words of which any pieces are linked.

    Args:
        places: The source piece of each target piece.
    """
    return frozenset(
        (of_source, of_target)
        for place, own in zip(places, words.target, strict=True)
        if place != NOTHING
        for of_target in own
        for of_source in words.source[place]
    )
