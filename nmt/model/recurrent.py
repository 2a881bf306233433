"""The recurrent encoder-decoder with attention.

B batch, S source length, T target length, D model size, V vocabulary, N = B * beam rows.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from nmt.attention.config import AttentionSections
from nmt.attention.contract import Cache
from nmt.attention.layout import Layout
from nmt.attention.rows import Rows, chosen
from nmt.model.config import ModelConfig
from nmt.model.contract import DecodingState, EncoderDecoder, Memory
from nmt.model.embeddings import WordEmbeddings, output_matrix, word_matrices
from nmt.model.recompute import Recomputing
from nmt.model.recurrent_decoder import DECODERS, Attend, Position
from nmt.model.recurrent_encoder import RecurrentEncoder
from nmt.model.recurrent_state import RecurrentState
from nmt.model.transformer import cross_layout


class RecurrentModel(EncoderDecoder, Recomputing):
    """A bidirectional encoder and a decoder that looks back at it from every position.

    Source: Bahdanau et al. (2015), https://arxiv.org/abs/1409.0473; Luong et al. (2015),
    https://arxiv.org/abs/1508.04025.
    """

    def __init__(
        self,
        config: ModelConfig,
        attention: AttentionSections,
        source_vocab: int,
        target_vocab: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.max_length = config.max_length
        source_words, target_words = word_matrices(config, source_vocab, target_vocab)
        self.source_embeddings = WordEmbeddings(source_words, config)
        self.target_embeddings = WordEmbeddings(target_words, config)
        self.encoder = RecurrentEncoder(config)
        self.decoder = DECODERS[config.feeding](config, attention)
        self.output = output_matrix(config, target_vocab)

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Encode (B, S) ids of which the first `lengths` are real."""
        states = self.encoder(self.source_embeddings(source), lengths)
        return Memory(states, lengths, self.breaks.number_source(source))

    def decode(self, memory: Memory, target: Tensor, lengths: Tensor) -> Tensor:
        """Give the states (B, T, D) that predict the id after each of (B, T) target ids.

        States at padding are without meaning; no state sees what stands after it.
        """
        cache = self.decoder.attention.remember(memory.states, memory.lengths)
        layouts = self._layouts(memory, target)
        position = self.decoder.first(mean_state(memory))
        words = self.decoder.word(self.target_embeddings(target.mT))  # (T, B, G * D)
        outputs = []
        for entering, layout in zip(words.unbind(0), layouts, strict=True):
            attend = self._asked(cache, layout)
            output, position = self.through(self.decoder.advance, entering, position, attend)
            outputs.append(output)
        return self.decoder.finish(torch.stack(outputs, dim=1))

    def _layouts(self, memory: Memory, target: Tensor) -> Iterator[Layout]:
        """Describe attention from each position of a target (B, T) to the source."""
        whole = cross_layout(memory, 1)
        numbers = self.breaks.number_target(target)
        if numbers is not None:
            whole = replace(whole, key_sentences=memory.sentences)
        for place in range(target.size(1)):
            own = None if numbers is None else numbers[:, place : place + 1]
            yield replace(whole, offset=place, query_sentences=own)

    def output_weight(self) -> Tensor:
        """Give the matrix (V, D) whose product with a state is a score for each id."""
        return self.target_embeddings.words if self.output is None else self.output

    def start(self, memory: Memory, beam: int, limit: int) -> RecurrentState:
        """Begin to decode `beam` hypotheses of each sentence; they take no room for `limit`."""
        position = self.decoder.first(mean_state(memory).repeat_interleave(beam, dim=0))
        hidden, fed = unflattened(position, beam)
        return RecurrentState(
            hidden=hidden,
            fed=fed,
            cross=self.decoder.attention.remember(memory.states, memory.lengths),
            source_lengths=memory.lengths,
            source_size=memory.states.size(1),
            length=0,
            sentences=None if memory.sentences is None else memory.lengths.new_zeros(fed.shape[:2]),
            source_sentences=memory.sentences,
        )

    def step(
        self, state: DecodingState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """Extend each hypothesis' parent by an id, both (B, beam); all rows are computed."""
        assert isinstance(state, RecurrentState)
        state = state.follow(parents)
        state = replace(state, sentences=self.breaks.enter(state.sentences, ids))
        attend = self._asked(state.cross, state.cross_layout())
        entering = self.decoder.word(self.target_embeddings(ids)).flatten(0, 1)  # (N, G * D)
        output, position = self.decoder.advance(entering, flattened(state), attend)
        hidden, fed = unflattened(position, ids.size(1))
        states = chosen(self.decoder.finish(output).view(*ids.shape, -1), rows)
        return states, replace(state, hidden=hidden, fed=fed, length=state.length + 1)

    def _asked(self, cache: Cache, layout: Layout) -> Attend:
        """Ask attention from one position of every row."""

        def attend(query: Tensor) -> Tensor:
            queries = query.view(-1, layout.num_queries, query.size(-1))  # (B, beam, D)
            attended = self.decoder.attention(queries, None, layout, cache=cache)
            return attended.output.flatten(0, 1)  # type: ignore[no-any-return]

        return attend


def mean_state(memory: Memory) -> Tensor:
    """Average what is real of a source, (B, D)."""
    lengths = memory.lengths.unsqueeze(-1)
    places = torch.arange(memory.states.size(1), device=lengths.device)
    padding = (places >= lengths).unsqueeze(-1)  # (B, S, 1)
    return memory.states.masked_fill(padding, 0.0).sum(dim=1) / lengths


def flattened(state: RecurrentState) -> Position:
    """Lay the hypotheses of all sentences out as rows."""
    layers = state.hidden.flatten(0, 1).unbind(1)
    return Position(tuple(layer.unbind(1) for layer in layers), state.fed.flatten(0, 1))


def unflattened(position: Position, beam: int) -> tuple[Tensor, Tensor]:
    """Pack what each row carries as (B, beam, layers, parts, D), and what it is fed."""
    hidden = torch.stack([torch.stack(parts, dim=1) for parts in position.hidden], dim=1)
    return rows_by_sentence(hidden, beam), rows_by_sentence(position.fed, beam)


def rows_by_sentence(rows: Tensor, beam: int) -> Tensor:
    """Cut (N, ...) into (B, beam, ...)."""
    return rows.view(-1, beam, *rows.shape[1:])
