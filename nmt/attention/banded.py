"""Attention within a window in time and memory linear in the length: blocks and their strips.

B batch, H heads, G key/value heads, n length, K head size; R residues of positions modulo the
dilation, N blocks of c queries each, s keys of a block's strip.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.dense import Composition
from nmt.attention.layout import Layout, Tile
from nmt.attention.sentences import by_sentence

SMALLEST_BLOCK, LARGEST_BLOCK = 16, 64


@dataclass(frozen=True)
class Band:
    """How a sequence is cut.

    Attributes:
        size: n.
        dilation: R; positions of one residue stand side by side.
        before, after: Keys of the same residue seen on each side.
        block: c.
    """

    size: int
    dilation: int
    before: int
    after: int
    block: int

    @property
    def num_blocks(self) -> int:
        """Give N."""
        return -(-self.size // (self.dilation * self.block))

    def blocks(self, heads: Tensor) -> Tensor:
        """Cut (B, H, n, K) into (B, H, R, N, c, K)."""
        padded = F.pad(heads, (0, 0, 0, self._padded() - self.size))
        lines: Tensor = padded.unflatten(2, (-1, self.dilation)).transpose(2, 3)
        blocks: Tensor = lines.unflatten(3, (-1, self.block))
        return blocks

    def strips(self, heads: Tensor) -> Tensor:
        """View (B, G, m, K) as the keys that each block may see, (B, G, R, N, s, K)."""
        reached = self._padded() + self.after * self.dilation
        padded = F.pad(heads, (0, 0, 0, reached - heads.size(2)))  # or cut
        lines = padded.unflatten(2, (-1, self.dilation)).transpose(2, 3)  # (B, G, R, ..., K)
        wide = F.pad(lines, (0, 0, self.before, 0))
        return wide.unfold(3, self.before + self.block + self.after, self.block).mT

    def join(self, blocks: Tensor) -> Tensor:
        """Undo `blocks`."""
        return blocks.flatten(3, 4).transpose(2, 3).flatten(2, 3)[:, :, : self.size]

    def tile(self, device: torch.device) -> Tile:
        """Number the queries and keys of all blocks, (1, R, N, c) and (1, R, N, s)."""
        residues = torch.arange(self.dilation, device=device).view(1, -1, 1, 1)
        starts = torch.arange(self.num_blocks, device=device).view(1, 1, -1, 1) * self.block
        inner = torch.arange(-self.before, self.block + self.after, device=device)
        places = (starts + inner) * self.dilation + residues
        return Tile(places[..., self.before : self.before + self.block], places)

    def _padded(self) -> int:
        return self.num_blocks * self.dilation * self.block


def banded(
    composition: Composition, query: Tensor, key: Tensor, value: Tensor, layout: Layout
) -> Tensor:
    """Compute what `Composition` defines where a pattern hides all but a band.

    Args:
        query: (B, H, n, K).
        key, value: (B, G, m, K); keys that no window of a query reaches are left out.

    Returns:
        The weighted values, (B, H, n, K).
    """
    if layout.pattern.sentences:
        return by_sentence(composition, query, key, value, layout)
    if not layout.num_queries:
        return query
    if not layout.num_keys:
        return torch.zeros_like(query)
    band, tile = cut(layout, query)
    keys, values = band.strips(key), band.strips(value)
    num_globals = min(layout.pattern.num_globals, layout.num_keys)
    if num_globals:
        tile = with_globals(tile, num_globals)
        keys, values = (
            torch.cat([everywhere(heads[:, :, :num_globals], strips), strips], dim=-2)
            for heads, strips in ((key, keys), (value, values))
        )
    context, _ = composition(band.blocks(query), keys, values, layout, tile)
    output = band.join(context)
    if not num_globals:
        return output
    first = globally(composition, query[:, :, :num_globals], key, value, layout)
    return torch.cat([first, output[:, :, num_globals:]], dim=2)


def cut(layout: Layout, query: Tensor) -> tuple[Band, Tile]:
    """Decide on blocks half as long as the window: longer ones see too much that is hidden."""
    pattern = layout.pattern
    assert pattern.window is not None, "a band needs a window"
    assert layout.offset == 0, "a band begins with the first key"
    block = min(max(pattern.window // 2, SMALLEST_BLOCK), LARGEST_BLOCK)
    after = 0 if layout.causal else pattern.window
    band = Band(query.size(2), pattern.dilation, pattern.window, after, block)
    return band, band.tile(query.device)


def with_globals(tile: Tile, num_globals: int) -> Tile:
    """Put the global keys before each strip, and hide them where the strip holds them again."""
    first = torch.arange(num_globals, device=tile.keys.device)
    first = first.expand(*tile.keys.shape[:-1], -1)
    once = torch.where(tile.keys < num_globals, -1, tile.keys)
    return replace(tile, keys=torch.cat([first, once], dim=-1))


def everywhere(heads: Tensor, strips: Tensor) -> Tensor:
    """Give the same keys (B, G, k, K) to every block, (B, G, R, N, k, K)."""
    return heads[:, :, None, None].expand(-1, -1, *strips.shape[2:4], -1, -1)


def globally(
    composition: Composition, query: Tensor, key: Tensor, value: Tensor, layout: Layout
) -> Tensor:
    """Attend from the first queries to all keys."""
    rows, columns = (torch.arange(each.size(2), device=key.device) for each in (query, key))
    tile = Tile(rows.unsqueeze(0), columns.unsqueeze(0))
    context: Tensor = composition(query, key, value, layout, tile)[0]
    return context
