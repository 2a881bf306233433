"""The Transformer.

B batch, S source length, T target length, D model size, V vocabulary.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from nmt.attention.config import AttentionSections
from nmt.attention.contract import Lent
from nmt.attention.layout import Layout
from nmt.attention.rows import Rows, chosen
from nmt.model.config import ModelConfig
from nmt.model.contract import DecodingState, EncoderDecoder, Memory
from nmt.model.embeddings import Embeddings, output_matrix, word_matrices
from nmt.model.layers import DecoderLayer, EncoderLayer, Lends, Surroundings, make_norm
from nmt.model.recompute import Recomputing
from nmt.model.sharing import assignment
from nmt.model.state import DecoderState


class Transformer(EncoderDecoder, Recomputing):
    """An encoder-decoder of attention and feed-forward blocks.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762.
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
        self.source_embeddings = Embeddings(source_words, config)
        self.target_embeddings = Embeddings(target_words, config)
        encoder = [EncoderLayer(config, attention, n) for n in distinct_layers(config, "encoder")]
        decoder = [DecoderLayer(config, attention, n) for n in distinct_layers(config, "decoder")]
        self.encoder = nn.ModuleList(encoder[n] for n in layer_numbers(config, "encoder"))
        self.decoder = nn.ModuleList(decoder[n] for n in layer_numbers(config, "decoder"))
        self.encoder_norm = final_norm(config)
        self.decoder_norm = final_norm(config)
        self.output = output_matrix(config, target_vocab)

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Encode (B, S) ids of which the first `lengths` are real."""
        sentences = self.breaks.number_source(source)
        layout = self_layout(source, lengths, sentences)
        states = self.source_embeddings(source)
        lent: Lent | None = None
        for layer in self.encoder:
            states, lent = self.through(layer, states, layout, lent)
        return Memory(self.encoder_norm(states), lengths, sentences)

    def decode(self, memory: Memory, target: Tensor, lengths: Tensor) -> Tensor:
        """Give the states (B, T, D) that predict the id after each of (B, T) target ids.

        States at padding are without meaning. Causality hides padding from the rest, since it
        stands at the end.
        """
        size = target.size(1)
        numbers = self.breaks.number_target(target)
        own = Layout(
            num_queries=size, num_keys=size, causal=True,
            query_sentences=numbers, key_sentences=numbers, device=target.device,
        )  # fmt: skip
        cross = cross_layout(memory, size)
        if numbers is not None:
            cross = replace(cross, query_sentences=numbers, key_sentences=memory.sentences)
        around = Surroundings(memory.states, own, cross)
        states, lends = self.target_embeddings(target), Lends()
        for layer in self.decoder:
            states, lends = self.through(layer, states, around, lends)
        return self.decoder_norm(states)  # type: ignore[no-any-return]

    def output_weight(self) -> Tensor:
        """Give the matrix (V, D) whose product with a state is a score for each id."""
        return self.target_embeddings.words if self.output is None else self.output

    def start(self, memory: Memory, beam: int, limit: int) -> DecoderState:
        """Begin to decode `beam` hypotheses of each sentence, of at most `limit` ids."""
        batch_size, size, _ = memory.states.shape
        layers = [layer for layer in self.decoder if isinstance(layer, DecoderLayer)]
        remembered = (memory.states, memory.lengths)
        return DecoderState(
            own=tuple(layer.attention.start(batch_size, beam, limit) for layer in layers),
            cross=tuple(layer.cross_attention.remember(*remembered) for layer in layers),
            source_lengths=padded_lengths(memory.lengths, size),
            source_size=size,
            ancestry=memory.lengths.new_zeros((batch_size, beam, limit)),
            length=0,
            sentences=self._no_sentences(memory, beam, limit),
            source_sentences=memory.sentences,
        )

    def _no_sentences(self, memory: Memory, beam: int, limit: int) -> Tensor | None:
        if memory.sentences is None:
            return None
        return memory.lengths.new_zeros((memory.lengths.size(0), beam, limit))

    def step(
        self, state: DecodingState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Tensor, DecoderState]:
        """Extend each hypothesis' parent by an id, both (B, beam)."""
        assert isinstance(state, DecoderState)
        states = self.target_embeddings.at_step(chosen(ids, rows), state.length)
        state = state.follow(parents)
        if state.sentences is not None:
            numbers = self.breaks.extend(state.sentences, ids, state.length - 1)
            state = replace(state, sentences=numbers)
        layouts = state.own_layout(rows), state.cross_layout(rows)
        caches, lends = [], Lends()
        for layer, *pair in zip(self.decoder, state.own, state.cross, strict=True):
            around = Surroundings(None, *layouts, caches=(pair[0], pair[1]))
            states, lends = layer(states, around, lends)
            assert lends.cache is not None, "a step has a cache"
            caches.append(lends.cache)
        return self.decoder_norm(states), replace(state, own=tuple(caches))


def layer_numbers(config: ModelConfig, side: str) -> list[int]:
    """Give the distinct layer at each position of a stack."""
    layers, distinct = getattr(config, f"{side}_layers"), getattr(config, f"{side}_distinct")
    return assignment(layers, distinct, config.layer_sharing)


def distinct_layers(config: ModelConfig, side: str) -> range:
    """Number the layers that have weights of their own."""
    return range(max(layer_numbers(config, side)) + 1)


def final_norm(config: ModelConfig) -> nn.Module:
    """Normalise what leaves a stack of pre-norm layers; post-norm layers have done it."""
    return make_norm(config) if config.norm == "pre" else nn.Identity()


def self_layout(source: Tensor, lengths: Tensor, sentences: Tensor | None) -> Layout:
    """Describe self-attention over a source; a batch without padding needs no lengths."""
    size = source.size(1)
    return Layout(
        num_queries=size, num_keys=size, key_lengths=padded_lengths(lengths, size),
        query_sentences=sentences, key_sentences=sentences, device=source.device,
    )  # fmt: skip


def cross_layout(memory: Memory, num_queries: int) -> Layout:
    """Describe attention from all target positions to the source."""
    size = memory.states.size(1)
    lengths = padded_lengths(memory.lengths, size)
    device = memory.states.device
    return Layout(num_queries=num_queries, num_keys=size, key_lengths=lengths, device=device)


def padded_lengths(lengths: Tensor, size: int) -> Tensor | None:
    """Return None for a batch without padding, where looking is free."""
    if lengths.device.type != "cpu":  # a look would wait for the device
        return lengths
    return None if bool(torch.all(lengths == size)) else lengths
