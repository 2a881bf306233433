"""Rules that forbid ids: a scorer wrapped in them serves every search.

B sentences, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol

import torch
from torch import Tensor

from nmt.model.contract import Rows
from nmt.search.scorer import Candidates, Scorer, Source, State, top_in_order


@dataclass(frozen=True)
class Past:
    """What hypotheses have written.

    Attributes:
        ids: (B, beam, steps), the start left out.
        sentences: (B,) number of each sentence in the batch that was asked for.
    """

    ids: Tensor
    sentences: Tensor


class Rule(Protocol):
    """Decide what may not follow."""

    def __call__(self, banned: Tensor, past: Past) -> Tensor:
        """Change what other rules have banned, (B, beam, V), True where an id may not follow."""


class NoRepeat:
    """Let no n ids in a row stand twice in a hypothesis.

    Source: Paulus et al. (2018), https://arxiv.org/abs/1705.04304, section 2.5, with n = 3.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, banned: Tensor, past: Past) -> Tensor:
        """Ban the ids that would complete n that are there already."""
        steps = past.ids.size(2)
        if steps < self.size:
            return banned
        grams = past.ids.unfold(-1, self.size, 1)  # (B, beam, steps - n + 1, n)
        tail = past.ids[:, :, steps - self.size + 1 :].unsqueeze(2)  # (B, beam, 1, n - 1)
        same = (grams[..., :-1] == tail).all(-1)
        hits = torch.zeros_like(banned, dtype=torch.long)
        return banned | (hits.scatter_add(2, grams[..., -1], same.long()) > 0)


class Prefix:
    """Force the first ids of each sentence, whatever other rules have banned."""

    def __init__(self, prefixes: Sequence[Sequence[int]], device: torch.device) -> None:
        self.longest = max(map(len, prefixes), default=0)
        rows = [[*prefix, *[0] * (self.longest - len(prefix))] for prefix in prefixes]
        self.ids = torch.tensor(rows, dtype=torch.long, device=device)  # (B, longest)
        self.lengths = torch.tensor([len(each) for each in prefixes], device=device)

    def __call__(self, banned: Tensor, past: Past) -> Tensor:
        """Ban all but the next id of a prefix that is not complete."""
        step = past.ids.size(2)
        if step >= self.longest:
            return banned
        forced = self.lengths[past.sentences] > step  # (B,)
        others = torch.ones_like(banned[:, 0])
        others.scatter_(1, self.ids[past.sentences, step].unsqueeze(-1), False)
        return torch.where(forced[:, None, None], others.unsqueeze(1), banned)


@dataclass(frozen=True)
class RuledState(Generic[State]):
    """A scorer's state, and what hypotheses have written, the start included."""

    state: State
    past: Past


@dataclass(frozen=True)
class RuledCandidates:
    """Candidates of which some are impossible; the others keep their log-probabilities."""

    candidates: Candidates
    past: Past
    rules: Sequence[Rule]

    @cached_property
    def _allowed(self) -> Tensor:
        log_probs = self.candidates.log_probs()
        banned = torch.zeros_like(log_probs, dtype=torch.bool)
        for rule in self.rules:
            banned = rule(banned, self.past)
        return log_probs.masked_fill(banned, -torch.inf)

    def log_probs(self) -> Tensor:
        """Give the log-probability of every id."""
        return self._allowed

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the best of those that may follow."""
        return top_in_order(self._allowed, min(width, self._allowed.size(-1)))

    def bonus(self) -> Tensor | None:
        """Give what the candidates give."""
        return self.candidates.bonus()


class RuledScorer(Generic[State]):
    """Score as another does, but forbid what rules forbid; a later rule has the last word."""

    def __init__(self, scorer: Scorer[State], rules: Sequence[Rule]) -> None:
        self.scorer = scorer
        self.rules = rules

    def start(self, source: Source, beam: int, limit: int) -> RuledState[State]:
        """Begin with nothing written."""
        size, device = len(source.ids), source.ids.device
        nothing = torch.zeros((size, beam, 0), dtype=torch.long, device=device)
        past = Past(nothing, torch.arange(size, device=device))
        return RuledState(self.scorer.start(source, beam, limit), past)

    def step(
        self, state: RuledState[State], ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[RuledCandidates, RuledState[State]]:
        """Extend what is written, and score what may follow."""
        written = state.past.ids
        written = written.gather(1, parents.unsqueeze(-1).expand_as(written))
        written = torch.cat([written, ids.unsqueeze(-1)], dim=-1)
        candidates, inner = self.scorer.step(state.state, ids, parents, rows)
        past = Past(written[:, :, 1:], state.past.sentences)
        following = RuledState(inner, Past(written, state.past.sentences))
        return RuledCandidates(candidates, past, self.rules), following

    def select(self, state: RuledState[State], sentences: Tensor) -> RuledState[State]:
        """Keep some sentences."""
        past = Past(state.past.ids[sentences], state.past.sentences[sentences])
        return RuledState(self.scorer.select(state.state, sentences), past)
