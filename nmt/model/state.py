"""The state of decoding, as a value.

B sentences, S source length.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nmt.attention.contract import Cache
from nmt.attention.layout import Layout


@dataclass(frozen=True)
class DecoderState:
    """Where a search stands: consumed by the step that uses it.

    Attributes:
        own: One cache of self-attention for each decoder layer.
        cross: One cache of cross-attention for each decoder layer, by sentence.
        source_lengths: (B,)
        source_size: S.
        ancestry: (B, beam, limit) the row that wrote each position of a hypothesis' past.
        length: Positions written.
    """

    own: tuple[Cache, ...]
    cross: tuple[Cache, ...]
    source_lengths: Tensor
    source_size: int
    ancestry: Tensor
    length: int

    def follow(self, parents: Tensor) -> "DecoderState":
        """Let every hypothesis continue its parent, (B, beam), and write in its own row."""
        beam = parents.size(1)
        ancestry = self.ancestry.gather(1, parents.unsqueeze(-1).expand_as(self.ancestry))
        ancestry[:, :, self.length] = torch.arange(beam, device=parents.device)
        own = tuple(cache.reorder(parents) for cache in self.own)
        return replace(self, ancestry=ancestry, own=own, length=self.length + 1)

    def own_layout(self) -> Layout:
        """Describe self-attention of the position just entered: all of one's own past."""
        beam = self.ancestry.size(1)
        return Layout(
            num_queries=beam,
            num_keys=beam * self.length,
            ancestry=self.ancestry[:, :, : self.length],
            device=self.ancestry.device,
        )

    def cross_layout(self) -> Layout:
        """Describe cross-attention: hypotheses look at all of their source."""
        return Layout(
            num_queries=self.ancestry.size(1),
            num_keys=self.source_size,
            key_lengths=self.source_lengths,
            offset=self.length - 1,
            hypotheses=True,
            device=self.ancestry.device,
        )

    def select(self, sentences: Tensor) -> "DecoderState":
        """Keep some sentences, given by index."""
        return replace(
            self,
            own=tuple(cache.select(sentences) for cache in self.own),
            cross=tuple(cache.select(sentences) for cache in self.cross),
            source_lengths=self.source_lengths[sentences],
            ancestry=self.ancestry[sentences],
        )
