"""One update: the gradients of some batches, then one step of the optimizer."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from nmt.corpus.batches import Batch
from nmt.errors import NmtError
from nmt.model.compute import Compute
from nmt.model.contract import SequenceModel
from nmt.model.sharded import whole
from nmt.training.averaging import MovingAverage
from nmt.training.config import TrainingConfig
from nmt.training.engine import Engine, make_engine
from nmt.training.loss import LossSums
from nmt.training.objective import Objective
from nmt.training.optimizer import make_optimizer
from nmt.training.ranks import Ranks
from nmt.training.room import give_back, halves


@dataclass
class Totals:
    """Sums since the last line of the log: over target tokens, and of updates and their time."""

    loss: float = 0.0
    nll: float = 0.0
    correct: float = 0.0
    tokens: int = 0
    updates: int = 0
    gradient: float = 0.0
    seconds: float = 0.0

    def add(self, sums: LossSums) -> None:
        """Add a batch."""
        self.loss += float(sums.loss.detach())
        self.nll += float(sums.nll)
        self.correct += float(sums.correct)
        self.tokens += sums.tokens

    def collect(self, ranks: Ranks) -> None:
        """Move what all processes have summed to the first; the others begin again at nought."""
        if ranks.size == 1:
            return
        sums = ranks.sums([self.loss, self.nll, self.correct, self.tokens])
        self.loss, self.nll, self.correct, self.tokens = *sums[:3], int(sums[3])
        if not ranks.leads:
            self.begin_again()

    def begin_again(self) -> None:
        """Count tokens from nought; updates and time are the same in every process."""
        self.loss, self.nll, self.correct, self.tokens = 0.0, 0.0, 0.0, 0

    def include(self, other: "Totals") -> None:
        """Add other totals."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class NotFinite(NmtError):
    """Say that an update was left out; the weights are as they were."""

    def __init__(self, loss: float, norm: float) -> None:
        super().__init__(f"the gradient is not finite: length {norm}, loss {loss:.4g}")
        self.loss, self.norm = loss, norm


@dataclass(frozen=True)
class Updater:
    """What an update needs besides its batches.

    Attributes:
        moving: The moving average of weights that is to be saved in their place; None for none.
    """

    model: SequenceModel
    optimizer: Optimizer
    compute: Compute
    objective: Objective
    clip_norm: float
    moving: MovingAverage | None = None
    engine: Engine = field(default_factory=Engine)

    @classmethod
    def make(
        cls,
        model: SequenceModel,
        config: TrainingConfig,
        compute: Compute,
        ranks: Ranks = Ranks(),  # noqa: B008 (it is frozen)
    ) -> "Updater":
        """Make what trains a model; of a sharded one, a copy is trained."""
        engine, trained = make_engine(model, compute, ranks)
        optimizer = make_optimizer(trained, config)
        moving = MovingAverage(trained, config.ema) if config.ema else None
        objective = Objective.of(config)
        return cls(trained, optimizer, compute, objective, config.clip_norm, moving, engine)

    @contextmanager
    def whole(self) -> Iterator[SequenceModel]:
        """Give the model that is validated and saved, whole and perhaps averaged.

        Every process must enter; what the first does with it is no other's concern.
        """
        averaged = self.moving.in_place() if self.moving else nullcontext()
        with averaged, self.engine.whole(self.model) as model:
            yield model

    def update(self, batches: Sequence[Batch], totals: Totals) -> None:
        """Move the weights by the mean loss over the target tokens of all batches.

        Of several processes each is given all batches, and computes its turns of them; `totals`
        are of its own.

        Raises:
            NotFinite: The loss or its gradient is not; weights and totals are as they were.
        """
        own = self._gradients(batches)
        limit = self.clip_norm or torch.inf
        norm = float(whole(clip_grad_norm_(self.model.parameters(), limit)))
        (loss,) = self.engine.ranks.sums([own.loss])
        if not math.isfinite(norm + loss):
            self.optimizer.zero_grad()
            raise NotFinite(loss / sum(batch.tokens for batch in batches), norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        own.updates, own.gradient = 1, norm
        totals.include(own)

    def _gradients(self, batches: Sequence[Batch]) -> Totals:
        """Make the gradients of the mean loss, in this process' turns."""
        tokens, own = sum(batch.tokens for batch in batches), Totals()
        if self.engine.ranks.size == 1:
            return self._gradients_in_room(batches, tokens)
        for turn in self.engine.ranks.turns(batches):
            sums = self.add_gradient(turn.item, tokens, len(batches), turn.factor, turn.last)
            if turn.factor:
                own.add(sums)
        return own

    def _gradients_in_room(self, batches: Sequence[Batch], tokens: int) -> Totals:
        """Make the gradients of one process alone; a batch that has no room is cut in two.

        What failed has left parts of its gradients with those of the batches before, so all
        begins again: the same update, from smaller batches. Among several processes the others
        would wait for what is done again.

        Raises:
            ConfigError: A single pair has no room.
        """
        parts, done, own = list(batches), 0, Totals()
        while done < len(parts):
            sums = self._with_room(parts[done], tokens, len(parts))
            if sums is not None:
                own.add(sums)
                done += 1
                continue
            self.optimizer.zero_grad()
            give_back(self.compute)
            parts[done : done + 1] = halves(parts[done])
            done, own = 0, Totals()
        return own

    def _with_room(self, batch: Batch, tokens: int, parts: int) -> LossSums | None:
        """Add a batch's gradient; None if memory ended: what it held is free again by then."""
        try:
            return self.add_gradient(batch, tokens, parts)
        except torch.OutOfMemoryError:
            return None

    def add_gradient(
        self, batch: Batch, tokens: int, parts: int, factor: float = 1.0, last: bool = True
    ) -> LossSums:
        """Add the share that a batch has in an update of so many target tokens and batches."""
        sums: LossSums
        loss, sums = self.engine.run(last, self._loss, batch, tokens, parts)
        (loss * factor).backward()
        return sums

    def _loss(self, batch: Batch, tokens: int, parts: int) -> tuple[Tensor, LossSums]:
        sums = self.objective.sum(self.model, batch, self.compute)
        loss = sums.loss / tokens
        penalty = self.model.penalty()
        if penalty is not None:
            loss = loss + penalty / parts
        return loss, sums


@torch.inference_mode()
def held_out_loss(
    model: SequenceModel, batches: Sequence[Batch], compute: Compute
) -> dict[str, float]:
    """Measure loss (nats a token, not smoothed), perplexity and accuracy on held-out pairs."""
    totals = Totals()
    for batch in batches:
        totals.add(Objective().sum(model, batch, compute))
    loss = totals.nll / totals.tokens
    return {
        "loss": loss,
        "perplexity": float(torch.exp(torch.tensor(loss))),
        "accuracy": totals.correct / totals.tokens,
    }
