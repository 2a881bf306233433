"""The encoder of a recurrent model.

B batch, S source length, D model size.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from nmt.model.config import ModelConfig
from nmt.model.dropout import add_residual, dropout
from nmt.model.recompute import Recomputing

UNITS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentEncoder(Recomputing):
    """Bidirectional layers, residual from the second on, half the width for each direction.

    Source: Schuster and Paliwal (1997), https://doi.org/10.1109/78.650093; residuals: Wu et al.
    (2016), https://arxiv.org/abs/1609.08144, section 3.1.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.share = config.dropout
        self.layers = nn.ModuleList(
            bidirectional(config.cell, config.model_size) for _ in range(config.encoder_layers)
        )

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Transform (B, S, D); padding is never entered, and comes out as zeros."""
        packed = pack_padded_sequence(states, lengths.cpu(), batch_first=True, enforce_sorted=False)
        for number, layer in enumerate(self.layers):
            data = self.through(self._enter, layer, packed, number > 0)
            packed = PackedSequence(data, *packed[1:])
        return pad_packed_sequence(packed, batch_first=True, total_length=states.size(1))[0]

    def _enter(self, layer: nn.Module, packed: PackedSequence, residual: bool) -> Tensor:
        """Run a layer on what is real of all sentences, and drop a share of its output."""
        output: Tensor = layer(packed)[0].data
        if residual:
            return add_residual(packed.data, output, self.share, self.training)
        return dropout(output, self.share, self.training)


def bidirectional(cell: str, size: int) -> nn.Module:
    """Make a layer of both directions whose weights start like those of the decoder's cells."""
    half = size // 2
    layer = UNITS[cell](size, half, bidirectional=True)
    for name, weight in layer.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(weight)
            continue
        start = nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_
        for block in torch.split(weight.data, half):
            start(block)
    if cell == "lstm":
        open_forget_gates(layer, half)
    return layer


@torch.no_grad()
def open_forget_gates(layer: nn.Module, size: int) -> None:
    """Start with memory kept; PyTorch packs gates as input, forget, new, output."""
    for name, weight in layer.named_parameters():
        if name.startswith("bias_ih"):
            nn.init.ones_(weight[size : 2 * size])
