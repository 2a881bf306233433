"""A mechanism of attention under check: what it is, where it stands, what it is given.

B batch, T queries, S keys, D model size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nmt.attention.build import build_attention
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attention, Cache, Place
from nmt.attention.layout import Layout
from nmt.attention.variants import COMPOSED, VARIANTS

SMALL: Mapping[str, Any] = {  # so that a dozen keys meet every border there is
    "window": 2, "top_k": 2, "buckets": 8, "max_distance": 3, "span_ramp": 2, "block": 2,
    "chunk": 4, "penalty": 0.1,
}  # fmt: skip
SENTENCE_SIZE = 4  # tokens of a sentence, where attention heeds sentences
Maker = Callable[[Place, AttentionConfig], Attention]


@dataclass(frozen=True)
class Result:
    """What layers give: (B, T, D) and the caches and weights of the last."""

    output: Tensor
    caches: tuple[Cache, ...] = ()
    weights: Tensor | None = None


class Layers(nn.Module):
    """One layer, or a block of two of which the second borrows from the first."""

    def __init__(self, layers: list[Attention], is_cross: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.is_cross = is_cross

    @property
    def each(self) -> list[Attention]:
        """List the mechanisms."""
        return [layer for layer in self.layers if isinstance(layer, Attention)]

    def forward(
        self,
        query: Tensor,
        memory: Tensor | None,
        layout: Layout,
        caches: tuple[Cache, ...] = (),
        need_weights: bool = False,
    ) -> Result:
        """Attend from (B, T, D); without cross-attention, from a layer's input to itself."""
        states, lent, kept, weights = query, None, [], None
        output = query
        for number, layer in enumerate(self.each):
            attended = layer.by_rows(
                states,
                memory if self.is_cross else states,
                layout,
                cache=caches[number] if caches else None,
                need_weights=need_weights,
                lent=lent if layer.borrows else None,
            )
            output, lent, weights = attended.output, attended.lent, attended.weights
            if attended.cache is not None:
                kept.append(attended.cache)
            states = states + output
        return Result(output, tuple(kept) if caches else (), weights)

    def start(self, batch_size: int, beam: int, limit: int) -> tuple[Cache, ...]:
        """Make the caches of self-attention."""
        return tuple(layer.start(batch_size, beam, limit) for layer in self.each)

    def remember(self, memory: Tensor, lengths: Tensor) -> tuple[Cache, ...]:
        """Make the caches of cross-attention."""
        return tuple(layer.remember(memory, lengths) for layer in self.each)


@dataclass(frozen=True, kw_only=True)
class Case:
    """How a mechanism is built for its checks, and what is known of its nature.

    Attributes:
        role: "encoder", "decoder" or "cross".
        config: With the kernel that is checked.
        make: What builds it.
        sees_all: Whether each key that may be seen has influence.
        is_smooth: Whether small errors of its input stay small.
        has_shares: Whether weights are shares: none negative.
        sums_to_one: Whether the weights of a query that sees anything sum to one.
    """

    role: str
    config: AttentionConfig
    make: Maker = build_attention
    model_size: int = 16
    num_heads: int = 4
    sees_all: bool = False
    is_smooth: bool = False
    has_shares: bool = False
    sums_to_one: bool = False

    @property
    def is_cross(self) -> bool:
        """Tell whether it attends to another sequence than its own."""
        return self.role == "cross"

    @property
    def is_composed(self) -> bool:
        """Tell whether settings alone say what it is."""
        variant = VARIANTS.get(self.config.variant)
        return variant is not None and variant.mechanism == COMPOSED

    def build(self, dtype: torch.dtype = torch.float64, **changed: object) -> Layers:
        """Build it for evaluation, each weight away from zero; the same weights for any type."""
        config = replace(self.config, **changed)  # type: ignore[arg-type]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            layers = Layers([self.make(self.place(n), config) for n in range(self.count())],
                            self.is_cross)  # fmt: skip
            layers = layers.double().eval()
            for weight in layers.parameters():
                weight.data += 0.3 * torch.randn_like(weight)
        return layers.to(dtype)

    def place(self, layer: int) -> Place:
        """Say where a layer stands."""
        return Place(
            role=self.role, model_size=self.model_size, num_heads=self.num_heads, layer=layer
        )

    def count(self) -> int:
        """Count the layers that a check needs."""
        return 2 if self.config.share != "none" else 1


