"""The weights of attention: of every mechanism while a model reads a target by force, and of
cross-attention in a step of decoding.

B batch, H heads, T queries, S keys.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nmt.attention.contract import Attended, Attention
from nmt.model.contract import EncoderDecoder


@dataclass(frozen=True)
class Weighed:
    """What one layer attended to.

    Attributes:
        role: "encoder", "decoder" or "cross".
        layer: Number among those of its role, from 0.
        weights: (B, H, T, S), one position after the other where a model runs step by step; None
            where the mechanism gives none, or pruning has left it no head.
    """

    role: str
    layer: int
    weights: Tensor | None


@torch.inference_mode()
def attention_weights(
    model: EncoderDecoder, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]
) -> dict[str, Weighed]:
    """Ask every mechanism for its weights, by the names that the model gives them.

    A layer whose weights serve at several places of a stack is named by each of the places.

    Args:
        model: In evaluation mode.
        source: Ids (B, S) and lengths (B,).
        target: Ids (B, T) that are read, the start among them, and lengths (B,).
    """
    listener = Listener(model)
    with listener.attached():
        memory = model.encode(*source)
        listener.encoding = False
        model.decode(memory, *target)
    return listener.heard


class Listener:
    """Hear what mechanisms attend to, whatever calls them.

    Attributes:
        encoding: Whether the model is reading the source.
        heard: So far, by name, in the order of the calls.
    """

    def __init__(self, model: EncoderDecoder) -> None:
        self.encoding = True
        self.heard: dict[str, Weighed] = {}
        self._places: dict[Attention, list[str]] = {}
        for name, mechanism in outermost(model):
            self._places.setdefault(mechanism, []).append(name)
        self._calls = dict.fromkeys(self._places, 0)

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Listen for a while."""
        with ExitStack() as stack:
            for mechanism in self._places:
                asking = mechanism.register_forward_pre_hook(ask, with_kwargs=True)
                hearing = mechanism.register_forward_hook(self._hear, with_kwargs=True)
                stack.callback(asking.remove)
                stack.callback(hearing.remove)
            yield

    def _hear(
        self, mechanism: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Attended
    ) -> None:
        assert isinstance(mechanism, Attention)
        weights = given(result)
        places, number = self._places[mechanism], self._calls[mechanism]
        self._calls[mechanism] += 1
        name = places[min(number, len(places) - 1)]  # one place is asked position by position
        if name in self.heard:
            self.heard[name] = extended(self.heard[name], weights)
            return
        query, memory = (*args, kwargs.get("memory"))[:2]
        role = "encoder" if self.encoding else "decoder" if memory is query else "cross"
        layer = sum(each.role == role for each in self.heard.values())
        self.heard[name] = Weighed(role, layer, weights)


def given(result: Attended) -> Tensor | None:
    """Give the weights, if there are any."""
    return result.weights if result.weights is not None and result.weights.size(1) else None


def extended(before: Weighed, weights: Tensor | None) -> Weighed:
    """Put the weights of later queries below those of earlier ones."""
    if before.weights is None or weights is None:
        return before
    return replace(before, weights=torch.cat([before.weights, weights], dim=-2))


def ask(
    mechanism: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Ask for weights in a call that did not, where there are any."""
    assert isinstance(mechanism, Attention)
    return args, {**kwargs, "need_weights": mechanism.gives_weights}


def outermost(model: nn.Module) -> list[tuple[str, Attention]]:
    """Find mechanisms that are no part of another, shared ones once for each of their places."""
    modules = model.named_modules(remove_duplicate=False)
    found = [(name, each) for name, each in modules if isinstance(each, Attention)]
    wholes = tuple(f"{name}." for name, _ in found)
    return [(name, each) for name, each in found if not name.startswith(wholes)]


@contextmanager
def listening(model: nn.Module) -> Iterator[list[Tensor]]:
    """Hear what each layer's cross-attention looks at in a step, (B, beam, S), heads averaged."""
    heard: list[Tensor] = []

    def hear(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Attended) -> None:
        memory = (*args, kwargs.get("memory"))[1]
        weights = given(result)
        if memory is None and weights is not None:  # in a step, cross-attention has no memory
            heard.append(weights.float().mean(1))

    with ExitStack() as stack:
        for mechanism in distinct(model):
            asking = mechanism.register_forward_pre_hook(ask, with_kwargs=True)
            hearing = mechanism.register_forward_hook(hear, with_kwargs=True)
            stack.callback(asking.remove)
            stack.callback(hearing.remove)
        yield heard


def distinct(model: nn.Module) -> list[Attention]:
    """List cross-attention and what may be it, each once however many layers share it."""
    return list({id(each): each for _, each in outermost(model) if each.gives_weights}.values())
