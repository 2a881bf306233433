"""Recurrent units, one position at a time, and how their weights start.

N rows (sentences or hypotheses), D model size, G gates.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from nmt.attention.precision import exact_type

Parts = tuple[Tensor, ...]  # what a unit carries to the next position, (N, D) each


class Cell(nn.Module, ABC):
    """A recurrent unit. What enters it has been projected already.

    So the part of the input that is known for all positions beforehand costs one product.

    Attributes:
        num_gates: G.
        num_parts: Vectors that it carries; the first is its output.
    """

    num_gates: ClassVar[int]
    num_parts: ClassVar[int]

    def __init__(self, size: int) -> None:
        super().__init__()
        self.recurrent = gate_linear(size, size, self.num_gates)
        for block in torch.split(self.recurrent.weight.data, size):
            nn.init.orthogonal_(block)

    @abstractmethod
    def forward(self, entering: Tensor, parts: Parts) -> Parts:
        """Go one position further, given the input's share of the gates (N, G * D)."""


class LstmCell(Cell):
    """Long short-term memory with a forget gate, gates packed as input, forget, output, new.

    Source: Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735;
    Gers et al. (2000), https://doi.org/10.1162/089976600300015015. The forget gate starts open:
    Jozefowicz et al. (2015), https://proceedings.mlr.press/v37/jozefowicz15.html.
    """

    num_gates = 4
    num_parts = 2

    def __init__(self, size: int) -> None:
        super().__init__(size)
        nn.init.ones_(self.recurrent.bias.data[size : 2 * size])

    def forward(self, entering: Tensor, parts: Parts) -> Parts:
        """Go one position further."""
        output, memory = parts
        gates = entering + self.recurrent(output)  # (N, 4 D)
        size = output.size(-1)
        enter, forget, reveal = gates[:, : 3 * size].sigmoid().chunk(3, dim=-1)
        # A sum over all positions, so in at least float32 whatever the products run in.
        exact = exact_type(memory.dtype)
        memory = forget * memory.to(exact) + enter * gates[:, 3 * size :].tanh()
        return (reveal * memory.tanh()).to(gates.dtype), memory


class GruCell(Cell):
    """Gated recurrent unit, gates packed as reset, update, new.

    Source: Cho et al. (2014), https://arxiv.org/abs/1406.1078, section 2.3. The reset gate
    stands after the recurrent product, as in PyTorch, so that one product serves all gates.
    """

    num_gates = 3
    num_parts = 1

    def forward(self, entering: Tensor, parts: Parts) -> Parts:
        """Go one position further."""
        (output,) = parts
        size = 2 * output.size(-1)
        recurrent = self.recurrent(output)  # (N, 3 D)
        gates = (entering[:, :size] + recurrent[:, :size]).sigmoid()
        reset, update = gates.chunk(2, dim=-1)
        new = torch.addcmul(entering[:, size:], reset, recurrent[:, size:]).tanh()
        return (torch.lerp(new, output, update),)


CELLS: dict[str, type[Cell]] = {"lstm": LstmCell, "gru": GruCell}


def gate_linear(inputs: int, size: int, num_gates: int, *, bias: bool = True) -> nn.Linear:
    """Stack the projections of all gates; each starts as it would alone."""
    linear = nn.Linear(inputs, num_gates * size, bias=bias)
    for block in torch.split(linear.weight.data, size):
        nn.init.xavier_uniform_(block)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear
