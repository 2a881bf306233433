"""What a format cannot hold is refused, naming the setting, the reason, and what it can hold."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.errors import CheckpointError, ConfigError
from nmt.export import extras
from nmt.export.folder import write_export
from nmt.export.limits import CTRANSLATE2, HUGGINGFACE, Shape, refuse_unheld
from nmt.export.verify import Difference, compare, refuse_difference
from nmt.model.directory import Package
from nmt.translate import Candidate, Translation

MakePackage = Callable[..., Package]
ROTARY = {"decoder": {"variant": "rotary"}}
Refused = tuple[str, dict[str, Any], dict[str, Any], str]

BOTH: list[tuple[dict[str, Any], str]] = [
    (
        {"encoder": {"variant": "entmax"}},
        'attention.encoder.normaliser = "entmax": it knows no normaliser but softmax; it can hold '
        '"softmax"',
    ),
    (
        {"decoder": {"variant": "window"}},
        'attention.decoder.pattern = "window": it attends to all keys; it can hold "full"',
    ),
    (
        {"cross": {"variant": "additive"}},
        'attention.cross.score = "additive": it knows only products; it can hold "scaled-dot" or '
        '"dot" or "general" or "general-shared"',
    ),
    (
        {"encoder": {"variant": "talking-heads"}},
        "attention.encoder.talking = true: its heads do not mix; it can hold false",
    ),
    (
        {"cross": {"variant": "gated-context"}},
        "attention.cross.context_gate = true: it heeds all that it attends to; it can hold false",
    ),
    (
        {"decoder": {"variant": "linear"}},
        'attention.decoder.variant = "linear": it has no such mechanism; it can hold "multi-head" '
        "and its kin (nmt attention list)",
    ),
    (
        {"decoder": {"variant": "shared-kv"}},
        'attention.decoder.share = "key-value": every layer of it has keys and values of its own; '
        'it can hold "none"',
    ),
]
CASES: list[Refused] = [
    *((CTRANSLATE2, attention, {}, f"CTranslate2 cannot hold {text}") for attention, text in BOTH),
    *(
        (HUGGINGFACE, attention, {"norm": "post"}, f"Hugging Face's Marian cannot hold {text}")
        for attention, text in BOTH
    ),
    (
        CTRANSLATE2, {}, {"arch": "rnn"},
        'CTranslate2 cannot hold model.arch = "rnn": its models are Transformers; train one with '
        'model.arch = "transformer"',
    ),
    (
        CTRANSLATE2, {"encoder": {"variant": "alibi"}}, {"positions": "none"},
        'attention.encoder.positions = "alibi": only its decoder has it; it can hold "none" or '
        '"bucketed" or "shaw" or "rotary"',
    ),
    (
        CTRANSLATE2, {"cross": {"variant": "shared-weights"}}, {},
        'attention.cross.share = "weights": it computes weights in every layer; it can hold '
        '"none" or "key-value"',
    ),
    (
        CTRANSLATE2, ROTARY, {"norm": "post"},
        'attention.decoder.positions = "rotary" with model.positions = "sinusoidal" and '
        'model.norm = "post": it adds no positions to embeddings then; it can hold '
        'model.positions = "none" or model.norm = "pre"',
    ),
    (
        CTRANSLATE2, {"decoder": {"variant": "bucketed"}}, {},
        'attention.decoder.positions = "bucketed" in 3 layers with tables of their own: a stack '
        'of it has one; it can hold model.decoder_distinct = 1, or positions "shaw" or "rotary"',
    ),
    (
        CTRANSLATE2, {"decoder": {"variant": "alibi"}}, {},
        'attention.decoder.positions = "alibi" with model.positions = "sinusoidal": it adds no '
        'positions to embeddings then; it can hold model.positions = "none"',
    ),
    (
        CTRANSLATE2, {"decoder": {"variant": "alibi"}},
        {"positions": "none", "num_heads": 3, "model_size": 24},
        'attention.decoder.positions = "alibi" with model.num_heads = 3: it has other slopes '
        "unless the heads are a power of two",
    ),
    (
        HUGGINGFACE, {}, {},
        "Hugging Face's Marian cannot hold model.norm = \"pre\": it normalises after every "
        'sub-layer; it can hold "post"',
    ),
    (
        HUGGINGFACE, {}, {"norm": "post", "norm_kind": "rms"},
        'model.norm_kind = "rms": it has no other normalisation; it can hold "layer"',
    ),
    (
        HUGGINGFACE, {}, {"norm": "post", "feed_forward": "gated"},
        'model.feed_forward = "gated": its feed-forward blocks have no gate; it can hold "plain"',
    ),
    (
        HUGGINGFACE, {}, {"norm": "post", "positions": "learned"},
        'model.positions = "learned": it computes its positions as sines; it can hold "sinusoidal"',
    ),
    (
        HUGGINGFACE, ROTARY, {"norm": "post"},
        'attention.decoder.positions = "rotary": it has no positions but those of embeddings; it '
        'can hold "none"',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("target", "attention", "settings", "message"), CASES)
def test_what_a_format_cannot_hold_is_refused(
    make_package: MakePackage,
    tmp_path: Path,
    target: str,
    attention: dict[str, Any],
    settings: dict[str, Any],
    message: str,
) -> None:
    package = make_package(attention, **settings)
    with pytest.raises(ConfigError, match=re.escape(message)):
        write_export(package, tmp_path, target, "float32")
    assert list(tmp_path.iterdir()) == []


def test_a_mechanism_of_ones_own_is_refused() -> None:
    shape = Shape.of({"attention": {"cross": {"variant": "mine:Mine"}}})
    with pytest.raises(ConfigError, match='variant = "mine:Mine": it has no such mechanism'):
        refuse_unheld(shape, CTRANSLATE2)


def test_quantized_weights_are_for_one_format(make_package: MakePackage, tmp_path: Path) -> None:
    message = "--quantization int8 is for --to ctranslate2; Hugging Face's Marian has float32"
    with pytest.raises(ConfigError, match=message):
        write_export(make_package(norm="post"), tmp_path, HUGGINGFACE, "int8")


@pytest.mark.parametrize(
    ("extra", "package"), [("ctranslate2", "ctranslate2"), ("huggingface", "transformers")]
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    make_package: MakePackage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extra: str,
    package: str,
) -> None:
    monkeypatch.setitem(extras.PACKAGES, extra, f"no_{package}")
    message = (
        f"this needs the package no_{package}, which is not installed; install it: "
        rf"pip install 'nmt\[{extra}\]'"
    )
    with pytest.raises(ConfigError, match=message):
        write_export(make_package(norm="post"), tmp_path, extra, "float32")


def test_segmenters_that_end_sentences_in_two_ways_are_refused(
    make_package: MakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from nmt.export.folder import refuse_two_ends

    sides: Any = SimpleNamespace(
        source=SimpleNamespace(texts=["</s>"], eos_id=0),
        target=SimpleNamespace(texts=["<end>"], eos_id=0),
    )
    message = "that end a sentence by '</s>' on one side and '<end>' on the other; it has one"
    with pytest.raises(ConfigError, match=message):
        refuse_two_ends(sides, CTRANSLATE2)


def translation(text: str, score: float) -> Translation:
    return Translation("a", (Candidate(text, score, score),))


def test_lines_are_the_same_where_text_and_pieces_are() -> None:
    own = [translation("x", -1.0), translation("y", -1.0), translation("z", -1.0)]
    other = [translation("x", -1.25), translation("w", -9.0), translation("z", -1.0)]
    assert compare(own, other, [True, True, True]) == Difference(3, 2, 0.25, 2)
    assert compare(own, other, [True, True, False]) == Difference(3, 1, 0.25, 2)
    assert compare(own, own, [True, True, True]) == Difference(3, 3, 0.0, None)


def test_too_few_lines_that_are_the_same_are_refused() -> None:
    found = Difference(8, 7, 0.25, 2)
    refuse_difference(found, 0.875)
    message = (
        r"only 7 of 8 lines came out the same \(87.50%\), but --least is 99.00%; the first that "
        "did not is line 2; nothing was written"
    )
    with pytest.raises(CheckpointError, match=message):
        refuse_difference(found, 0.99)
