"""A language model: the decoder of a Transformer by itself.

B batch, T target length, D model size, V vocabulary.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from nmt.attention.build import build_attention
from nmt.attention.config import AttentionSections
from nmt.attention.contract import Cache, Lent
from nmt.attention.layout import Layout
from nmt.attention.rows import Rows, chosen
from nmt.model.config import ModelConfig
from nmt.model.contract import DecodingState, SequenceModel
from nmt.model.embeddings import Embeddings, output_matrix, word_matrix
from nmt.model.layers import Residual, make_feed_forward, place
from nmt.model.recompute import Recomputing
from nmt.model.state import DecoderState
from nmt.model.transformer import distinct_layers, final_norm, layer_numbers


class LanguageLayer(nn.Module):
    """Self-attention over what was written, then feed-forward."""

    def __init__(self, config: ModelConfig, attention: AttentionSections, layer: int) -> None:
        super().__init__()
        self.attention = build_attention(place("decoder", config, layer), attention.decoder)
        self.feed_forward = make_feed_forward(config)
        self.around_attention = Residual(config)
        self.around_feed_forward = Residual(config)

    def forward(
        self, states: Tensor, layout: Layout, lent: Lent | None, cache: Cache | None = None
    ) -> tuple[Tensor, Lent | None, Cache | None]:
        """Transform a whole text (B, T, D), or with a cache one position of hypotheses.

        Returns:
            States, what the layer lends to the next, and its cache for the next step.
        """
        entered = self.around_attention.enter(states)
        borrowed = lent if self.attention.borrows else None
        attended = self.attention.by_rows(entered, entered, layout, cache=cache, lent=borrowed)
        states = self.around_attention.leave(states, attended.output)
        states = self.around_feed_forward(states, self.feed_forward)
        return states, attended.lent, attended.cache


class LanguageModel(SequenceModel, Recomputing):
    """A decoder without anything to look at but its own past.

    Source: Liu et al. (2018), https://arxiv.org/abs/1801.10198, section 4.2.1.
    """

    def __init__(self, config: ModelConfig, attention: AttentionSections, vocab: int) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.embeddings = Embeddings(word_matrix(vocab, config.model_size), config)
        layers = [LanguageLayer(config, attention, n) for n in distinct_layers(config, "decoder")]
        self.decoder = nn.ModuleList(layers[n] for n in layer_numbers(config, "decoder"))
        self.decoder_norm = final_norm(config)
        self.output = output_matrix(config, vocab)

    def predict(
        self, source: tuple[Tensor, Tensor], target: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """Give the states (B, T, D) that predict the id after each of (B, T) target ids.

        States at padding are without meaning. Causality hides padding from the rest, since it
        stands at the end.
        """
        size, numbers = target.size(1), self.breaks.number_target(target)
        layout = Layout(
            num_queries=size, num_keys=size, causal=True,
            query_sentences=numbers, key_sentences=numbers, device=target.device,
        )  # fmt: skip
        states = self.embeddings(target)
        lent: Lent | None = None
        for layer in self.decoder:
            states, lent, _ = self.through(layer, states, layout, lent)
        return self.decoder_norm(states)  # type: ignore[no-any-return]

    def output_weight(self) -> Tensor:
        """Give the matrix (V, D) whose product with a state is a score for each id."""
        return self.embeddings.words if self.output is None else self.output

    def begin(self, source: tuple[Tensor, Tensor], beam: int, limit: int) -> DecoderState:
        """Begin `beam` hypotheses, of at most `limit` ids, for each of B sources not looked at."""
        size, none = len(source[1]), torch.zeros_like(source[1])
        past = none.new_zeros((size, beam, limit))
        layers = [layer for layer in self.decoder if isinstance(layer, LanguageLayer)]
        return DecoderState(
            own=tuple(layer.attention.start(size, beam, limit) for layer in layers),
            cross=(),
            source_lengths=none,
            source_size=0,
            ancestry=past,
            length=0,
            sentences=None if self.breaks.target is None else past.clone(),
        )

    def step(
        self, state: DecodingState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Tensor, DecoderState]:
        """Extend each hypothesis' parent by an id, both (B, beam)."""
        assert isinstance(state, DecoderState)
        states = self.embeddings.at_step(chosen(ids, rows), state.length)
        state = state.follow(parents)
        numbers = self.breaks.extend(state.sentences, ids, state.length - 1)
        state = replace(state, sentences=numbers)
        layout, caches = state.own_layout(rows), []
        lent: Lent | None = None
        for layer, own in zip(self.decoder, state.own, strict=True):
            states, lent, cache = layer(states, layout, lent, own)
            assert cache is not None, "a step has a cache"
            caches.append(cache)
        return self.decoder_norm(states), replace(state, own=tuple(caches))
