"""The decoder of a recurrent model: one position at a time, in training as in search.

B batch, N rows (sentences or hypotheses), D model size, G gates.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nmt.attention.build import build_attention
from nmt.attention.config import AttentionSections
from nmt.attention.contract import Place
from nmt.model.cells import CELLS, Parts, gate_linear
from nmt.model.config import ModelConfig
from nmt.model.dropout import add_residual, dropout

Attend = Callable[[Tensor], Tensor]  # from queries (N, D) to what they find in the source, (N, D)


@dataclass(frozen=True)
class Position:
    """What one position hands to the next.

    Attributes:
        hidden: What each layer's unit carries.
        fed: (N, D) what enters the first layer beside the next word, or asks for it.
    """

    hidden: tuple[Parts, ...]
    fed: Tensor


class RecurrentDecoder(nn.Module):
    """Recurrent layers, residual from the second on, with attention to the source."""

    def __init__(self, config: ModelConfig, attention: AttentionSections) -> None:
        super().__init__()
        size, kind = config.model_size, CELLS[config.cell]
        layers = range(config.decoder_layers)
        self.size = size
        self.share = config.dropout
        self.num_parts = kind.num_parts
        self.cells = nn.ModuleList(kind(size) for _ in layers)
        self.word = gate_linear(size, size, kind.num_gates)
        self.fed = gate_linear(size, size, kind.num_gates, bias=False)
        self.between = nn.ModuleList(gate_linear(size, size, kind.num_gates) for _ in layers[1:])
        place = Place(role="cross", model_size=size, num_heads=config.num_heads)
        self.attention = build_attention(place, attention.cross)
        self.bridge = gate_linear(size, size, len(layers) * kind.num_parts)
        self.readout = gate_linear(2 * size, size, 1)

    def first(self, mean: Tensor) -> Position:
        """Begin from the mean of a source's states, (N, D).

        Source: Sennrich et al. (2017), https://arxiv.org/abs/1703.04357, section 3.1.
        """
        parts = torch.split(torch.tanh(self.bridge(mean)), self.size, dim=-1)
        count = self.num_parts
        hidden = tuple(parts[start : start + count] for start in range(0, len(parts), count))
        return Position(hidden, self.first_fed(hidden))

    @abstractmethod
    def first_fed(self, hidden: tuple[Parts, ...]) -> Tensor:
        """Give what is fed to the first position."""

    @abstractmethod
    def advance(
        self, entering: Tensor, position: Position, attend: Attend
    ) -> tuple[Tensor, Position]:
        """Go one position further, given the word's share of the first gates (N, G * D).

        Returns:
            What `finish` turns into the state that predicts the next word, and the position.
        """

    @abstractmethod
    def finish(self, outputs: Tensor) -> Tensor:
        """Turn the outputs of any number of positions into states (..., D)."""

    def run_cells(
        self, entering: Tensor, hidden: tuple[Parts, ...]
    ) -> tuple[Tensor, tuple[Parts, ...]]:
        """Run all layers on one position, and give the highest state."""
        carried = self.cells[0](entering, hidden[0])
        top, following = carried[0], [carried]
        upper = zip(self.cells[1:], self.between, hidden[1:], strict=True)
        for cell, linear, parts in upper:
            carried = cell(linear(top), parts)
            top = add_residual(top, carried[0], self.share, self.training)
            following.append(carried)
        return top, tuple(following)

    def attentional(self, outputs: Tensor) -> Tensor:
        """Join what was found with the state that goes with it, (..., 2 D), as (..., D)."""
        return torch.tanh(self.readout(outputs))


class LuongDecoder(RecurrentDecoder):
    """Ask with the new state; feed h~ = tanh(W [c; h]) to the next position.

    Source: Luong et al. (2015), https://arxiv.org/abs/1508.04025, equation 5 and section 3.3.
    """

    def first_fed(self, hidden: tuple[Parts, ...]) -> Tensor:
        """Give zeros: nothing was attended to."""
        return torch.zeros_like(hidden[0][0])

    def advance(
        self, entering: Tensor, position: Position, attend: Attend
    ) -> tuple[Tensor, Position]:
        """Go one position further."""
        top, hidden = self.run_cells(entering + self.fed(position.fed), position.hidden)
        fed = self.attentional(torch.cat([attend(top), top], dim=-1))
        return fed, Position(hidden, fed)

    def finish(self, outputs: Tensor) -> Tensor:
        """Drop a share; what was fed back is whole."""
        return dropout(outputs, self.share, self.training)


class BahdanauDecoder(RecurrentDecoder):
    """Ask with the previous state; what is found enters beside the word.

    Source: Bahdanau et al. (2015), https://arxiv.org/abs/1409.0473, appendix A.2.2. The state
    that predicts is that of Luong et al. (2015) in place of a maxout layer.
    """

    def first_fed(self, hidden: tuple[Parts, ...]) -> Tensor:
        """Give the first state of the highest layer."""
        return hidden[-1][0]

    def advance(
        self, entering: Tensor, position: Position, attend: Attend
    ) -> tuple[Tensor, Position]:
        """Go one position further."""
        context = attend(position.fed)
        top, hidden = self.run_cells(entering + self.fed(context), position.hidden)
        return torch.cat([context, top], dim=-1), Position(hidden, top)

    def finish(self, outputs: Tensor) -> Tensor:
        """Join context and state, for all positions in one product, and drop a share."""
        return dropout(self.attentional(outputs), self.share, self.training)


DECODERS: dict[str, type[RecurrentDecoder]] = {"luong": LuongDecoder, "bahdanau": BahdanauDecoder}
