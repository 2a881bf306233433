"""Where a number that is not finite comes from: hooks on every module and weight.

B sentences.
"""

import dataclasses
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nmt.model.contract import SequenceModel


class Watch:
    """While entered, note what is the first not to be finite, forward and backward.

    A module is named after those inside it have been looked at, so that the innermost is named.

    Attributes:
        forward: The output of which module; empty while all are finite.
        rows: Of that output, the rows that are not finite: sentences, where its first axis is B.
        backward: The gradient by the output of which module, or of which weight.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._handles: list[RemovableHandle] = []
        self.forward = self.backward = ""
        self.rows: list[int] = []

    def __enter__(self) -> Self:
        for name, module in self._model.named_modules():
            see = partial(self._see_output, name or "the model")
            self._handles.append(module.register_forward_hook(see))
        for name, weight in self._model.named_parameters():
            see_gradient = partial(self._see_gradient, f"the gradient of the weight {name}")
            self._handles.append(weight.register_hook(see_gradient))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _see_output(self, name: str, _: nn.Module, given: object, output: object) -> None:
        for tensor in tensors_in(output):
            if not tensor.is_floating_point():
                continue
            if not self.forward and not is_finite(tensor):
                self.forward, self.rows = f"the output of {name}", bad_rows(tensor)
            if tensor.requires_grad:
                where = f"the gradient by the output of {name}"
                tensor.register_hook(partial(self._see_gradient, where))

    def _see_gradient(self, where: str, gradient: Tensor) -> None:
        if not self.backward and not is_finite(gradient):
            self.backward = where


def is_finite(tensor: Tensor) -> bool:
    """Tell whether all numbers are."""
    return bool(torch.isfinite(tensor).all())


def bad_rows(tensor: Tensor) -> list[int]:
    """List where on the first axis something is not finite."""
    if not tensor.dim():
        return []
    bad = ~torch.isfinite(tensor).reshape(tensor.size(0), -1).all(-1)
    return [int(row) for row in bad.nonzero()]


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Find the tensors in what a module returns."""
    if isinstance(value, Tensor):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors_in(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors_in(each)


def bad_weight(model: nn.Module) -> str:
    """Name the first weight that is not finite, if one is."""
    for name, weight in model.named_parameters():
        if not is_finite(weight):
            return f"the weight {name}"
    return ""


def bad_penalty(model: SequenceModel) -> str:
    """Name the first mechanism whose part in the loss is not finite, if one's is."""
    for name, mechanism in model.mechanisms().items():
        penalty = mechanism.penalty()
        if penalty is not None and not is_finite(penalty):
            return f"the penalty of {name}"
    return ""
