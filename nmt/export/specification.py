"""A Transformer as CTranslate2 describes it, by that library's own specification.

H heads, G key/value heads, K head size, D model size.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ctranslate2.specs import attention_spec, common_spec, transformer_spec
from torch import Tensor, nn

from nmt.attention.distance import BucketedBias, ShawRelative
from nmt.attention.multi_head import MultiHeadAttention
from nmt.attention.rotary import BASE
from nmt.export.heads import PlainHeads, lenders, plain_heads
from nmt.model.config import ModelConfig
from nmt.model.directory import Package
from nmt.model.embeddings import Embeddings
from nmt.model.layers import DecoderLayer, EncoderLayer, FeedForward, GatedFeedForward, Residual
from nmt.model.transformer import Transformer

LAYER_NORM_EPSILON, RMS_NORM_EPSILON = 1e-5, 1e-6  # PyTorch's, and the one given to its RMSNorm
IDLE_HEAD, IDLE_INNER = 8, 8  # sizes of a layer that does nothing

Array = np.ndarray[Any, np.dtype[np.float32]]


def specify(model: Transformer) -> Any:
    """Describe a model that `refuse_unheld` lets through; vocabularies are the caller's."""
    spec = transformer_spec.TransformerSpec(encoder_of(model), decoder_of(model))
    rms = model.config.norm_kind == "rms"
    spec.config.layer_norm_epsilon = RMS_NORM_EPSILON if rms else LAYER_NORM_EPSILON
    return spec


def encoder_of(model: Transformer) -> Any:
    """Describe the encoder."""
    layers = [each for each in model.encoder if isinstance(each, EncoderLayer)]
    spec = transformer_spec.TransformerEncoderSpec(0, model.config.num_heads, **norms(model.config))
    mechanisms = [composed(layer.attention) for layer in layers]
    spec.layer = [
        transformer_spec.TransformerEncoderLayerSpec(
            ffn_glu=model.config.feed_forward == "gated",
            rms_norm=model.config.norm_kind == "rms",
            **kind_of(mechanism),
        )
        for mechanism in mechanisms
    ]
    for layer, each, mechanism in zip(layers, spec.layer, mechanisms, strict=True):
        set_attention(
            each.self_attention, plain_heads(mechanism, mechanism), layer.around_attention
        )
        set_positions(each.self_attention, mechanism)
        set_feed_forward(each.ffn, layer.feed_forward, layer.around_feed_forward)
    if needs_idle(model, mechanisms[0]):
        spec.layer.insert(0, idle_encoder_layer(model.config))
    spec.embeddings[0].weight = array(model.source_embeddings.words)
    finish(spec, model.source_embeddings, model.encoder_norm)
    return spec


def decoder_of(model: Transformer) -> Any:
    """Describe the decoder and the output projection."""
    layers = [each for each in model.decoder if isinstance(each, DecoderLayer)]
    mechanisms = [composed(layer.attention) for layer in layers]
    cross = [composed(layer.cross_attention) for layer in layers]
    alibi = mechanisms[0].config.positions == "alibi"
    spec = transformer_spec.TransformerDecoderSpec(
        0, model.config.num_heads, alibi=alibi, **norms(model.config)
    )
    spec.layer = [
        transformer_spec.TransformerDecoderLayerSpec(
            ffn_glu=model.config.feed_forward == "gated",
            rms_norm=model.config.norm_kind == "rms",
            **kind_of(mechanism),
        )
        for mechanism in mechanisms
    ]
    places = zip(layers, spec.layer, mechanisms, cross, lenders(cross), strict=True)
    for layer, each, own, across, lender in places:
        set_attention(each.self_attention, plain_heads(own, own), layer.around_attention)
        set_positions(each.self_attention, own)
        set_cross(each, plain_heads(across, lender), layer.around_cross_attention)
        set_feed_forward(each.ffn, layer.feed_forward, layer.around_feed_forward)
    if needs_idle(model, mechanisms[0]):
        spec.layer.insert(0, idle_decoder_layer(model.config))
    spec.embeddings.weight = array(model.target_embeddings.words)
    spec.projection.weight = array(model.output_weight())
    finish(spec, model.target_embeddings, model.decoder_norm)
    return spec


