"""The model card: what a person who is handed a model directory reads first."""

from collections.abc import Mapping
from typing import Any


def model_card(
    settings: Mapping[str, Any], metadata: Mapping[str, Any], num_parameters: int
) -> str:
    """Write the card in Markdown."""
    model = settings.get("model", {})
    scores = metadata.get("dev", {})
    lines = [
        f"# {'Language' if model.get('arch') == 'lm' else 'Translation'} model",
        "",
        f"{kind_of(model)}, made by nmt {metadata['nmt']}: {depth_of(model)} layers of width "
        f"{model.get('model_size')}, {num_parameters:,} parameters.",
        "",
        *uses(model),
        f"Trained for {metadata.get('update', 0):,} updates on a corpus whose content has the hash",
        f"`{metadata.get('corpus', 'unknown')}`.",
        "",
        *(score_lines(scores) if scores else ["It was not scored on a development set.", ""]),
        "Weights are in `model.safetensors`, settings in `config.toml`, segmenters in",
        "`source.model` and `target.model`, hashes and scores in `metadata.json`.",
        "",
    ]
    return "\n".join(lines)


def uses(model: Mapping[str, Any]) -> list[str]:
    """Say how the model is used."""
    if model.get("arch") != "lm":
        command = "    nmt translate THIS_FOLDER < source.txt > translation.txt"
        return ["Translate with it:", "", command, ""]
    return [
        "Write text with it, or let it help a translation model of the same segmenter:",
        "",
        "    nmt generate THIS_FOLDER --count 10",
        "    nmt translate MODEL --lm THIS_FOLDER < source.txt > translation.txt",
        "",
    ]


def depth_of(model: Mapping[str, Any]) -> str:
    """Count the layers."""
    encoder = "" if model.get("arch") == "lm" else f"{model.get('encoder_layers')} + "
    return f"{encoder}{model.get('decoder_layers')}"


def kind_of(model: Mapping[str, Any]) -> str:
    """Name the architecture."""
    if model.get("arch") == "lm":
        return "A Transformer's decoder by itself"
    if model.get("arch") != "rnn":
        return "A Transformer"
    cell, feeding = str(model.get("cell", "lstm")).upper(), model.get("feeding", "luong")
    return f"A recurrent encoder-decoder ({cell}, attention as {str(feeding).title()}'s)"


def score_lines(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Write all scores."""
    lines = [score_line(name, score) for name, score in scores.items()]
    return ["On its development set:", "", *lines, ""]


def score_line(name: str, score: Mapping[str, Any]) -> str:
    """Write one score with its signature."""
    signature = f" (`{score['signature']}`)" if score.get("signature") else ""
    return f"* {name}: {score['value']:.4g}{signature}"
