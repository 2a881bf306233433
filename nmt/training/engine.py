"""PyTorch's engines for training with several processes, behind one face.

An engine listens to a module's forward pass and joins the processes' gradients in backward.
"""

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from nmt.model.compute import Compute
from nmt.model.contract import SequenceModel
from nmt.model.language import LanguageLayer
from nmt.model.layers import DecoderLayer, EncoderLayer
from nmt.model.sharded import whole
from nmt.training.ranks import Ranks

Result = tuple[Tensor, Any]
Objective = Callable[..., Result]


class Engine:
    """One process, which shares its gradients with none."""

    ranks = Ranks()

    def run(self, last: bool, objective: Objective, *given: Any) -> Result:
        """Compute a loss with the engine listening.

        Args:
            last: Whether it is the update's last; in its backward pass gradients are joined.
            objective: Gives the loss and whatever else, from what is given.
        """
        return objective(*given)

    def whole(self, model: SequenceModel) -> AbstractContextManager[SequenceModel]:
        """Give the model with all its weights, to be measured and saved by the first process.

        Every process must enter.
        """
        return contextlib.nullcontext(model)


class Listening(nn.Module):
    """A module whose forward pass is whatever a function does with a model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, objective: Objective, *given: Any) -> Result:
        """Call the function."""
        return objective(*given)


class Replicated(Engine):
    """Each process holds the whole model.

    Source: Li et al. (2020), https://arxiv.org/abs/2006.15704 (DistributedDataParallel).
    """

    def __init__(self, model: SequenceModel, ranks: Ranks, compute: Compute) -> None:
        self.ranks, self._model, self._compute = ranks, model, compute
        self._module: nn.parallel.DistributedDataParallel | None = None

    def run(self, last: bool, objective: Objective, *given: Any) -> Result:
        """Compute a loss with the engine listening."""
        if self._module is None:
            self._module = self._joined(self._leaves_some_unused(objective, *given))
        with contextlib.nullcontext() if last else self._module.no_sync():
            result: Result = self._module(objective, *given)
        return result

    def _joined(self, some_unused: bool) -> nn.parallel.DistributedDataParallel:
        with warnings.catch_warnings():  # the name that follows is not in older versions
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated")
            return nn.parallel.DistributedDataParallel(
                Listening(self._model),
                broadcast_buffers=False,
                find_unused_parameters=some_unused,
            )

    def _leaves_some_unused(self, objective: Objective, *given: Any) -> bool:
        """Try whether some weight gets no gradient; the engine warns when told so in vain."""
        with self._compute.isolated():
            loss, _ = objective(*given)
            loss.backward()
        unused = any(each.grad is None for each in self._model.parameters())
        self._model.zero_grad()
        return self.ranks.highest([unused]) != [0.0]


class Sharded(Engine):
    """Each process holds its part of weights, gradients and the optimizer's memory.

    Weights come together for the layer that is at work. What adapts (spans, gates) is also read
    between layers, so a model with such weights is whole from forward to backward.

    Source: Zhao et al. (2023), https://arxiv.org/abs/2304.11277; here PyTorch's second
    implementation, `fully_shard`.

    Attributes:
        model: The one to train: a copy, whose weights are parts.
    """

    def __init__(self, model: SequenceModel, ranks: Ranks, device: torch.device) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        self.ranks, self._device = ranks, device
        self._whole = model.cpu()
        self._is_whole = False
        self.model = copy.deepcopy(model)
        mesh = init_device_mesh(device.type, (ranks.size,))
        reshard = not self.model.regulators()
        layers = [each for each in self.model.modules() if isinstance(each, STACKED)]
        for layer in layers:
            fully_shard(layer, mesh=mesh, reshard_after_forward=reshard)
        self._module = Listening(self.model)
        fully_shard(self._module, mesh=mesh, reshard_after_forward=False)

    def run(self, last: bool, objective: Objective, *given: Any) -> Result:
        """Compute a loss with the engine listening; parts of gradients are joined each time."""
        result: Result = self._module(objective, *given)
        return result

    @contextlib.contextmanager
    def _gathered(self) -> Iterator[SequenceModel]:
        if self._is_whole:
            yield self._whole
            return
        with torch.no_grad():
            for part, weight in zip(self.model.parameters(), self._whole.parameters(), strict=True):
                weight.copy_(whole(part))
        self._is_whole = True
        try:
            yield self._whole.to(self._device if self.ranks.leads else "cpu")
        finally:
            self._whole.cpu()
            self._is_whole = False

    def whole(self, model: SequenceModel) -> AbstractContextManager[SequenceModel]:
        """Give the model with all its weights, on the processor between uses."""
        return self._gathered()


STACKED = (EncoderLayer, DecoderLayer, LanguageLayer)


def make_engine(
    model: SequenceModel, compute: Compute, ranks: Ranks
) -> tuple[Engine, SequenceModel]:
    """Make the engine for a model, and give the model that it trains: this one, or a copy."""
    if ranks.size == 1:
        return Engine(), model
    if compute.sharding == "fsdp":
        sharded = Sharded(model, ranks, compute.device)
        return sharded, sharded.model
    return Replicated(model, ranks, compute), model
