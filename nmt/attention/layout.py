"""Which keys a query may look at, described by lengths and never by a tensor of pairs.

B batch, T queries, S keys.
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """The geometry of one attention: what a kernel needs to know, and no mask.

    Attributes:
        num_queries: T.
        num_keys: S.
        key_lengths: (B,) keys of each sentence that are not padding; None when none is.
        causal: Whether a query may not look at keys that stand after it.
        offset: The position of the first query among the keys.
        ancestry: (B, T, steps) while searching: the T queries are the hypotheses of a sentence,
            the S = steps * T keys are what each wrote at each step, position by position, and
            `ancestry` says which row wrote a hypothesis' own past.
        device: Where the attention runs.
    """

    num_queries: int
    num_keys: int
    key_lengths: Tensor | None = None
    causal: bool = False
    offset: int = 0
    ancestry: Tensor | None = None
    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)

    def visible(self) -> Tensor | None:
        """Render as booleans, True where a query may look; None where all may look at all.

        Returns:
            A tensor that broadcasts to (B, heads, T, S). It is made once and shared by all
            layers that attend by this layout.
        """
        return self._visible

    @functools.cached_property
    def _visible(self) -> Tensor | None:
        parts = [self._not_padding(), self._not_future(), self._own_past()]
        present = [part for part in parts if part is not None]
        return functools.reduce(torch.logical_and, present) if present else None

    def _not_padding(self) -> Tensor | None:
        if self.key_lengths is None:
            return None
        keys = torch.arange(self.num_keys, device=self.device)
        return (keys < self.key_lengths.unsqueeze(-1))[:, None, None, :]  # (B, 1, 1, S)

    def _not_future(self) -> Tensor | None:
        if not self.causal or self.offset >= self.num_keys - 1:
            return None
        queries = torch.arange(self.num_queries, device=self.device) + self.offset
        keys = torch.arange(self.num_keys, device=self.device)
        return (keys <= queries.unsqueeze(-1))[None, None]  # (1, 1, T, S)

    def _own_past(self) -> Tensor | None:
        if self.ancestry is None or self.num_queries == 1:
            return None
        rows = torch.arange(self.num_queries, device=self.device)
        own = self.ancestry.unsqueeze(-1) == rows  # (B, T, steps, T)
        return own.flatten(2).unsqueeze(1)  # (B, 1, T, S)
