"""Sampling: translations drawn at random, the same whatever is translated beside them.

B sentences, n samples of each, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nmt.search.beam import Live, select
from nmt.search.config import SearchConfig
from nmt.search.expansion import picked
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import Candidates, Scorer, Source, State, top_in_order

Drawn = list[dict[int, Hypothesis]]  # by sentence and sample


@torch.inference_mode()
def sample(
    scorer: Scorer[State],
    source: Source,
    ends: Ends,
    limits: Sequence[int],
    config: SearchConfig,
    dice: "Dice",
) -> list[list[Hypothesis]]:
    """Draw `nbest` translations of each sentence, id by id.

    A sample ends when its end is drawn, or at the limit, where it must.

    Args:
        limits: For each sentence the most ids of a translation, its end included.
        dice: What decides, for all sentences.

    Returns:
        For each sentence its samples as drawn; alike ones are kept.
    """
    drawn: Drawn = [{} for _ in limits]
    live = begin(scorer, source, ends, limits, config.nbest)
    while len(live.sentences):
        candidates, state = scorer.step(live.state, live.history[:, :, -1], live.parents)
        live = replace(live, state=state)
        log_probs = candidates.log_probs()
        numbers = dice.throw(live.sentences.tolist(), log_probs.size(-1)).to(log_probs.device)
        ids = draw(log_probs, numbers, config)
        ids = torch.where((live.limits <= live.history.size(2)).unsqueeze(-1), ends.end, ids)
        live = write(live, candidates, ids)
        collect(drawn, live, ends.end, config)
        live = replace(live, totals=live.totals.masked_fill(ids == ends.end, -torch.inf))
        kept = live.totals.isfinite().any(-1).nonzero().squeeze(-1)
        if len(kept) < len(live.sentences):
            live = select(scorer, live, kept)
    return [[found[number] for number in sorted(found)] for found in drawn]


def begin(
    scorer: Scorer[State], source: Source, ends: Ends, limits: Sequence[int], count: int
) -> Live[State]:
    """Start so many samples of every sentence, each on a row of its own."""
    shape, device = (len(limits), count), source.ids.device
    return Live(
        state=scorer.start(source, count, max(limits, default=0)),
        sentences=torch.arange(len(limits), device=device),
        limits=torch.tensor(limits, dtype=torch.long, device=device),
        history=torch.full((*shape, 1), ends.start, device=device),
        parents=torch.arange(count, device=device).expand(shape),
        totals=torch.zeros(shape, device=device),
    )


def write(live: Live[State], candidates: Candidates, ids: Tensor) -> Live[State]:
    """Put one more id behind every sample, (B, n)."""
    totals = live.totals + picked(candidates.log_probs(), live.parents, ids)
    history = torch.cat([live.history, ids.unsqueeze(-1)], dim=-1)
    return replace(live, history=history, totals=totals)


def collect(drawn: Drawn, live: Live[State], end: int, config: SearchConfig) -> None:
    """Put aside the samples that have ended with the last id."""
    length = live.history.size(2) - 1  # the end counts, the start does not
    ended = (live.history[:, :, -1] == end) & live.totals.isfinite()
    for index, row in ended.nonzero().tolist():
        total = float(live.totals[index, row])
        ids = tuple(live.history[index, row, 1:-1].tolist())
        hypothesis = Hypothesis(ids, total, config.score(total, length))
        drawn[int(live.sentences[index])][row] = hypothesis


def draw(log_probs: Tensor, chances: Tensor, config: SearchConfig) -> Tensor:
    """Draw an id of each row (B, n, V) by a number from [0, 1) for each id, (B, n).

    Ids race: each arrives after an exponential time with its probability as the rate, and the
    first is drawn. Unlike with one number for all, rounding matters only in a dead heat.
    """
    times = -torch.log1p(-chances)
    return top_in_order(truncated(log_probs, config) / times.clamp(min=1e-300), 1)[1].squeeze(-1)


def truncated(log_probs: Tensor, config: SearchConfig) -> Tensor:
    """Turn log-probabilities into the probabilities that are drawn from, in float64.

    Temperature, top k, top p and epsilon follow each other, each on what the one before has left,
    scaled to sum to 1. The most probable id always stays.

    Source: Fan et al. (2018), https://arxiv.org/abs/1805.04833, section 5.1, for top k; Holtzman
    et al. (2020), https://arxiv.org/abs/1904.09751, section 3.1, for top p; Hewitt et al. (2022),
    https://arxiv.org/abs/2210.15191, section 4, for epsilon.
    """
    probs = (log_probs.double() / config.temperature).softmax(-1)
    if config.top_k:
        probs = keep(probs, min(config.top_k, probs.size(-1)))
    if config.top_p < 1:
        best, _ = probs.sort(dim=-1, descending=True)
        before = best.cumsum(-1) - best  # the probability of all that are better
        needed = before < config.top_p * best.sum(-1, keepdim=True)
        probs = keep(probs, needed.sum(-1).clamp(min=1))
    if config.epsilon:
        probs = keep(probs, (probs >= config.epsilon).sum(-1).clamp(min=1))
    return probs


def keep(probs: Tensor, count: int | Tensor) -> Tensor:
    """Keep the most probable ids, equal ones in their order, and scale them to sum to 1.

    Args:
        count: How many, of each row or of all.
    """
    most = count if isinstance(count, int) else int(count.max()) if count.numel() else 1
    best, ids = top_in_order(probs, most)
    if isinstance(count, Tensor):
        places = torch.arange(most, device=probs.device)
        best = best.masked_fill(places >= count.unsqueeze(-1), 0.0)
    return torch.zeros_like(probs).scatter(-1, ids, best / best.sum(-1, keepdim=True))


class Dice:
    """Random numbers of samples: a sequence for each sample of each line, by the seed alone."""

    def __init__(self, seed: int, lines: Sequence[int], count: int) -> None:
        self._sequences = [
            [np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, line, number))))
             for number in range(count)]
            for line in lines
        ]  # fmt: skip

    def throw(self, sentences: Sequence[int], size: int) -> Tensor:
        """Give so many numbers from [0, 1) to each sample of some sentences, (B, n, size)."""
        rows = [[each.random(size) for each in self._sequences[number]] for number in sentences]
        return torch.from_numpy(np.array(rows))
