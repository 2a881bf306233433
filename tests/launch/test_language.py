"""A language model trains as any other does: it learns, resumes, and is refused what it cannot."""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nmt.corpus.config import EncodeConfig
from nmt.corpus.encode import encode_corpus
from nmt.errors import ConfigError, DataError, NmtError
from nmt.launch.start import Start, resume, train
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import WEIGHTS, load_any, load_language_package
from nmt.text.lines import read_lines
from nmt.text.segmenter import Segmenter
from nmt.training.loop import Trainer
from tests.launch.killing import Contents, Killed, Make

pytestmark = pytest.mark.usefixtures("hasty")


@pytest.fixture(scope="session")
def mono(tmp_path_factory: pytest.TempPathFactory, toy: Path) -> Path:
    """Encode the target of the toy corpus by itself."""
    folder = tmp_path_factory.mktemp("mono") / "corpus"
    rows = ((line,) for line in read_lines(toy / "train.tgt"))
    encode_corpus(rows, [Segmenter.load(toy / "joint.model")], folder, EncodeConfig())
    return folder


def test_it_knows_more_than_how_often_each_piece_comes(toy: Path, trained_language: Path) -> None:
    package = load_language_package(trained_language)
    segmenter = package.segmenters.target
    train_ids, dev_ids = (
        [
            id_
            for ids in segmenter.encode_lines(list(read_lines(toy / f"{name}.tgt")))
            for id_ in (*ids, segmenter.eos_id)
        ]
        for name in ("train", "dev")
    )
    counts = Counter(train_ids)
    total = len(train_ids) + segmenter.vocab_size
    nll = -sum(math.log((counts[id_] + 1) / total) for id_ in dev_ids) / len(dev_ids)
    dev = package.metadata["dev"]
    assert dev["perplexity"]["value"] < 0.7 * math.exp(nll)
    assert dev["perplexity"]["value"] == pytest.approx(math.exp(dev["loss"]["value"]), rel=1e-4)
    assert set(dev) == {"loss", "perplexity", "accuracy"}


def test_the_best_has_the_lowest_perplexity(trained_language: Path, contents: Contents) -> None:
    run = contents(trained_language)
    measured = [each["perplexity"] for each in run["metrics.jsonl"] if "perplexity" in each]
    summary = run["finished.json"]
    assert summary["metric"] == "perplexity"
    assert summary["value"] == min(measured)
    assert not isinstance(load_any(trained_language).model, EncoderDecoder)


def test_monolingual_text_and_the_same_as_a_target_make_the_same_model(
    language: Make, tmp_path: Path, mono: Path
) -> None:
    for name, changes in (("target", []), ("mono", [f"data.train={mono}"])):
        for how, more in (("plain", []), ("cut", ["data.sampling_alpha=0.3"])):
            train(Start(language(*changes, *more), tmp_path / f"{name}-{how}"))
    weights = {each.name: (each / "last" / WEIGHTS).read_bytes() for each in tmp_path.iterdir()}
    assert weights["target-plain"] == weights["mono-plain"] != weights["mono-cut"]
    assert weights["target-cut"] == weights["mono-cut"]


def test_several_texts_are_mixed(language: Make, tmp_path: Path, mono: Path) -> None:
    changes = [f"data.train=['{mono}', '{mono}']", "data.weights=[3, 1]"]
    train(Start(language(*changes), tmp_path / "run"))
    assert load_language_package(tmp_path / "run").metadata["update"] > 0


VARIANTS = {
    "plain": (),
    "dropout": ("model.dropout=0.3", "attention.decoder.dropout=0.2"),
    "rotary": ("attention.decoder.variant=rotary", "training.average=3", "training.keep=3"),
    "moving average": ("training.ema=0.9", "training.accumulate=2"),
    "cut anew": ("data.sampling_alpha=0.3", "training.validate_every=3"),
    "recurrent sums": ("attention.decoder.variant=linear", "model.decoder_layers=2"),
    "patience": ("training.max_updates=20", "training.patience=1", "training.learning_rate=3.0"),
}  # fmt: skip


