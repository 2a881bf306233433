"""A Transformer searched by the C library.

B sentences, S source length, k beam, R rows that are computed, D model size.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.model.compiled_layers import Packer
from nmt.model.contract import DecodingState, Rows
from nmt.model.transformer import Transformer
from nmt.native.compiler import library
from nmt.native.structures import StepFields

UNKNOWN, NO_MEMORY = 1, 2  # of transformer.c


@dataclass(frozen=True)
class NativeState(DecodingState):
    """Where a search stands: consumed by the step, and by the selection, that uses it.

    Sentences that are left keep their memory, so that nothing is copied; the others find theirs by
    place.

    Attributes:
        places: (B,) of each sentence among those that were begun.
        starts: By place: its first token among those of all sources, and where the last ends.
        longest: Most tokens of a source.
        own: By layer (places, limit, k, 2 G K), keys and values of each position.
        cross: By layer (tokens, 2 G K), the same of the sources.
        ancestry: (B, k, limit) the row that wrote each position of a hypothesis' past.
        length: Positions written.
    """

    places: Tensor
    starts: Tensor
    longest: int
    own: tuple[Tensor, ...]
    cross: tuple[Tensor, ...]
    ancestry: Tensor
    length: int = 0

    def select(self, sentences: Tensor) -> "NativeState":
        """Keep some sentences, given by index."""
        return replace(self, places=self.places[sentences], ancestry=self.ancestry[sentences])


class NativeTransformer:
    """What search asks of a model, computed with its weights as they were when this was made."""

    def __init__(self, model: Transformer, *, int8: bool) -> None:
        before = model.config.norm == "pre"
        sides = (
            (model.encoder, model.source_embeddings, model.encoder_norm),
            (model.decoder, model.target_embeddings, model.decoder_norm),
        )
        self._encoder, self._decoder = (
            Packer(int8=int8).stack(*side, before=before) for side in sides
        )
        layers = self._decoder.fields.layers[: len(model.decoder)]
        self._kept = [each.remember.columns for each in layers]  # of a source token, by layer
        self._written = [2 * each.own.groups * each.own.size for each in layers]
        self._size = model.config.model_size

    def begin(self, source: tuple[Tensor, Tensor], beam: int, limit: int) -> NativeState:
        """Encode the sources and begin to decode."""
        ids, lengths = source[0].contiguous(), source[1]
        starts = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        size, tokens = len(ids), int(starts[-1])
        cross = tuple(torch.empty(tokens, columns) for columns in self._kept)
        outcome = library().begin(
            self._encoder.fields, self._decoder.fields, ids.data_ptr(), ids.size(1),
            starts.data_ptr(), size, pointers(cross),
        )  # fmt: skip
        check(outcome)
        return NativeState(
            places=torch.arange(size),
            starts=starts,
            longest=ids.size(1),
            own=tuple(torch.empty(size, limit, beam, columns) for columns in self._written),
            cross=cross,
            ancestry=torch.zeros(size, beam, limit, dtype=torch.int32),
        )

    def step(
        self, state: DecodingState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Tensor, NativeState]:
        """Extend each hypothesis' parent by an id, both (B, k), as (B, k, D) or (1, R, D)."""
        assert isinstance(state, NativeState)
        size, beam, limit = state.ancestry.shape
        assert state.length < limit, "a search keeps to its limit"
        chosen = torch.arange(size * beam) if rows is None else rows.index
        ancestry, states = torch.empty_like(state.ancestry), torch.empty(len(chosen), self._size)
        ids, parents = ids.contiguous(), parents.contiguous()
        step = StepFields(
            ids=ids.data_ptr(),
            parents=parents.data_ptr(),
            chosen=chosen.data_ptr(),
            places=state.places.data_ptr(),
            starts=state.starts.data_ptr(),
            past=state.ancestry.data_ptr(),
            ancestry=ancestry.data_ptr(),
            own=pointers(state.own),
            cross=pointers(state.cross),
            sentences=size,
            beam=beam,
            limit=limit,
            position=state.length,
            rows=len(chosen),
            longest=state.longest,
        )
        check(library().take_step(self._decoder.fields, step, states.data_ptr()))
        shape = (size, beam) if rows is None else (1, len(chosen))
        return states.view(*shape, -1), replace(state, ancestry=ancestry, length=state.length + 1)


def pointers(tensors: Sequence[Tensor]) -> "ctypes.Array[ctypes.c_void_p]":
    """List where tensors begin."""
    return (ctypes.c_void_p * len(tensors))(*(each.data_ptr() for each in tensors))


def check(outcome: int) -> None:
    """Stop, as PyTorch does, where something was not there.

    Raises:
        IndexError: An id or a position is none of the model's.
        MemoryError: There is no room.
    """
    if outcome == UNKNOWN:
        raise IndexError("an id, or a position, is none that the model has")
    if outcome == NO_MEMORY:
        raise MemoryError("no room for a step of a search")
