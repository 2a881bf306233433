"""Products of query heads with key/value heads that groups of them share.

B batch, H query heads, G key/value heads, L blocks of a tile, T rows, X inner size, S columns.
"""

from torch import Tensor


def grouped(rows: Tensor, columns: Tensor) -> Tensor:
    """Multiply (B, H, *L, T, X) by (B, G, *L, X, S): head a by head floor(a G / H).

    The rows of a group stand below each other in one product, so that no head is stored twice.
    """
    num_heads, num_groups = rows.size(1), columns.size(1)
    if num_heads == num_groups:
        return rows @ columns
    size, length = num_heads // num_groups, rows.size(-2)
    folded = rows.unflatten(1, (num_groups, size)).movedim(2, -3)  # (B, G, *L, R, T, X)
    product = folded.flatten(-3, -2) @ columns  # (B, G, *L, R * T, S)
    apart: Tensor = product.unflatten(-2, (size, length))
    return apart.movedim(-3, 2).flatten(1, 2)


def repeated(heads: Tensor, num_heads: int) -> Tensor:
    """Repeat (B, G, ...) for each query head, (B, H, ...)."""
    if heads.size(1) == num_heads:
        return heads
    return heads.repeat_interleave(num_heads // heads.size(1), dim=1)
