"""A Transformer in the shape of Marian's, as the package transformers has it.

H heads, K head size, D model size.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, MarianConfig, MarianMTModel, MarianTokenizer
from transformers.utils import logging

from nmt.attention.multi_head import MultiHeadAttention
from nmt.export.heads import lenders, plain_heads
from nmt.export.limits import Shape
from nmt.model.directory import Package, Segmenters
from nmt.model.layers import DecoderLayer, EncoderLayer, FeedForward, Residual
from nmt.model.transformer import Transformer
from nmt.search.config import SearchConfig
from nmt.settings import build

MOST = 256  # ids of a translation, so that one that repeats itself for ever ends soon

Weights = dict[str, Tensor]


def write_marian(package: Package, folder: Path) -> None:
    """Write a model and a tokenizer that `from_pretrained` loads."""
    assert isinstance(package.model, Transformer), "others are refused before"
    with quietly():
        model = MarianMTModel(config_of(package))
    missing = model.load_state_dict(weights_of(package.model), strict=False).missing_keys
    assert not [name for name in missing if "embed_positions" not in name], missing
    model.generation_config = generation_of(package)
    with quietly():
        model.save_pretrained(folder)
    (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode)  # not 0600
    with TemporaryDirectory(prefix="nmt-export-") as name:
        tokenizer_of(package, Path(name)).save_pretrained(folder)


def config_of(package: Package) -> Any:
    """Describe the shape."""
    shape, segmenters = Shape.of(package.settings).model, package.segmenters
    return MarianConfig(
        vocab_size=segmenters.source.vocab_size,
        decoder_vocab_size=segmenters.target.vocab_size,
        d_model=shape.model_size,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        encoder_ffn_dim=shape.ffn_size,
        decoder_ffn_dim=shape.ffn_size,
        encoder_attention_heads=shape.num_heads,
        decoder_attention_heads=shape.num_heads,
        max_position_embeddings=shape.max_length,
        activation_function="relu",
        scale_embedding=True,
        dropout=shape.dropout,
        share_encoder_decoder_embeddings=shape.tie == "all",
        tie_word_embeddings=shape.tie != "none",
        forced_eos_token_id=None,
        **special_ids(segmenters),
    )


def special_ids(segmenters: Segmenters) -> dict[str, int]:
    """Name the ids that open, close and pad; without a padding piece, the end pads."""
    target = segmenters.target
    return {
        "decoder_start_token_id": target.start_id,
        "bos_token_id": target.start_id,
        "eos_token_id": target.eos_id,
        "pad_token_id": target.eos_id if target.pad_id is None else target.pad_id,
    }


def generation_of(package: Package) -> Any:
    """Describe the search that `generate` does unless it is told otherwise."""
    search = build(SearchConfig, package.settings.get("search", {}), "search")
    return GenerationConfig(
        num_beams=search.beam,
        length_penalty=search.length_alpha,
        early_stopping=search.beam > 1,
        max_length=min(Shape.of(package.settings).model.max_length, MOST) + 1,  # 1: the start
        forced_eos_token_id=None,
        **special_ids(package.segmenters),
    )


def tokenizer_of(package: Package, folder: Path) -> Any:
    """Make a tokenizer of the segmenters, whose files stand in a folder until it is saved."""
    source, target = package.segmenters.source, package.segmenters.target
    for side, segmenter in (("source", source), ("target", target)):
        segmenter.save(folder / f"{side}.spm")
        vocabulary = {piece: id_ for id_, piece in enumerate(segmenter.texts)}
        (folder / f"{side}.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    pad = target.eos_id if target.pad_id is None else target.pad_id
    with quietly():
        return MarianTokenizer(
            source_spm=str(folder / "source.spm"),
            target_spm=str(folder / "target.spm"),
            vocab=str(folder / "source.json"),
            target_vocab_file=str(folder / "target.json"),
            separate_vocabs=source.sha256 != target.sha256,
            unk_token=source.texts[source.unknown_id],
            eos_token=source.texts[source.eos_id],
            pad_token=target.texts[pad],
            model_max_length=Shape.of(package.settings).model.max_length,
            clean_up_tokenization_spaces=False,
        )


@contextmanager
def quietly() -> Iterator[None]:
    """Let the package neither warn, of what it then does not use, nor show progress."""
    progress = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if progress:
            logging.enable_progress_bar()


@torch.no_grad()
def weights_of(model: Transformer) -> Weights:
    """Name weights as Marian does, the model's dimensions in Marian's order."""
    weights: Weights = {}
    for side, stack in (("encoder", model.encoder), ("decoder", model.decoder)):
        cross = [composed(each.cross_attention) for each in stack if isinstance(each, DecoderLayer)]
        for number, layer in enumerate(stack):
            assert isinstance(layer, EncoderLayer | DecoderLayer)
            name = f"model.{side}.layers.{number}"
            add_layer(weights, name, layer)
            if isinstance(layer, DecoderLayer):
                lender = lenders(cross)[number]
                add_attention(weights, f"{name}.encoder_attn", cross[number], lender)
                add_norm(weights, f"{name}.encoder_attn_layer_norm", layer.around_cross_attention)
    source, target = model.source_embeddings.words, model.target_embeddings.words
    weights |= {
        "model.encoder.embed_tokens.weight": source,
        "model.decoder.embed_tokens.weight": target,
        "lm_head.weight": model.output_weight(),
        "final_logits_bias": source.new_zeros(1, target.size(0)),
    }
    if model.config.tie == "all":
        weights["model.shared.weight"] = source
    order = sines_first(model.config.model_size)
    return {name: reordered(name, each.detach().float(), order) for name, each in weights.items()}


def add_layer(weights: Weights, name: str, layer: EncoderLayer | DecoderLayer) -> None:
    """Name the weights of what layers of both sides have."""
    own = composed(layer.attention)
    add_attention(weights, f"{name}.self_attn", own, own)
    add_norm(weights, f"{name}.self_attn_layer_norm", layer.around_attention)
    block = layer.feed_forward
    assert isinstance(block, FeedForward), "others are refused before"
    for theirs, linear in (("fc1", block.inner), ("fc2", block.outer)):
        add_linear(weights, f"{name}.{theirs}", linear.weight, linear.bias)
    add_norm(weights, f"{name}.final_layer_norm", layer.around_feed_forward)


def composed(mechanism: nn.Module) -> MultiHeadAttention:
    """Take a mechanism for what it must be here."""
    assert isinstance(mechanism, MultiHeadAttention), "others are refused before"
    return mechanism


def add_attention(
    weights: Weights, name: str, mechanism: MultiHeadAttention, lender: MultiHeadAttention
) -> None:
    """Name the weights of attention, whose scores Marian scales by the size of a head."""
    heads, place = plain_heads(mechanism, lender), mechanism.place
    query = heads.query.scaled(heads.scale * place.head_size**0.5)
    add_linear(weights, f"{name}.q_proj", *query.flat())
    add_linear(weights, f"{name}.k_proj", *heads.key.repeated(place.num_heads).flat())
    add_linear(weights, f"{name}.v_proj", *heads.value.repeated(place.num_heads).flat())
    add_linear(weights, f"{name}.out_proj", *heads.output)


def add_linear(weights: Weights, name: str, weight: Tensor, bias: Tensor) -> None:
    """Name the weights of a linear layer."""
    weights |= {f"{name}.weight": weight, f"{name}.bias": bias}


def add_norm(weights: Weights, name: str, around: Residual) -> None:
    """Name the weights of a normalisation."""
    assert isinstance(around.norm, nn.LayerNorm), "others are refused before"
    add_linear(weights, name, around.norm.weight, around.norm.bias)


def sines_first(model_size: int) -> Tensor:
    """Order dimensions as Marian does: all sines of positions, then all cosines."""
    return torch.cat([torch.arange(0, model_size, 2), torch.arange(1, model_size, 2)])


def reordered(name: str, weight: Tensor, order: Tensor) -> Tensor:
    """Reorder the dimensions of the model in a weight, wherever it has them."""
    *_, module, _ = f".{name}".split(".")
    if name == "final_logits_bias":
        return weight
    if module in ("embed_tokens", "shared", "lm_head"):
        return weight[:, order]
    if module.endswith("layer_norm"):
        return weight[order]
    if module in ("out_proj", "fc2"):  # they write the model's dimensions, others read them
        return weight[order]
    return weight[:, order] if weight.dim() == 2 else weight
