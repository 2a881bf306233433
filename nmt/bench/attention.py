"""Time and memory of one mechanism of attention at one length.

B batch, n length, D model size.

Inside the clock of a pass: describing the layout, forward, backward to the inputs and weights.
Inside that of a step: reordering the cache and one forward pass of one hypothesis.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.build import build_attention
from nmt.attention.caches import GrowingKeyValues, Nothing
from nmt.attention.contract import Attention, Cache, Lent, Place
from nmt.attention.layout import Layout
from nmt.bench.cells import STEP, Cell, Figures, Scale, config_of
from nmt.bench.flops import wait_for
from nmt.bench.memory import peak_bytes
from nmt.model.compute import Compute

SENTENCE = 25  # tokens, for what attends by sentence


def measure(cell: Cell, scale: Scale, compute: Compute) -> Figures:
    """Measure one cell.

    Raises:
        ConfigError: The mechanism cannot be built.
    """
    torch.manual_seed(1)
    layers = build_layers(cell, scale, compute.device)
    with copying() if scale.what == "kernel" else contextlib.nullcontext(), compute.autocast():
        run = measure_step if cell.work == STEP else measure_pass
        return run(layers, cell, scale, compute.device)


def build_layers(cell: Cell, scale: Scale, device: torch.device) -> list[Attention]:
    """Build one layer, or a block of those that share."""
    config = config_of(cell.variant)
    layers = []
    for layer in range(config.share_block if config.share != "none" else 1):
        place = Place(
            role=cell.role, model_size=scale.model_size, num_heads=scale.num_heads, layer=layer
        )
        layers.append(build_attention(place, config).to(device))
    return layers


@contextlib.contextmanager
def copying() -> Iterator[None]:
    """Let every linear projection copy its input, to leave the time of the rest."""
    original = F.linear
    F.linear = copied  # type: ignore[assignment]  # what every projection calls, modules included
    try:
        yield
    finally:
        F.linear = original


def copied(states: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Give as many numbers as the projection would: the input, cut off or repeated."""
    size = weight.size(0)
    times = -(-size // states.size(-1))
    return torch.cat([states] * times, -1)[..., :size].contiguous()


def measure_pass(
    layers: Sequence[Attention], cell: Cell, scale: Scale, device: torch.device
) -> Figures:
    """Measure forward and backward through the layers."""
    sentences = scale.sentences(cell)
    shape = (sentences, cell.length, scale.model_size)
    query, memory, gradient = (torch.randn(shape, device=device) for _ in range(3))
    memory = query if cell.role != "cross" else memory
    inputs = [query, memory, *(weight for layer in layers for weight in layer.parameters())]
    for each in inputs:
        each.requires_grad_()

    def once() -> None:
        layout = pass_layout(cell, sentences, device)
        output = attend(layers, query, memory, layout)
        torch.autograd.backward(output, gradient.to(output.dtype))
        for each in inputs:
            each.grad = None

    start = time.perf_counter()
    peak = peak_bytes(once, device)
    warm_up = time.perf_counter() - start
    times = repeat(once, scale, device, warm_up)
    share = len(layers) * sentences
    return Figures(
        seconds=statistics.median(times) / share,
        peak_bytes=peak // share,
        repeats=len(times),
        sentences=sentences,
        layers=len(layers),
        needed_seconds=warm_up + times[0],
    )


def attend(layers: Sequence[Attention], query: Tensor, memory: Tensor, layout: Layout) -> Tensor:
    """Run the layers one after another; the later ones use what the first has lent."""
    is_self = memory is query
    lent: Lent | None = None
    for layer in layers:
        attended = layer(
            query, query if is_self else memory, layout, lent=lent if layer.borrows else None
        )
        query, lent = attended.output, attended.lent or lent
    return query


def measure_step(
    layers: Sequence[Attention], cell: Cell, scale: Scale, device: torch.device
) -> Figures:
    """Measure one decoding step after as many steps (cross: beside as long a source)."""
    start = time.perf_counter()
    for layer in layers:
        layer.eval()
    with torch.inference_mode():
        decoding = Decoding(layers, cell, scale, device)
        decoding.fill()
        wait_for(device)
        num_bytes = sum(cache.num_bytes() for cache in decoding.caches)
        filled = time.perf_counter() - start
        times = repeat(decoding.step, scale, device, filled)
    return Figures(
        seconds=statistics.median(times) / len(layers),
        cache_bytes=num_bytes // len(layers),
        repeats=len(times),
        layers=len(layers),
        needed_seconds=filled + times[0],
    )


class Decoding:
    """A decoding of one hypothesis of one sentence, step by step.

    Attributes:
        position: Steps made.
        first: Steps before the first that is timed: all of the cache, or a warm-up.
        caches: Those of the layers.
    """

    def __init__(
        self, layers: Sequence[Attention], cell: Cell, scale: Scale, device: torch.device
    ) -> None:
        self.layers, self.cell, self.device = layers, cell, device
        self.position = 0
        self.first = 1 if cell.role == "cross" else cell.length
        limit = self.first + scale.repeats
        self.query = torch.randn(1, 1, scale.model_size, device=device)
        self.ancestry = torch.zeros(1, 1, limit, dtype=torch.long, device=device)
        self.sentences = numbered(max(limit, cell.length), device)
        self.caches = self._start(scale, limit)

    def _start(self, scale: Scale, limit: int) -> list[Cache]:
        if self.cell.role != "cross":
            return [layer.start(1, 1, limit) for layer in self.layers]
        memory = torch.randn(1, self.cell.length, scale.model_size, device=self.device)
        lengths = torch.tensor([self.cell.length], device=self.device)
        return [layer.remember(memory, lengths) for layer in self.layers]

    def fill(self) -> None:
        """Fill the caches: by steps, but keys and values at once, since any will do."""
        if all(isinstance(cache, GrowingKeyValues | Nothing) for cache in self.caches):
            self.position = self.first - 1
            self.caches = [filled(cache, self.position) for cache in self.caches]
        while self.position < self.first:  # one at least, to warm up
            self.step()

    def step(self) -> None:
        """Make one step."""
        parents = self.ancestry[:, :, 0]
        self.position += 1
        layout, states = self._layout(), self.query
        lent: Lent | None = None
        for number, layer in enumerate(self.layers):
            memory = None if self.cell.role == "cross" else states
            cache = self.caches[number].reorder(parents)
            borrowed = lent if layer.borrows else None
            attended = layer(states, memory, layout, cache=cache, lent=borrowed)
            assert attended.cache is not None, "a step continues its cache"
            self.caches[number] = attended.cache
            states, lent = attended.output, attended.lent or lent

    def _layout(self) -> Layout:
        now = self.position
        own = self.sentences[:, now - 1 : now]
        if self.cell.role == "cross":
            return Layout(
                num_queries=1, num_keys=self.cell.length, offset=now - 1, hypotheses=True,
                query_sentences=own, key_sentences=self.sentences[:, : self.cell.length],
                device=self.device,
            )  # fmt: skip
        return Layout(
            num_queries=1, num_keys=now, ancestry=self.ancestry[:, :, :now],
            query_sentences=own, key_sentences=self.sentences[:, :now].unsqueeze(1),
            device=self.device,
        )  # fmt: skip


def filled(cache: Cache, length: int) -> Cache:
    """Pretend that so many positions have been written."""
    if not isinstance(cache, GrowingKeyValues):
        return cache
    for part in (cache.keys, cache.values):
        part.normal_()
    return replace(cache, length=length)


def pass_layout(cell: Cell, batch_size: int, device: torch.device) -> Layout:
    """Describe a full pass over sentences of one length; a new one renders what it needs anew."""
    sentences = numbered(cell.length, device).expand(batch_size, -1)
    return Layout(
        num_queries=cell.length, num_keys=cell.length, causal=cell.role == "decoder",
        query_sentences=sentences, key_sentences=sentences, device=device,
    )  # fmt: skip


def numbered(length: int, device: torch.device) -> Tensor:
    """Number the sentences of a line, (1, length)."""
    return (torch.arange(length, device=device) // SENTENCE).unsqueeze(0)


def repeat(
    work: Callable[[], object], scale: Scale, device: torch.device, spent: float
) -> list[float]:
    """Time some work as often as wanted, or until half of the limit is spent; once at least."""
    times: list[float] = []
    while len(times) < scale.repeats:
        wait_for(device)
        start = time.perf_counter()
        work()
        wait_for(device)
        times.append(time.perf_counter() - start)
        spent += times[-1]
        if spent + times[-1] > scale.limit_seconds / 2:
            break
    return times
