"""The state of decoding with a recurrent model, as a value.

B sentences, S source length, D model size.
"""

from dataclasses import dataclass, replace

from torch import Tensor

from nmt.attention.contract import Cache
from nmt.attention.layout import Layout
from nmt.model.contract import DecodingState


@dataclass(frozen=True)
class RecurrentState(DecodingState):
    """Where a search stands: consumed by the step that uses it.

    Attributes:
        hidden: (B, beam, layers, parts, D) what each layer's unit carries.
        fed: (B, beam, D) what the decoder feeds back to itself.
        cross: The cache of cross-attention, by sentence.
        source_lengths: (B,)
        source_size: S.
        length: Positions written.
        sentences: (B, beam) number of the sentence that each hypothesis is in; None where a line
            is one sentence.
        source_sentences: (B, S) the same of the source.
    """

    hidden: Tensor
    fed: Tensor
    cross: Cache
    source_lengths: Tensor
    source_size: int
    length: int
    sentences: Tensor | None = None
    source_sentences: Tensor | None = None

    def follow(self, parents: Tensor) -> "RecurrentState":
        """Let every hypothesis continue its parent, (B, beam)."""
        return replace(
            self,
            hidden=of_parents(self.hidden, parents),
            fed=of_parents(self.fed, parents),
            cross=self.cross.reorder(parents),
            sentences=None if self.sentences is None else of_parents(self.sentences, parents),
        )

    def cross_layout(self) -> Layout:
        """Describe attention to the source from the position that is entered."""
        return Layout(
            num_queries=self.fed.size(1),
            num_keys=self.source_size,
            key_lengths=self.source_lengths,
            offset=self.length,
            hypotheses=True,
            query_sentences=self.sentences,
            key_sentences=self.source_sentences,
            device=self.fed.device,
        )

    def select(self, sentences: Tensor) -> "RecurrentState":
        """Keep some sentences, given by index."""
        return replace(
            self,
            hidden=self.hidden[sentences],
            fed=self.fed[sentences],
            cross=self.cross.select(sentences),
            source_lengths=self.source_lengths[sentences],
            sentences=None if self.sentences is None else self.sentences[sentences],
            source_sentences=(
                None if self.source_sentences is None else self.source_sentences[sentences]
            ),
        )


def of_parents(values: Tensor, parents: Tensor) -> Tensor:
    """Take the values (B, beam, ...) of each hypothesis' parent, (B, beam)."""
    index = parents.view(*parents.shape, *(1 for _ in values.shape[2:])).expand_as(values)
    return values.gather(1, index)
