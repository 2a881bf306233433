"""The coverage penalty: a translation that ends without having looked everywhere scores lower.

B sentences, T target length, S source length, H heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.errors import ConfigError
from nmt.model.contract import DecodingState, Rows
from nmt.model.weights import listening
from nmt.search.scorer import ModelScorer, ScoreCandidates, Source

LEAST = 1e-6  # coverage that counts for none: its logarithm is finite


@dataclass(frozen=True)
class CoverageState:
    """A model's state, and what of the source its hypotheses have looked at.

    Attributes:
        coverage: (B, beam, S) attention that each source id has had so far, all steps together.
        real: (B, S) whether there is an id, and no padding.
    """

    state: DecodingState
    coverage: Tensor
    real: Tensor


@dataclass(frozen=True)
class CoverageCandidates:
    """Candidates of a model, with what their hypotheses lose by ending now, (B, beam)."""

    candidates: ScoreCandidates
    penalty: Tensor

    def log_probs(self) -> Tensor:
        """Give the log-probability of every id."""
        return self.candidates.log_probs()

    def top(self, width: int) -> tuple[Tensor, Tensor]:
        """Give the best."""
        return self.candidates.top(width)

    def bonus(self) -> Tensor:
        """Give the penalty."""
        return self.penalty


class CoverageScorer:
    """Score as a model does, and penalise the end of what leaves source ids unattended.

    The penalty is `beta` times the sum over source ids of log min(1, attention that each has had);
    attention is the mean over layers and heads of cross-attention. Only hypotheses that have ended
    are compared by it.

    Source: Wu et al. (2016), https://arxiv.org/abs/1609.08144, equation 14.
    """

    def __init__(self, scorer: ModelScorer, beta: float) -> None:
        self.scorer = scorer.of_modules()
        self.beta = beta

    def start(self, source: Source, beam: int, limit: int) -> CoverageState:
        """Begin with nothing looked at."""
        size, device = source.ids.size(1), source.ids.device
        real = torch.arange(size, device=device) < source.lengths.unsqueeze(-1)
        nothing = torch.zeros((len(source.ids), beam, size), device=device)
        return CoverageState(self.scorer.start(source, beam, limit), nothing, real)

    def step(
        self, state: CoverageState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[CoverageCandidates, CoverageState]:
        """Run the decoder on one position, and see what it looks at."""
        with listening(self.scorer.model) as heard:
            candidates, inner = self.scorer.step(state.state, ids, parents, rows)
        if not heard:
            raise no_weights(self.beta)
        before = state.coverage.gather(1, parents.unsqueeze(-1).expand_as(state.coverage))
        coverage = before + torch.stack(heard).mean(0)
        shortfall = coverage.clamp(LEAST, 1.0).log().masked_fill(~state.real.unsqueeze(1), 0.0)
        penalty = self.beta * shortfall.sum(-1)
        return CoverageCandidates(candidates, penalty), CoverageState(inner, coverage, state.real)

    def select(self, state: CoverageState, sentences: Tensor) -> CoverageState:
        """Keep some sentences."""
        inner = self.scorer.select(state.state, sentences)
        return CoverageState(inner, state.coverage[sentences], state.real[sentences])


def whole_penalty(weights: Sequence[Tensor | None], beta: float) -> float:
    """Give what a whole target loses, from what each layer (H, T, S) has looked at.

    Raises:
        ConfigError: No layer gives weights.
    """
    heard = [each.float().mean(0) for each in weights if each is not None]  # (T, S)
    if not heard:
        raise no_weights(beta)
    coverage = torch.stack(heard).mean(0).sum(0)
    return beta * float(coverage.clamp(LEAST, 1.0).log().sum())


def no_weights(beta: float) -> ConfigError:
    """Say that nothing tells what was looked at."""
    return ConfigError(
        f"search.coverage_beta = {beta} needs weights of attention, but attention.cross of this "
        "model gives none"
    )
