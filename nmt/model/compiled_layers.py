"""From the modules of a Transformer to what the C library reads.

D model size, H heads, G key/value heads, K head size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nmt.attention.multi_head import MultiHeadAttention
from nmt.attention.rotary import turn_of
from nmt.model.embeddings import Embeddings
from nmt.model.layers import DecoderLayer, EncoderLayer, FeedForward, GatedFeedForward
from nmt.native.matrix import NativeMatrix, address
from nmt.native.structures import (
    AttentionFields,
    FeedForwardFields,
    LayerFields,
    MatrixFields,
    NormFields,
    StackFields,
)


@dataclass(frozen=True)
class Stack:
    """An encoder or a decoder, described to the library.

    Attributes:
        fields: The description.
        kept: What it points to, which lives as long as it does.
    """

    fields: StackFields
    kept: list[object]


class Packer:
    """Pack the layers of a stack, each module once.

    Args:
        int8: Whether matrices become 8-bit integers.
    """

    def __init__(self, *, int8: bool) -> None:
        self.int8 = int8
        self.kept: list[object] = []
        self._known: dict[nn.Module, LayerFields] = {}

    def stack(
        self, layers: nn.ModuleList, embeddings: Embeddings, norm: nn.Module, *, before: bool
    ) -> Stack:
        """Describe a stack of layers, what stands below them, and the norm above."""
        fields = [self._layer(each) for each in layers]
        words = self._kept(embeddings.words)
        positions = self._kept(embeddings.positions)
        size = next(iter(fields)).own.size
        turns = any(each.own.rotary for each in fields)
        described = StackFields(
            words=address(words),
            positions=address(positions),
            angles=address(self._kept(angles(len(positions), size))) if turns else None,
            layers=(LayerFields * len(fields))(*fields),
            last=self._norm(norm),
            scale=embeddings.scale,
            count=len(fields),
            size=words.size(1),
            widest=max(map(widest, fields)),
            head_size=size,
            before=before,
            vocabulary=len(words),
            most=len(positions),
        )
        return Stack(described, self.kept)

    def _layer(self, layer: nn.Module) -> LayerFields:
        if layer not in self._known:
            self._known[layer] = self._describe(layer)
        return self._known[layer]

    def _describe(self, layer: nn.Module) -> LayerFields:
        assert isinstance(layer, (EncoderLayer, DecoderLayer))
        fields = LayerFields(
            own_norm=self._norm(layer.around_attention.norm),
            feed_norm=self._norm(layer.around_feed_forward.norm),
            own=self._attention(layer.attention),
            feed=self._feed_forward(layer.feed_forward),
        )
        if isinstance(layer, DecoderLayer):
            assert isinstance(layer.cross_attention, MultiHeadAttention)
            fields.cross_norm = self._norm(layer.around_cross_attention.norm)
            fields.cross = self._attention(layer.cross_attention)
            fields.remember = self._matrix(layer.cross_attention.key_value)
        return fields

    def _attention(self, attention: nn.Module) -> AttentionFields:
        assert isinstance(attention, MultiHeadAttention)
        is_cross, heads = attention.place.is_cross, attention.num_heads
        project = attention.query if is_cross else attention.query_key_value
        source = attention.key_value if is_cross else project
        return AttentionFields(
            project=self._matrix(project),
            output=self._matrix(attention.output),
            heads=heads,
            groups=source.parts["key"],
            size=attention.place.head_size,
            rotary=attention.config.positions == "rotary" and not is_cross,
            scale=attention.composition.score.scale,
        )

    def _feed_forward(self, block: nn.Module) -> FeedForwardFields:
        assert isinstance(block, (FeedForward, GatedFeedForward))
        gated = isinstance(block, GatedFeedForward)
        return FeedForwardFields(
            inner=self._matrix(block.inner),
            outer=self._matrix(block.outer, signed=gated),
            width=block.outer.in_features,
            gated=gated,
        )

    def _matrix(self, linear: nn.Linear, *, signed: bool = True) -> MatrixFields:
        matrix = NativeMatrix.of(linear.weight, linear.bias, int8=self.int8, signed=signed)
        self.kept.append(matrix)
        return matrix.fields

    def _norm(self, norm: nn.Module) -> NormFields:
        if isinstance(norm, nn.LayerNorm):
            gain, shift = self._kept(norm.weight), self._kept(norm.bias)
            return NormFields(address(gain), address(shift), norm.eps, 1)
        if isinstance(norm, nn.RMSNorm):
            return NormFields(address(self._kept(norm.weight)), None, norm.eps, 0)
        assert isinstance(norm, nn.Identity)
        return NormFields()

    def _kept(self, tensor: Tensor) -> Tensor:
        """Keep a tensor as it is now, and give it."""
        copied = tensor.detach().clone(memory_format=torch.contiguous_format)
        self.kept.append(copied)
        return copied


def angles(positions: int, size: int) -> Tensor:
    """Tabulate cosines, then sines, of half a head's angles at each position, (positions, K)."""
    turn = turn_of(torch.arange(positions).unsqueeze(0), size, torch.float32)
    half = size // 2
    cosine, sine = turn.cosine[0, 0, :, :half], turn.sine[0, 0, :, half : 2 * half]
    return torch.cat([cosine, sine, cosine[:, : size % 2]], dim=-1)


def widest(layer: LayerFields) -> int:
    """Give the most columns of what a layer works on."""
    matrices = (layer.own.project, layer.cross.project, layer.feed.inner)
    return max(int(each.columns) for each in matrices)
