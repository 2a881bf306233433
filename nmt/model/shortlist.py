"""The shortlist of a model: the target pieces that each source piece suggests.

B sentences, S source length, V target vocabulary.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Shortlist:
    """Target pieces by source piece, learnt from the training data.

    Attributes:
        frequent: Ids that are possible in every translation.
        offsets: (source vocabulary + 1,) where the suggestions of each source piece begin.
        suggested: All suggestions, one source piece after the other, each in the order of ids.
            A source piece that has none is one of which nothing is known: it allows everything.
    """

    frequent: Tensor
    offsets: Tensor
    suggested: Tensor

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Shortlist | None":
        """Make one of named tensors, if they are one's: whole numbers in a row."""
        names = [field.name for field in fields(cls)]
        if sorted(tensors) != sorted(names):
            return None
        if any(each.dim() != 1 or each.dtype != torch.int32 for each in tensors.values()):
            return None
        return cls(**{name: tensors[name].long() for name in names})

    def tensors(self) -> dict[str, Tensor]:
        """Name what is stored."""
        return {each.name: getattr(self, each.name).to(torch.int32) for each in fields(self)}

    def fits(self, sizes: tuple[int, int], end: int) -> bool:
        """Tell whether it is of vocabularies of these sizes, and lets every translation end.

        Args:
            sizes: Of the source and the target vocabulary.
            end: Id of the end of a translation.
        """
        if len(self.offsets) != sizes[0] + 1 or not bool((self.frequent == end).any()):
            return False
        counts = self.offsets.diff()
        if (
            self.offsets[0] != 0
            or self.offsets[-1] != len(self.suggested)
            or bool((counts < 0).any())
        ):
            return False
        named = torch.cat([self.frequent, self.suggested])
        known = bool(((named >= 0) & (named < sizes[1])).all())
        return known and all(
            bool((each.diff() > 0).all()) for each in (self.frequent, self.keys(sizes[1]))
        )

    def keys(self, target_vocab: int) -> Tensor:
        """Give source id * target vocabulary + target id of each suggestion."""
        sources = torch.arange(len(self.offsets) - 1, device=self.offsets.device)
        return sources.repeat_interleave(self.offsets.diff()) * target_vocab + self.suggested

    def joined(self, other: "Shortlist", target_vocab: int) -> "Shortlist":
        """Give the one that suggests what either does."""
        keys = torch.cat([self.keys(target_vocab), other.keys(target_vocab)]).unique()
        borders = torch.arange(len(self.offsets), device=keys.device) * target_vocab
        return Shortlist(
            torch.cat([self.frequent, other.frequent]).unique(),
            torch.searchsorted(keys, borders),
            keys % target_vocab,
        )

    @cached_property
    def unknown(self) -> frozenset[int]:
        """Name the source pieces of which nothing is known."""
        return frozenset((self.offsets.diff() == 0).nonzero().squeeze(-1).tolist())

    def to(self, device: torch.device) -> "Shortlist":
        """Move to a device."""
        return Shortlist(*(getattr(self, each.name).to(device) for each in fields(self)))

    def allowed(self, source: Tensor, lengths: Tensor, vocab_size: int) -> Tensor:
        """Tell which target pieces (B, S) source ids suggest, as booleans (B, V).

        What a sentence may be translated with depends on no other sentence.
        """
        allowed = torch.zeros((len(source), vocab_size), dtype=torch.bool, device=source.device)
        allowed[:, self.frequent] = True
        real = torch.arange(source.size(1), device=source.device) < lengths.unsqueeze(-1)
        rows, columns = real.nonzero(as_tuple=True)
        first, last = (self.offsets[source[rows, columns] + more] for more in (0, 1))
        counts = last - first
        allowed[rows[counts == 0]] = True
        starts = counts.cumsum(0) - counts
        places = torch.arange(int(counts.sum()), device=source.device)
        places += (first - starts).repeat_interleave(counts)
        allowed[rows.repeat_interleave(counts), self.suggested[places]] = True
        return allowed