def known(role: str, config: AttentionConfig) -> Case:
    """Make the case of a named variant, whose nature its settings tell."""
    case = Case(role=role, config=config)
    dense = config.normaliser in ("softmax", "sink")
    shares = case.is_composed and not config.talking
    jumps = config.normaliser == "top-k" or config.pattern == "local-p"
    jumps |= config.features == "random"  # sums of sines, divided by one that may be near zero
    return replace(
        case,
        sees_all=config.pattern == "full" and dense and set(config.heads) != {"0"},
        is_smooth=not jumps,
        has_shares=shares,
        sums_to_one=shares and config.normaliser != "sink",
    )


def small(variant: str, **settings: object) -> AttentionConfig:
    """Give the settings of a variant small sizes, where it reads them."""
    entry = VARIANTS[variant]
    names = [name for name in (*entry.settings, *entry.tunable) if name in SMALL]
    values = {name: SMALL[name] for name in names} | settings
    return AttentionConfig(variant=variant, **values)


@dataclass(frozen=True)
class Example:
    """What a mechanism is given.

    Attributes:
        states: (B, S, D) what is attended to.
        query: (B, T, D) what attends; None where states attend to themselves.
        layout: That fits them.
    """

    states: Tensor
    query: Tensor | None
    layout: Layout

    def run(self, layers: Layers, need_weights: bool = False) -> Result:
        """Attend."""
        query = self.states if self.query is None else self.query
        result: Result = layers(query, self.states, self.layout, (), need_weights)
        return result

    def output(self, layers: Layers) -> Tensor:
        """Attend and give the output, (B, T, D)."""
        return self.run(layers).output

    def hidden(self) -> Tensor:
        """Tell which keys are padding, (B, S)."""
        places = torch.arange(self.states.size(1))
        lengths = self.layout.key_lengths
        if lengths is None:
            return torch.zeros(self.states.shape[:2], dtype=torch.bool)
        return places >= lengths.unsqueeze(-1)

    def real(self) -> Tensor:
        """Tell which queries mean something, (B, T)."""
        if self.query is None:
            return ~self.hidden()
        return torch.ones(self.query.shape[:2], dtype=torch.bool)


def example(
    case: Case, lengths: tuple[int, ...], size: int | None = None, padded: bool = True
) -> Example:
    """Draw sentences of some lengths, each of `size` places with padding behind."""
    size = max(lengths) if size is None else size
    random = torch.Generator().manual_seed(2)
    shape = (len(lengths), size, case.model_size)
    states = torch.randn(shape, dtype=torch.float64, generator=random)
    rows = size - size // 3 if case.is_cross else size
    query = torch.randn((shape[0], rows, shape[2]), dtype=torch.float64, generator=random)
    layout = Layout(
        num_queries=rows,
        num_keys=size,
        key_lengths=torch.tensor(lengths) if padded else None,
        causal=case.role == "decoder",
        query_sentences=sentences(case, len(lengths), rows),
        key_sentences=sentences(case, len(lengths), size),
    )
    return Example(states, query if case.is_cross else None, layout)


def sentences(case: Case, batch_size: int, size: int) -> Tensor | None:
    """Number the sentences of each line, where attention heeds them; one line has one less."""
    if case.config.pattern != "sentence":
        return None
    numbers = torch.arange(size) // SENTENCE_SIZE
    return torch.stack([(numbers - line % 2).clamp(min=0) for line in range(batch_size)])