@pytest.mark.sampled(3)
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_a_run_killed_and_resumed_is_one_that_was_not(
    language: Make, tmp_path: Path, contents: Contents, changes: tuple[str, ...]
) -> None:
    train(Start(language(*changes), tmp_path / "steady"))
    expected = contents(tmp_path / "steady")
    update, seen = Trainer._one_update, 0

    def dying(trainer: Trainer, batches: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 4:
            raise Killed
        update(trainer, batches)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_one_update", dying)
        with pytest.raises(Killed):
            train(Start(language(*changes), tmp_path / "killed"))
    resume(tmp_path / "killed")
    assert contents(tmp_path / "killed") == expected


def test_it_is_fine_tuned_on_text_of_its_segmenter(
    language: Make, experiment: Make, tmp_path: Path, mono: Path, trained_language: Path
) -> None:
    changes = [f"data.train={mono}", "training.learning_rate=1e-9", "training.max_updates=1"]
    train(Start(language(*changes), tmp_path / "tuned", trained_language))
    before, after = (
        load_language_package(each).metadata["dev"]["loss"]["value"]
        for each in (trained_language, tmp_path / "tuned")
    )
    assert after == pytest.approx(before, rel=1e-3)
    with pytest.raises(ConfigError, match=r"^--from names a language model; say so: --arch lm$"):
        train(Start(experiment(), tmp_path / "other", trained_language))


def test_it_is_not_begun_from_what_translates(
    language: Make, tmp_path: Path, trained: Path
) -> None:
    message = "model.arch = lm was asked for, but --from takes the shape of its model, which has"
    with pytest.raises(ConfigError, match=re.escape(message)):
        train(Start(language(), tmp_path / "tuned", trained))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.train="], "data.train is not set: name an encoded corpus"),
        (
            ["data.dev_target=", "training.patience=1"],
            "training.patience needs a development set (data.dev_target)",
        ),
        (["data.dev_target=none"], "cannot read none: No such file or directory"),
        (["data.dev_target=/dev/null"], "/dev/null is empty; a development set needs lines"),
        (["model.max_length=5"], "the longest line of {corpus} has"),
        (["data.batch_tokens=5"], "data.batch_tokens = 5, but the longest pair has"),
        (["data.train=['{mono}', '{corpus}']"], "holds source and target text, but {mono} source;"),
    ],
)
def test_what_would_fail_is_refused_before_there_is_a_run(
    language: Make, toy: Path, mono: Path, tmp_path: Path, changes: list[str], message: str
) -> None:
    names = {"mono": str(mono), "corpus": str(toy / "corpus")}
    filled = [each.format(**names) for each in changes]
    with pytest.raises(NmtError, match=re.escape(message.format(**names))):
        train(Start(language(*filled), tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_text_with_tags_is_refused(language: Make, toy: Path, tmp_path: Path) -> None:
    joint = Segmenter.load(toy / "joint.model")
    tag = next(piece for piece in joint.pieces("mnop") if len(piece) == 1)
    rows = ((line,) for line in read_lines(toy / "train.tgt"))
    encode_corpus(rows, [joint], tmp_path / "tagged", EncodeConfig(source_tag=(tag,)))
    message = f"tagged was encoded with the tag {tag}, but a language model has no source to put"
    with pytest.raises(DataError, match=message):
        train(Start(language(f"data.train={tmp_path / 'tagged'}"), tmp_path / "run"))


def test_lines_of_a_test_set_are_refused_in_monolingual_text(
    language: Make, toy: Path, mono: Path, tmp_path: Path
) -> None:
    held_out = tmp_path / "test.tsv"
    line = next(iter(read_lines(toy / "train.tgt")))
    held_out.write_text(f"something else\t{line}\n")
    with pytest.raises(DataError, match=r"of the 120 pairs in .* have a side that is in a test"):
        train(Start(language(f"data.train={mono}", f"data.test={held_out}"), tmp_path / "run"))
