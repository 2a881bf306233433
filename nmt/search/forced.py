"""Forced decoding: what a scorer makes of targets that are given.

B sentences, S source length, T target length with its end, D model size, H heads, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nmt.model.contract import EncoderDecoder
from nmt.model.weights import Listener
from nmt.search.hypothesis import Ends
from nmt.search.scorer import ModelScorer, Scorer, Source, State

SCORES_AT_ONCE = 2**22  # positions times vocabulary


@dataclass(frozen=True)
class Forced:
    """What was made of one target.

    Attributes:
        log_probs: Of each of its ids and of its end, T of them.
        weights: What each layer's cross-attention looked at, from the lowest, (H, T, S): row t
            is of the position that predicts id t, having read the one before. None where a layer
            gives no weights; no layers at all where they were not asked for.
    """

    log_probs: tuple[float, ...]
    weights: tuple[Tensor | None, ...] = ()


@torch.inference_mode()
def force(
    scorer: ModelScorer,
    source: Source,
    targets: Sequence[Sequence[int]],
    ends: Ends,
    *,
    need_weights: bool = False,
) -> list[Forced]:
    """Let a model read a target for each source, in one pass.

    The sum of a target's log-probabilities is what search gives a hypothesis of these ids, but
    for the order of sums, and in 8-bit integers for what is rounded otherwise because of it.

    Args:
        targets: Without the ids that open and close them.
    """
    target, lengths = between(targets, ends, source.ids.device)
    model, following = scorer.model, target[:, 1:]
    assert isinstance(model, EncoderDecoder), "a source is read"
    with scorer.compute.autocast():
        memory = model.encode(source.ids, source.lengths)
        listener = Listener(model) if need_weights else None
        if listener is not None:
            listener.encoding = False
        with listener.attached() if listener is not None else nullcontext():
            states = model.decode(memory, target[:, :-1], lengths)
        log_probs = chosen(states.flatten(0, 1), scorer, following.flatten())
    rows = log_probs.view_as(following).tolist()
    sizes = list(zip(lengths.tolist(), source.lengths.tolist(), strict=True))
    heard = [None] * len(sizes) if listener is None else cross_weights(listener, sizes)
    return [
        Forced(tuple(row[:size]), weights or ())
        for row, (size, _), weights in zip(rows, sizes, heard, strict=True)
    ]


def between(
    targets: Sequence[Sequence[int]], ends: Ends, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Put targets between the ids that open and close them, (B, T + 1), and give T of each."""
    rows = [torch.tensor([ends.start, *ids, ends.end], device=device) for ids in targets]
    lengths = torch.tensor([len(row) - 1 for row in rows], device=device)
    return pad_sequence(rows, batch_first=True), lengths


def chosen(states: Tensor, scorer: ModelScorer, ids: Tensor) -> Tensor:
    """Give the log-probability of each id, (N,), of the states (N, D) that predict them."""
    size = max(1, SCORES_AT_ONCE // len(scorer.output))
    parts = []
    for some, wanted in zip(states.split(size), ids.split(size), strict=True):
        exact = scorer.projection.times(some)
        own = exact.gather(-1, wanted.unsqueeze(-1)).squeeze(-1)
        parts.append(own - exact.logsumexp(-1))
    return torch.cat(parts)


def cross_weights(
    listener: Listener, sizes: Sequence[tuple[int, int]]
) -> Iterator[tuple[Tensor | None, ...]]:
    """Take each pair's weights, without padding, out of what was heard of cross-attention."""
    layers = [each.weights for each in listener.heard.values() if each.role == "cross"]
    for row, (target, source) in enumerate(sizes):
        yield tuple(None if layer is None else layer[row, :, :target, :source] for layer in layers)


@torch.inference_mode()
def force_by_steps(
    scorer: Scorer[State], source: Source, targets: Sequence[Sequence[int]], ends: Ends
) -> list[tuple[float, ...]]:
    """Do as `force`, position by position, with any scorer; give log-probabilities alone."""
    target, lengths = between(targets, ends, source.ids.device)
    state = scorer.start(source, 1, target.size(1) - 1)
    parents, steps = torch.zeros_like(target[:, :1]), []
    for place in range(target.size(1) - 1):
        candidates, state = scorer.step(state, target[:, place : place + 1], parents)
        following = target[:, place + 1].view(-1, 1, 1)
        steps.append(candidates.log_probs().gather(-1, following).flatten())
    rows = torch.stack(steps, dim=1).tolist()
    return [tuple(row[:size]) for row, size in zip(rows, lengths.tolist(), strict=True)]