def composed(mechanism: nn.Module) -> MultiHeadAttention:
    """Take a mechanism for what it must be here."""
    assert isinstance(mechanism, MultiHeadAttention), "others are refused before"
    return mechanism


def norms(config: ModelConfig) -> dict[str, Any]:
    """Name where states are normalised, how, and what stands inside feed-forward blocks."""
    gated = config.feed_forward == "gated"
    return {
        "pre_norm": config.norm == "pre",
        "rms_norm": config.norm_kind == "rms",
        "activation": common_spec.Activation.SWISH if gated else common_spec.Activation.RELU,
    }


def kind_of(mechanism: MultiHeadAttention) -> dict[str, Any]:
    """Name what self-attention is, beside its weights."""
    config, size = mechanism.config, mechanism.place.head_size
    groups = config.key_value_heads
    rotary = config.positions == "rotary"
    return {
        "relative_position": config.positions == "shaw",
        "relative_attention_bias": config.positions == "bucketed",
        "num_heads_kv": groups if 0 < groups < mechanism.num_heads else None,
        "rotary_dim": size - size % 2 if rotary else None,
        "rotary_interleave": False,
        "rotary_base": BASE,
    }


def set_attention(spec: Any, heads: PlainHeads, around: Residual) -> None:
    """Write self-attention, its three projections below each other."""
    parts = [each.flat() for each in (heads.query, heads.key, heads.value)]
    set_linear(spec.linear[0], torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]))
    set_linear(spec.linear[1], *heads.output)
    set_norm(spec.layer_norm, around.norm)
    spec.queries_scale = np.float32(heads.scale)


def set_cross(layer: Any, heads: PlainHeads, around: Residual) -> None:
    """Write cross-attention, which has as many heads of keys and values as of queries."""
    if hasattr(layer.attention, "num_heads_kv"):
        delattr(layer.attention, "num_heads_kv")
    num_heads = heads.query.num_heads
    both = [each.repeated(num_heads).flat() for each in (heads.key, heads.value)]
    set_linear(layer.attention.linear[0], *heads.query.flat())
    set_linear(
        layer.attention.linear[1], torch.cat([p[0] for p in both]), torch.cat([p[1] for p in both])
    )
    set_linear(layer.attention.linear[2], *heads.output)
    set_norm(layer.attention.layer_norm, around.norm)
    layer.attention.queries_scale = np.float32(heads.scale)


def set_positions(spec: Any, mechanism: MultiHeadAttention) -> None:
    """Write what distance adds to the scores of pairs."""
    term, score = mechanism.composition.term, mechanism.composition.score
    if isinstance(term, ShawRelative):
        # Both programs scale these scores; here by the size of a head, there as all scores.
        factor = mechanism.place.head_size**-0.5 / score.scale
        spec.relative_position_keys = array(term.keys * factor)
        spec.relative_position_values = array(term.values)
    if isinstance(term, BucketedBias):
        size = term.table.size(0)
        used = size // 2 if mechanism.place.role == "decoder" else size  # it has no later keys
        spec.relative_attention_bias = array(term.table[:used])
        spec.relative_attention_max_distance = np.dtype("int32").type(term.furthest)


def set_feed_forward(spec: Any, block: nn.Module, around: Residual) -> None:
    """Write a feed-forward block."""
    if isinstance(block, GatedFeedForward):
        weights = zip(block.inner.weight.chunk(2), block.inner.bias.chunk(2), strict=True)
        for linear, pair in zip((spec.linear_0, spec.linear_0_noact), weights, strict=True):
            set_linear(linear, *pair)
    else:
        assert isinstance(block, FeedForward)
        set_linear(spec.linear_0, block.inner.weight, block.inner.bias)
    set_linear(spec.linear_1, block.outer.weight, block.outer.bias)
    set_norm(spec.layer_norm, around.norm)


def finish(spec: Any, embeddings: nn.Module, norm: nn.Module) -> None:
    """Write the table of positions and the last normalisation, where there are any.

    Where embeddings say nothing of positions the table is zeros: without one, there were sines.
    """
    assert isinstance(embeddings, Embeddings)
    if hasattr(spec, "position_encodings"):
        spec.position_encodings.encodings = array(embeddings.positions)
    if not isinstance(norm, nn.Identity):
        set_norm(spec.layer_norm, norm)


