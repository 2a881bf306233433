"""`nmt translate` with several models, under constraints, and by least risk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.experiment import read_experiment
from nmt.files import atomic_folder
from nmt.model.directory import Package, Segmenters, load_package, model_for, save_package
from nmt.scoring.consensus import expected_utilities
from nmt.settings import to_table
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.phrases import holds
from nmt.text.segmenter import Segmenter

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def save(name: str, segmenters: Segmenters, **model: Any) -> None:
    """Write a model that has learnt nothing."""
    base = {"encoder_layers": 1, "decoder_layers": 1, "model_size": 16, "max_length": 64}
    experiment = read_experiment({"model": {**base, **model}})
    torch.manual_seed(1)
    network = model_for(experiment.model, experiment.attention, segmenters).eval()
    with atomic_folder(name) as folder:
        save_package(folder, Package(network, segmenters, to_table(experiment), {}))


def other_segmenter() -> Segmenter:
    lines = Path("train.src").read_text().splitlines() + Path("train.tgt").read_text().splitlines()
    config = SegmentConfig(kind="bpe", vocab_size=50, byte_fallback=False, normalization="identity")
    return learn_segmenter(lines, Path("other.model"), config)


@pytest.fixture
def rnn(run: Path) -> str:
    """A recurrent model with the same segmenters."""
    save("rnn", load_package("run").segmenters, arch="rnn", max_length=20)
    return "rnn"


def read(text: str) -> list[str]:
    return text.split("\n")[:-1]


def test_a_model_with_itself_translates_as_it_does_alone(nmt: Command) -> None:
    plain = nmt("translate", "run", "test.src", "--nbest", "2").out
    for space in ("prob", "log"):
        flags = ("--with", "run", "--with", "run/last", "--weights", "1,2,0")
        finished = nmt("translate", "run", "test.src", "--nbest", "2", *flags,
                       "--ensemble-space", space)  # fmt: skip
        assert finished == (0, plain, "")


def test_models_of_any_kind_translate_together_in_any_order(nmt: Command, rnn: str) -> None:
    segmenters = load_package("run").segmenters
    save("apart", Segmenters(other_segmenter(), segmenters.target), max_length=30, tie="none")

    def best(*models: str, weights: str) -> list[str]:
        first, *others = models
        flags = [flag for each in others for flag in ("--with", each)]
        search = ("--beam", "2", "--limit-ratio", "1", "--limit-extra", "3")
        finished = nmt("translate", first, "test.src", *flags, "--weights", weights, *search)
        assert (finished.status, finished.err) == (0, "")
        return read(finished.out)

    plain = read(nmt("translate", "run", "test.src").out)
    assert best("run", rnn, "apart", weights="1,0,0") == plain
    mixed = best("run", rnn, "apart", weights="0.5,0.3,0.2")
    assert mixed == best("apart", "run", rnn, weights="2,5,3")
    assert mixed[4] == ""


@pytest.mark.parametrize(
    "flags",
    [
        ("--method", "sample", "--nbest", "3"),
        ("--beam", "4", "--groups", "2", "--nbest", "4"),
        ("--coverage-beta", "0.2"),
        ("--no-repeat-ngram", "2", "--stop", "bound"),
        ("--precision", "bf16"),
    ],
)
def test_every_search_works_with_several_models(
    nmt: Command, rnn: str, flags: tuple[str, ...]
) -> None:
    finished = nmt("translate", "run", "test.src", "--with", rnn, *flags)
    assert (finished.status, finished.err) == (0, "")
    number = int(flags[-1]) if "--nbest" in flags else 1
    assert len(read(finished.out)) == 9 * number


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--with", "apart"),
         "run and apart cannot translate together: their target segmenters differ; train both "
         "with one"),
        (("--with", "rnn", "--weights", "1"), "1 weights for 2 models; give one for each"),
        (("--with", "rnn", "--weights", "1,-1"),
         "weights of models must be at least 0, and not all 0, not 1,-1"),
        (("--with", "rnn", "--weights", "0,0"),
         "weights of models must be at least 0, and not all 0, not 0,0"),
        (("--with", "rnn", "--weights", "nan,1"),
         "weights of models must be at least 0, and not all 0, not nan,1"),
        (("--with", "rnn", "--weights", "a"),
         "--weights must be numbers separated by commas, not 'a'"),
        (("--with", "rnn", "--weights", ""),
         "--weights must be numbers separated by commas, not ''"),
        (("--weights", "1"), "--weights needs another model; give it with --with"),
        (("--ensemble-space", "log"), "--ensemble-space needs another model; give it with --with"),
        (("--with", "none"), "none does not exist; a MODEL is a model directory or a run"),
    ],
)  # fmt: skip
def test_what_cannot_go_together_is_refused_in_a_line(
    nmt: Command, rnn: str, flags: tuple[str, ...], message: str
) -> None:
    save("apart", Segmenters(other_segmenter(), other_segmenter()))
    finished = nmt("translate", "run", "test.src", *flags, "--output", "hyp")
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith(f"nmt: {message}")
    assert finished.err.count("\n") == 1
    assert not Path("hyp").exists()


def words_of(text: str) -> list[str]:
    return sorted({word for line in read(text) for word in line.split()})


@pytest.mark.parametrize(
    "flags", [(), ("--method", "sample"), ("--beam", "4", "--groups", "2"), ("--with", "run/last")]
)
def test_each_line_holds_what_it_must_and_nothing_that_it_must_not(
    nmt: Command, flags: tuple[str, ...]
) -> None:
    plain = read(nmt("translate", "run", "test.src", *flags).out)
    names = words_of(Path("train.tgt").read_text())
    asked: list[tuple[str, str]] = []
    for number, text in enumerate(plain):
        must = f"{names[number]} {names[-number - 1]}" if text and number != 2 else ""
        others = [word for word in text.split() if word not in must.split()]
        asked.append((must, others[0] if must and others else ""))
    lines = ["\t".join(filter(None, (m and f"+{m}", n and f"-{n}"))) for m, n in asked]
    Path("asked").write_text("".join(f"{line}\n" for line in lines))
    finished = nmt("translate", "run", "test.src", "--constraints", "asked", *flags)
    assert (finished.status, finished.err) == (0, "")
    for (must, must_not), before, text in zip(asked, plain, read(finished.out), strict=True):
        assert must or text == before
        assert not must or holds(text, must, whole_words=True)
        assert not must_not or not holds(text, must_not, whole_words=True)
    assert any(must_not for _, must_not in asked)


def test_phrases_for_all_lines_are_settings(nmt: Command) -> None:
    plain = read(nmt("translate", "run", "test.src").out)
    words = words_of("\n".join(plain) + "\n")
    flags = [flag for word in words for flag in ("--must-not", word)]
    found = read(nmt("translate", "run", "test.src", *flags).out)
    assert not set(words) & set(words_of("\n".join(found) + "\n"))
    parts = read(nmt("translate", "run", "test.src", *flags, "--no-whole-words").out)
    assert not any(word in text for word in words for text in parts)
    Path("my.toml").write_text(f'[search]\nmust = ["{words[0]}"]\n')
    held = read(nmt("translate", "run", "test.src", "--config", "my.toml").out)
    assert [words[0] in text.split() for text in held] == [bool(text) for text in plain]
    Path("asked").write_text(f"+{words[1]}\n" + "\n" * 8)
    both = ("--config", "my.toml", "--constraints", "-")
    (first, *_) = read(
        nmt("translate", "run", "test.src", *both, stdin=Path("asked").read_text()).out
    )
    assert {*words[:2]} <= set(first.split())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("+a\n", "asked has 1 lines, but test.src has more; --constraints needs as many"),
        ("\n" * 10, "test.src has 9 lines, but asked has more; --constraints needs as many"),
        ("\nmo no\n" + "\n" * 7, "asked, line 2: 'mo no' begins with neither + (must appear) nor"),
        ("+mo\t- \n" + "\n" * 8, "asked, line 1: an empty phrase"),
        ("+mo\t-mo\n" + "\n" * 8, "asked, line 1: 'mo' must appear and must not; leave one out"),
        ("+日本\n" + "\n" * 8,
         "line 1: no translation can be found: what must appear needs characters that the model "
         "lacks, or holds what must not"),
        ("+mo no\t-mo\n" + "\n" * 8, "line 1: no translation can be found: what must appear"),
        ("+" + "mnop" * 40 + "\n" + "\n" * 8, "line 1: what must appear takes "),
        ("\n" * 4 + "+mo\n" + "\n" * 4, "line 5 is empty and stays so, but must hold 'mo'"),
        ("\t".join(f"+{each}" for each in "mnoprstuab") + "\n" * 9,
         "asked, line 1: 10 phrases must appear; a line can have 8 at most"),
    ],
)  # fmt: skip
def test_constraints_that_cannot_be_are_refused_in_a_line(
    nmt: Command, asked: str, message: str
) -> None:
    Path("asked").write_text(asked)
    finished = nmt("translate", "run", "test.src", "--constraints", "asked", "--output", "hyp")
    assert finished.status == 1
    assert finished.err.startswith(f"nmt: {message}")
    assert finished.err.count("\n") == 1
    assert not Path("hyp").exists()


def test_prefixes_and_constraints_go_together(nmt: Command) -> None:
    Path("prefix").write_text("mo no\n" + "\n" * 8)
    Path("asked").write_text("+pr\t-st\n" + "\n" * 8)
    both = ("--prefix", "prefix", "--constraints", "asked")
    (first, *_) = read(nmt("translate", "run", "test.src", *both).out)
    assert first.startswith("mo no")
    assert "pr" in first.split()
    Path("asked").write_text("-mo\n" + "\n" * 8)
    finished = nmt("translate", "run", "test.src", *both)
    message = "line 1: no translation can be found: the prefix holds what must not appear"
    assert finished == (1, "", f"nmt: {message}\n")
    message = "only one of --prefix and --constraints can be read from standard input"
    finished = nmt("translate", "run", "test.src", "--prefix", "-", "--constraints", "-")
    assert finished == (1, "", f"nmt: {message}\n")


@pytest.mark.parametrize("metric", ["chrf", "bleu"])
def test_what_agrees_best_with_all_samples_is_given(nmt: Command, metric: str) -> None:
    drawn = ("translate", "run", "test.src", "--method", "sample", "--format", "json")
    samples = list(map(json.loads, read(nmt(*drawn, "--nbest", "6").out)))
    chosen = ("--mbr", metric, "--mbr-samples", "6", "--nbest", "2")
    for all_, best in zip(samples, map(json.loads, read(nmt(*drawn, *chosen).out)), strict=True):
        texts = [each["text"] for each in all_["translations"]]
        values = expected_utilities(texts, [1.0] * len(texts), metric)
        found = [(each["text"], each["score"]) for each in best["translations"]]
        assert len(found) == min(2, len(set(texts)))
        assert len({text for text, _ in found}) == len(found)
        if all_["source"]:
            assert found[0][1] == max(values)
            assert all(values[texts.index(text)] == score for text, score in found)


def test_hypotheses_of_a_beam_count_by_their_probability(nmt: Command) -> None:
    beam = ("translate", "run", "test.src", "--beam", "4", "--format", "json")
    lists = list(map(json.loads, read(nmt(*beam, "--nbest", "4").out)))
    chosen = list(map(json.loads, read(nmt(*beam, "--mbr", "chrf").out)))
    for all_, best in zip(lists, chosen, strict=True):
        if not all_["source"]:
            continue
        texts = [each["text"] for each in all_["translations"]]
        weights = torch.tensor([each["log_prob"] for each in all_["translations"]]).softmax(0)
        values = expected_utilities(texts, weights.tolist(), "chrf")
        (found,) = best["translations"]
        assert found["score"] == pytest.approx(max(values), abs=1e-3)
        assert found["text"] == texts[values.index(max(values))]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--mbr", "chrf", "--beam", "1"),
         "search.mbr = 'chrf' chooses among the beam: search.beam must be at least 2, not 1"),
        (("--mbr-samples", "9"),
         "search.mbr_samples = 9 needs search.method = 'sample', not 'beam'"),
        (("--mbr-samples", "9", "--method", "sample"),
         "search.mbr_samples = 9 needs search.mbr, such as 'chrf'"),
        (("--mbr-samples", "3", "--method", "sample", "--mbr", "bleu", "--nbest", "4"),
         "search.nbest must lie between 1 and search.mbr_samples = 3, not 4"),
        (("--mbr-samples", "1", "--method", "sample", "--mbr", "bleu"),
         "search.mbr_samples must be at least 2, not 1"),
        (("--must", "a", "--must-not", "a"),
         "search.must and must_not: 'a' must appear and must not; leave one out"),
    ],
)  # fmt: skip
def test_what_least_risk_cannot_choose_among_is_refused(
    nmt: Command, flags: tuple[str, ...], message: str
) -> None:
    assert nmt("translate", "run", "test.src", *flags) == (1, "", f"nmt: {message}\n")
