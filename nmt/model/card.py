"""The model card: what a person who is handed a model directory reads first.

It is written from `metadata.json` and `config.toml`, and so from the manifest of the run.
"""

from collections.abc import Iterator, Mapping
from typing import Any

TRAINING = (  # settings that most tell how a model came about
    ("training", "optimizer"), ("training", "learning_rate"), ("training", "schedule"),
    ("training", "warmup"), ("training", "label_smoothing"), ("data", "batch_tokens"),
    ("training", "accumulate"), ("model", "dropout"), ("compute", "seed"),
)  # fmt: skip
SEARCH = ("method", "beam", "length_alpha", "nbest")
INPUTS = {
    "dev_source": "development set, source", "dev_target": "development set, target",
    "parent": "weights it began with",
}  # fmt: skip


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
        *([] if model.get("arch") == "lm" else search_lines(settings)),
        f"Trained for {metadata.get('update', 0):,} updates on a corpus whose content has the hash",
        f"`{metadata.get('corpus', 'unknown')}`.",
        "",
        *(score_lines(scores) if scores else ["It was not scored on a development set.", ""]),
        *origin_lines(settings, metadata),
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


def search_lines(settings: Mapping[str, Any]) -> Iterator[str]:
    """Say how it searches unless told otherwise."""
    search = settings.get("search", {})
    if known := [f"{name} {search[name]}" for name in SEARCH if name in search]:
        yield f"Unless told otherwise it searches by {', '.join(known)}."
        yield ""


def origin_lines(settings: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[str]:
    """Say what it was made from and by what, as far as that is known."""
    origin = metadata.get("origin", {})
    if not origin:
        return
    yield "What it was made from, by SHA-256:"
    yield ""
    yield from (f"* {name}: `{digest}`" for name, digest in hashes(origin, metadata))
    yield ""
    yield "How it was trained:"
    yield ""
    yield from (f"* {name}: {value}" for name, value in chosen(settings))
    yield from (f"* {name}: {value}" for name, value in made_with(origin))
    yield ""


def hashes(origin: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """List the hashes of inputs, settings and weights."""
    for name, digest in origin.get("inputs", {}).items():
        yield INPUTS.get(name, f"training corpus{name.removeprefix('train')}"), digest
    for side, digest in metadata.get("segmenters", {}).items():
        yield f"segmenter of the {side}", digest
    for name in ("settings", "weights"):
        if name in metadata:
            yield name, metadata[name]


def chosen(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """List settings that tell most."""
    for section, name in TRAINING:
        if name in settings.get(section, {}):
            yield f"{section}.{name}", settings[section][name]


def made_with(origin: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """List versions and machine."""
    compute, libraries = origin.get("compute", {}), origin.get("libraries", {})
    versions = {"Python": origin.get("python"), "torch": origin.get("torch"), **libraries}
    yield "versions", ", ".join(f"{name} {each}" for name, each in versions.items() if each)
    device = f", {compute['precision']} on {compute['device']}" if compute else ""
    yield "machine", f"{origin.get('machine')}{device}, {origin.get('processes', 1)} processes"


def score_lines(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Write all scores."""
    lines = [score_line(name, score) for name, score in scores.items()]
    return ["On its development set:", "", *lines, ""]


def score_line(name: str, score: Mapping[str, Any]) -> str:
    """Write one score with its signature."""
    signature = f" (`{score['signature']}`)" if score.get("signature") else ""
    return f"* {name}: {score['value']:.4g}{signature}"
