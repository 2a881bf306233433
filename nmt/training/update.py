"""One update: the gradients of some batches, then one step of the optimizer.

B sentences, T target length.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from nmt.corpus.batches import Batch
from nmt.errors import NmtError
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.training.averaging import MovingAverage
from nmt.training.config import TrainingConfig
from nmt.training.loss import LossSums, smoothed_loss
from nmt.training.optimizer import make_optimizer
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

    def include(self, other: "Totals") -> None:
        """Add other totals."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def batch_loss(
    model: EncoderDecoder,
    batch: Batch,
    smoothing: float,
    compute: Compute,
    chunk: int = TrainingConfig.loss_chunk,
) -> LossSums:
    """Sum the loss of a batch; padding takes no part, not even in the output projection.

    Args:
        chunk: Scores of words that exist at once; 0 for all.
    """
    device = compute.device
    source, source_lengths = on(batch.source, device), on(batch.source_lengths, device)
    target, target_lengths = on(batch.target, device), on(batch.target_lengths, device)
    with compute.autocast():
        memory = model.encode(source, source_lengths)
        states = model.decode(memory, target[:, :-1], target_lengths)  # (B, T, D)
    real = torch.arange(states.size(1), device=device) < target_lengths.unsqueeze(-1)  # (B, T)
    working = states.to(compute.dtype)
    predicted = target[:, 1:][real]
    return smoothed_loss(working[real], model.output_weight(), predicted, smoothing, chunk)


def on(array: object, device: torch.device) -> Tensor:
    """Move an array to the device."""
    return torch.as_tensor(array).to(device, non_blocking=True)


@dataclass(frozen=True)
class Updater:
    """What an update needs besides its batches.

    Attributes:
        moving: The moving average of weights that is to be saved in their place; None for none.
    """

    model: EncoderDecoder
    optimizer: Optimizer
    compute: Compute
    label_smoothing: float
    clip_norm: float
    moving: MovingAverage | None = None
    loss_chunk: int = TrainingConfig.loss_chunk

    @classmethod
    def make(cls, model: EncoderDecoder, config: TrainingConfig, compute: Compute) -> "Updater":
        """Make what trains a model as settings say."""
        return cls(
            model,
            make_optimizer(model, config),
            compute,
            config.label_smoothing,
            config.clip_norm,
            MovingAverage(model, config.ema) if config.ema else None,
            config.loss_chunk,
        )

    def averaged(self) -> AbstractContextManager[None]:
        """Let the model have the weights that are validated and saved inside this context."""
        return self.moving.in_place() if self.moving else nullcontext()

    def update(self, batches: Sequence[Batch], totals: Totals) -> None:
        """Move the weights by the mean loss over the target tokens of all batches.

        Raises:
            NmtError: The gradient is not a number; the weights are as they were.
        """
        totals.include(self._gradients(batches))
        limit = self.clip_norm or torch.inf
        norm = float(clip_grad_norm_(self.model.parameters(), limit))
        if not torch.isfinite(torch.tensor(norm)):
            raise NmtError(
                "training diverged: the gradient is not a number; lower training.learning_rate "
                "or raise training.warmup, and start again"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        totals.updates += 1
        totals.gradient += norm

    def _gradients(self, batches: Sequence[Batch]) -> Totals:
        """Make the gradients of the mean loss; a batch that has no room is cut in two.

        What failed has left parts of its gradients with those of the batches before, so all
        begins again: the same update, from smaller batches.

        Raises:
            ConfigError: A single pair has no room.
        """
        parts, done, own = list(batches), 0, Totals()
        tokens = sum(batch.tokens for batch in batches)
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

    def add_gradient(self, batch: Batch, tokens: int, parts: int) -> LossSums:
        """Add the share that a batch has in an update of so many target tokens and batches."""
        sums = batch_loss(self.model, batch, self.label_smoothing, self.compute, self.loss_chunk)
        loss = sums.loss / tokens
        penalty = self.model.penalty()
        if penalty is not None:
            loss = loss + penalty / parts
        loss.backward()
        return sums


@torch.inference_mode()
def held_out_loss(
    model: EncoderDecoder, batches: Sequence[Batch], compute: Compute
) -> dict[str, float]:
    """Measure loss (nats a token, not smoothed), perplexity and accuracy on held-out pairs."""
    totals = Totals()
    for batch in batches:
        totals.add(batch_loss(model, batch, 0.0, compute))
    loss = totals.nll / totals.tokens
    return {
        "loss": loss,
        "perplexity": float(torch.exp(torch.tensor(loss))),
        "accuracy": totals.correct / totals.tokens,
    }
