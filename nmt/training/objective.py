"""What training minimises over a batch.

B sentences, T target length.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.corpus.batches import Batch
from nmt.model.compute import Compute
from nmt.model.contract import SequenceModel
from nmt.training.config import TrainingConfig
from nmt.training.consistency import consistent_loss
from nmt.training.loss import LossSums, smoothed_loss


@dataclass(frozen=True)
class Objective:
    """Cross-entropy with smoothed labels, and agreement of two passes where that is asked for.

    Attributes:
        r_drop: Weight of what two passes differ by; 0 is one pass.
        chunk: Scores of words that exist at once; 0 for all.
    """

    label_smoothing: float = 0.0
    r_drop: float = 0.0
    chunk: int = TrainingConfig.loss_chunk

    @classmethod
    def of(cls, config: TrainingConfig) -> "Objective":
        """Take it from the settings."""
        return cls(config.label_smoothing, config.r_drop, config.loss_chunk)

    def sum(self, model: SequenceModel, batch: Batch, compute: Compute) -> LossSums:
        """Sum the loss of a batch; padding takes no part, not even in the output projection."""
        passes = 2 if self.r_drop else 1
        states, predicted = predictions(model, batch, compute, passes)
        weight = model.output_weight()
        if passes == 1:
            return smoothed_loss(states[0], weight, predicted, self.label_smoothing, self.chunk)
        return consistent_loss(
            states, weight, predicted, self.label_smoothing, self.r_drop, self.chunk
        )


def predictions(
    model: SequenceModel, batch: Batch, compute: Compute, passes: int
) -> tuple[Tensor, Tensor]:
    """Make the states that predict a batch's N target ids, (passes, N, D), and the ids, (N,).

    All passes are one batch, in which every sentence stands so many times; dropout tells them
    apart.
    """
    device = compute.device
    source, source_lengths = on(batch.source, device), on(batch.source_lengths, device)
    target, target_lengths = on(batch.target, device), on(batch.target_lengths, device)
    real = torch.arange(target.size(1) - 1, device=device) < target_lengths.unsqueeze(-1)  # (B, T)
    sources = source.repeat(passes, 1), source_lengths.repeat(passes)
    targets, lengths = target[:, :-1].repeat(passes, 1), target_lengths.repeat(passes)
    with compute.autocast():
        states = model.predict(sources, targets, lengths).to(compute.dtype)
    kept = states.unflatten(0, (passes, -1))[:, real]
    return kept, target[:, 1:][real]


def on(array: object, device: torch.device) -> Tensor:
    """Move an array to the device."""
    return torch.as_tensor(array).to(device, non_blocking=True)