def needs_idle(model: Transformer, first: MultiHeadAttention) -> bool:
    """Tell whether both embeddings and attention say something of positions.

    The library leaves positions out of embeddings where the first layer has some of its own, so
    a layer that does nothing has to come before it.
    """
    return first.config.positions != "none" and model.config.positions != "none"


def idle_encoder_layer(config: ModelConfig) -> Any:
    """Make a pre-norm layer that adds zeros to its input."""
    layer = transformer_spec.TransformerEncoderLayerSpec(
        rms_norm=config.norm_kind == "rms",
        ffn_glu=config.feed_forward == "gated",
        head_dim=IDLE_HEAD,
    )
    idle_attention(layer.self_attention, config, (3,))
    idle_feed_forward(layer.ffn, config)
    return layer


def idle_decoder_layer(config: ModelConfig) -> Any:
    """Make a pre-norm layer that adds zeros to its input."""
    layer = transformer_spec.TransformerDecoderLayerSpec(
        rms_norm=config.norm_kind == "rms",
        ffn_glu=config.feed_forward == "gated",
        head_dim=IDLE_HEAD,
    )
    idle_attention(layer.self_attention, config, (3,))
    idle_attention(layer.attention, config, (1, 2))
    idle_feed_forward(layer.ffn, config)
    return layer


def idle_attention(
    spec: attention_spec.MultiHeadAttentionSpec, config: ModelConfig, packed: tuple[int, ...]
) -> None:
    """Fill attention with zeros; `packed` projections stand in each of its first matrices."""
    width = config.num_heads * IDLE_HEAD
    for linear, count in zip(spec.linear, packed, strict=False):
        linear.weight = np.zeros((count * width, config.model_size), np.float32)
    spec.linear[-1].weight = np.zeros((config.model_size, width), np.float32)
    idle_norm(spec.layer_norm, config)


def idle_feed_forward(spec: Any, config: ModelConfig) -> None:
    """Fill a feed-forward block with zeros."""
    spec.linear_0.weight = np.zeros((IDLE_INNER, config.model_size), np.float32)
    if config.feed_forward == "gated":
        spec.linear_0_noact.weight = np.zeros((IDLE_INNER, config.model_size), np.float32)
    spec.linear_1.weight = np.zeros((config.model_size, IDLE_INNER), np.float32)
    idle_norm(spec.layer_norm, config)


def idle_norm(spec: Any, config: ModelConfig) -> None:
    """Fill a normalisation with ones, or any other numbers."""
    spec.gamma = np.ones(config.model_size, np.float32)
    if hasattr(spec, "beta"):
        spec.beta = np.zeros(config.model_size, np.float32)


def set_linear(spec: Any, weight: Tensor, bias: Tensor) -> None:
    """Write a linear layer."""
    spec.weight, spec.bias = array(weight), array(bias)


def set_norm(spec: Any, norm: nn.Module) -> None:
    """Write a normalisation."""
    assert isinstance(norm, nn.LayerNorm | nn.RMSNorm)
    spec.gamma = array(norm.weight)
    if isinstance(norm, nn.LayerNorm):
        spec.beta = array(norm.bias)


def array(tensor: Tensor) -> Array:
    """Copy weights: the library changes what it is given in place."""
    return tensor.detach().to("cpu", torch.float32).numpy().copy()


def write_specified(package: Package, folder: Path, quantization: str) -> None:
    """Write the library's own files: model.bin, config.json, vocabularies."""
    assert isinstance(package.model, Transformer), "others are refused before"
    spec = specify(package.model)
    source, target = package.segmenters.source, package.segmenters.target
    spec.register_source_vocabulary(source.texts)
    spec.register_target_vocabulary(target.texts)
    spec.config.unk_token = source.texts[source.unknown_id]
    spec.config.bos_token = spec.config.decoder_start_token = target.texts[target.start_id]
    spec.config.eos_token = target.texts[target.eos_id]
    spec.config.add_source_eos = True
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
