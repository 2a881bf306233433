"""Multi-head attention, composed of a score, a normaliser, a pattern, a layout of heads.

B batch, T queries, S keys, D model size, H heads, G key/value heads, K head size.
"""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.banded import banded
from nmt.attention.blocked import blocked
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Attended, Cache, Lent, Place
from nmt.attention.dense import Composition
from nmt.attention.flex import flex
from nmt.attention.fused import fused
from nmt.attention.gates import ContextGate, HeadGates
from nmt.attention.kernels import Abilities, Choice, Request, choose
from nmt.attention.layout import Layout
from nmt.attention.products import grouped
from nmt.attention.projected import Operands, ProjectedAttention
from nmt.attention.rows import chosen
from nmt.attention.stepped import stepped

Kernel = Callable[[Composition, Tensor, Tensor, Tensor, Layout], Tensor]
KERNELS: dict[str, Kernel] = {
    "fused": fused,
    "stepped": stepped,
    "banded": banded,
    "blocked": blocked,
    "flex": flex,
}


class MultiHeadAttention(ProjectedAttention):
    """Attend with several heads at once, each in its own projection of the model.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.2.2; each choice
    of the settings names its own.
    """

    packs = True

    def __init__(self, place: Place, config: AttentionConfig) -> None:
        super().__init__(place, config)
        own_gates = config.gates and not self.takes_context  # lent context is gated already
        self.gates = HeadGates(self.num_heads, config.penalty) if own_gates else None
        gated = config.context_gate
        self.context_gate = ContextGate(self.num_heads, place.head_size) if gated else None
        self._known_choices: dict[tuple[int, bool] | None, str] = {}

    def forward(
        self,
        query: Tensor,
        memory: Tensor | None,
        layout: Layout,
        *,
        cache: Cache | None = None,
        need_weights: bool = False,
        lent: Lent | None = None,
    ) -> Attended:
        """Attend; see the contract."""
        assert self.borrows == (lent is not None), "one borrows what another lends"
        if self.takes_context:
            assert lent is not None
            assert lent.context is not None, "the owner lends its context"
            weights = lent.weights if need_weights else None
            return Attended(self.output(lent.context), cache, weights, lent)
        operands = self.operands(query, memory, layout, cache, lent)
        context, weights = self._attend(operands, lent, need_weights)
        if self.context_gate is not None:
            assert operands.query is not None, "a gate asks the query"
            context = self.context_gate(operands.query, context)
        if self.gates is not None:
            context = self.gates(context)
        joined = chosen(context.transpose(1, 2).flatten(2), layout.rows)  # (B, T, H * K)
        shared = self._lent(operands, lent, weights, joined)
        return Attended(
            self.output(joined), operands.cache, weights if need_weights else None, shared
        )

    def choose(self, request: Request) -> Choice:
        """Say which kernel serves a request, and why."""
        return choose(self._abilities(), request)

    def penalty(self) -> Tensor | None:
        """Sum what gates and spans cost."""
        parts = [each.penalty() for each in self._learners()]
        present = [part for part in parts if part is not None]
        return torch.stack(present).sum() if present else None

    def regulators(self) -> Iterable[nn.Parameter]:
        """Name what sets spans, alphas and gates."""
        gates = [] if self.gates is None else [self.gates.logit]
        composed = self.composition.regulators() if hasattr(self, "composition") else ()
        return [*composed, *gates]

    def statistics(self) -> dict[str, float]:
        """Tell what was learnt."""
        told: dict[str, float] = {}
        for each in self._learners():
            told |= each.statistics()
        return told

    def _learners(self) -> list[Composition | HeadGates]:
        learners: list[Composition | HeadGates] = []
        if hasattr(self, "composition"):
            learners.append(self.composition)
        return learners if self.gates is None else [*learners, self.gates]

    def _attend(
        self, operands: Operands, lent: Lent | None, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        if operands.query is None:
            assert lent is not None
            assert lent.weights is not None, "the owner lends its weights"
            dropout = self.config.dropout if self.training else 0.0
            weights = F.dropout(lent.weights, dropout) if dropout else lent.weights
            return grouped(weights.to(operands.value.dtype), operands.value), lent.weights
        query, key, value, layout = operands.query, operands.key, operands.value, operands.layout
        assert key is not None
        kernel = self._kernel(query, key.size(2), layout.is_step, need_weights)
        if kernel == "dense":
            context, weights = self.composition(query, key, value, layout)
            return context, weights
        return KERNELS[kernel](self.composition, query, key, value, layout), None

    def _kernel(self, query: Tensor, num_keys: int, is_step: bool, need_weights: bool) -> str:
        """Name the kernel; for steps, which are short and many, each choice is made once."""
        known = (num_keys, need_weights) if is_step else None
        if known in self._known_choices:
            return self._known_choices[known]
        request = Request(
            device=query.device.type,
            num_queries=query.size(2),
            num_keys=num_keys,
            needs_weights=need_weights,
            needs_gradient=query.requires_grad,
            is_step=is_step,
            dropout=self.config.dropout if self.training else 0.0,
            forced=self.config.kernel,
        )
        kernel = self.choose(request).kernel
        if known is not None:
            self._known_choices[known] = kernel
        return kernel

    def _lent(
        self, operands: Operands, lent: Lent | None, weights: Tensor | None, joined: Tensor
    ) -> Lent | None:
        if self.borrows:
            return lent
        if self.config.share == "key-value":
            return Lent(keys=operands.key, values=operands.value, layout=operands.layout)
        if self.config.share == "weights":
            return Lent(weights=weights, context=joined)
        return None

    def _abilities(self) -> Abilities:
        config = self.config
        shares = config.share == "weights"
        reach = None
        if not (self.borrows and shares):
            pattern = self.composition.pattern()
            reach = None if pattern.window is None else pattern.window * pattern.dilation
        return Abilities(
            unfused="" if self.borrows and shares else unfused(self.composition),
            reach=reach,
            by_sentence=config.pattern == "sentence",
            shares_weights=shares,
        )


def unfused(composition: Composition) -> str:
    """Say why the fused kernel does not serve a composition; nothing where it does."""
    config = composition.config
    if not composition.score.is_product:
        return f"{type(composition.score).__name__} is no product of a query and a key"
    if config.normaliser != "softmax":
        return f"{config.normaliser} needs the scores of all keys"
    if config.positions in ("bucketed", "shaw", "alibi"):
        return f"{config.positions} positions change the scores of pairs"
    if config.pattern in ("local-p", "span"):
        return f"{config.pattern} changes the scores of pairs"
    return "talking heads mix the scores of all heads" if config.talking else ""
