"""The state of decoding with a Transformer, as a value.

B sentences, S source length.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.attention.contract import Cache
from nmt.attention.layout import Layout
from nmt.attention.rows import Rows
from nmt.model.contract import DecodingState


@dataclass(frozen=True)
class DecoderState(DecodingState):
    """Where a search stands: consumed by the step that uses it.

    Attributes:
        own: One cache of self-attention for each decoder layer.
        cross: One cache of cross-attention for each decoder layer, by sentence.
        source_lengths: (B,); None where no source is padded.
        source_size: S.
        ancestry: (B, beam, limit) the row that wrote each position of a hypothesis' past.
        length: Positions written.
        sentences: (B, beam, limit) number of the sentence at each position of a hypothesis' past;
            None where a line is one sentence.
        source_sentences: (B, S) the same of the source.
    """

    own: tuple[Cache, ...]
    cross: tuple[Cache, ...]
    source_lengths: Tensor | None
    source_size: int
    ancestry: Tensor
    length: int
    sentences: Tensor | None = None
    source_sentences: Tensor | None = None

    def follow(self, parents: Tensor) -> "DecoderState":
        """Let every hypothesis continue its parent, (B, beam), and write in its own row."""
        beam = parents.size(1)
        ancestry = self.ancestry.gather(1, parents.unsqueeze(-1).expand_as(self.ancestry))
        ancestry[:, :, self.length] = torch.arange(beam, device=parents.device)
        own = tuple(cache.reorder(parents) for cache in self.own)
        past = self.sentences
        if past is not None:
            past = past.gather(1, parents.unsqueeze(-1).expand_as(past))
        length = self.length + 1
        return replace(self, ancestry=ancestry, own=own, length=length, sentences=past)

    def own_layout(self, rows: Rows | None = None) -> Layout:
        """Describe self-attention of the position just entered: all of one's own past."""
        beam = self.ancestry.size(1)
        return Layout(
            num_queries=beam,
            num_keys=beam * self.length,
            ancestry=self.ancestry[:, :, : self.length],
            query_sentences=self._present(),
            key_sentences=None if self.sentences is None else self.sentences[:, :, : self.length],
            rows=rows,
            device=self.ancestry.device,
        )

    def cross_layout(self, rows: Rows | None = None) -> Layout:
        """Describe cross-attention: hypotheses look at all of their source."""
        return Layout(
            num_queries=self.ancestry.size(1),
            num_keys=self.source_size,
            key_lengths=self.source_lengths,
            offset=self.length - 1,
            hypotheses=True,
            query_sentences=self._present(),
            key_sentences=self.source_sentences,
            rows=rows,
            device=self.ancestry.device,
        )

    def _present(self) -> Tensor | None:
        """Give the sentence that each hypothesis is in, (B, beam)."""
        return None if self.sentences is None else self.sentences[:, :, self.length - 1]

    def select(self, sentences: Tensor) -> "DecoderState":
        """Keep some sentences, given by index."""
        return replace(
            self,
            own=tuple(cache.select(sentences) for cache in self.own),
            cross=tuple(cache.select(sentences) for cache in self.cross),
            source_lengths=None if self.source_lengths is None else self.source_lengths[sentences],
            ancestry=self.ancestry[sentences],
            sentences=None if self.sentences is None else self.sentences[sentences],
            source_sentences=(
                None if self.source_sentences is None else self.source_sentences[sentences]
            ),
        )
