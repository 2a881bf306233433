"""Language models at the shell: trained, shown, written with, and given a say in translation."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.settings import load_table

Command = Callable[..., Any]

TRAIN = ("train", "--config", "lm.toml", "--output")


@pytest.fixture
def lm(here: Path, trained_language: Path) -> str:
    """Work beside the toy pair, with a language model that is only read."""
    return str(trained_language)


def test_monolingual_text_becomes_a_model_that_writes(nmt: Command, here: Path) -> None:
    assert nmt("encode", "train.tgt", "--model", "joint.model", "--output", "mono").status == 0
    finished = nmt(*TRAIN, "lm", "--train", "mono", "--attention", "rotary")
    assert finished.status == 0, finished.err
    assert re.search(r"lm/best is .* after 6 updates: dev perplexity [\d.]+\n$", finished.err)
    assert "120 lines, 6 updates" in finished.err
    settings = load_table("lm/config.toml")
    assert settings["model"]["preset"] == "lm-small"
    assert settings["attention"]["decoder"]["variant"] == "rotary"
    card = Path("lm/best/README.md").read_text()
    assert card.startswith("# Language model\n\nA Transformer's decoder by itself, made by nmt ")
    assert ": 1 layers of width 16, " in card
    assert "nmt generate" in card
    assert "* perplexity: " in card
    report = json.loads(nmt("show", "lm/best", "--format", "json").out)
    assert [each["metric"] for each in report["dev"]] == ["loss", "perplexity", "accuracy"]
    assert nmt("show", "lm").status == 0
    assert nmt("generate", "lm", "--count", "3").out.count("\n") == 3


def test_a_line_comes_out_for_each_prompt_and_each_sample(nmt: Command, lm: str) -> None:
    Path("prompts").write_text("m\n\nmn op\n")
    alone = nmt("generate", lm, "prompts").out.split("\n")[:-1]
    assert len(alone) == 3
    assert alone[0].startswith("m")
    assert alone[2].startswith("mn op")
    assert nmt("generate", lm, stdin="m\n\nmn op\n").out.split("\n")[:-1] == alone
    nmt("generate", lm, "prompts", "--output", "out.txt")
    assert Path("out.txt").read_text().split("\n")[:-1] == alone
    more = nmt("generate", lm, "prompts", "--nbest", "3").out.split("\n")[:-1]
    assert more[::3] == alone
    table = nmt("generate", lm, "prompts", "--nbest", "3", "--format", "tsv").out
    rows = [line.split("\t") for line in table.split("\n")[:-1]]
    assert [row[2] for row in rows] == more
    assert [row[0] for row in rows] == ["1"] * 3 + ["2"] * 3 + ["3"] * 3
    objects = nmt("generate", lm, "prompts", "--nbest", "3", "--format", "json").out
    records = list(map(json.loads, objects.split("\n")[:-1]))
    assert [each["prompt"] for each in records] == ["m", "", "mn op"]
    assert [each["text"] for record in records for each in record["texts"]] == more
    assert all(each["log_prob"] < 0 for record in records for each in record["texts"])


def test_without_prompts_as_many_texts_come_as_are_asked_for(nmt: Command, lm: str) -> None:
    texts = nmt("generate", lm, "--count", "5").out
    assert texts == nmt("generate", lm, stdin="\n" * 5).out
    assert texts == nmt("generate", lm, "--count", "5", "--seed", "1").out
    assert texts != nmt("generate", lm, "--count", "5", "--seed", "2").out
    assert texts != nmt("generate", lm, "--count", "5", "--temperature", "3").out
    assert nmt("generate", lm, stdin="").out == ""


def test_beam_search_writes_the_likeliest(nmt: Command, lm: str) -> None:
    beam = ("generate", lm, "--count", "2", "--method", "beam", "--format", "json")
    first, second = (
        json.loads(line)["texts"] for line in nmt(*beam, "--nbest", "2").out.split("\n")[:-1]
    )
    assert first == second
    assert first[0]["score"] >= first[1]["score"]
    assert nmt(*beam, "--beam", "1").status == 0
    short = json.loads(nmt(*beam, "--limit-pieces", "1").out.split("\n")[0])["texts"]
    assert short[0]["text"] == ""


def test_it_has_a_say_in_translation(nmt: Command, run: Path, lm: str) -> None:
    translate = ("translate", "run", "test.src", "--format", "json")
    plain = nmt(*translate).out
    assert nmt(*translate, "--lm", lm, "--lm-weight", "0").out == plain
    heard = nmt(*translate, "--lm", lm)
    assert (heard.status, heard.out != plain) == (0, True)
    weighty = ("--lm", lm, "--lm-weight", "0.2")
    assert nmt(*translate, *weighty).out == heard.out
    sampled = ("--method", "sample", "--nbest", "2", "--top-p", "0.9")
    assert nmt("translate", "run", "test.src", *weighty, *sampled).out.count("\n") == 18


def test_what_cannot_be_is_refused_in_one_line(nmt: Command, run: Path, lm: str) -> None:
    Path("other.model").write_bytes(b"")
    assert nmt(
        "segment", "learn", "train.src", "--set", "segment.vocab_size=36",
        "--set", "segment.byte_fallback=false", "--output", "other.model",
    ).status == 0  # fmt: skip
    nmt("encode", "train.src", "--model", "other.model", "--output", "mono")
    assert nmt(*TRAIN, "other", "--train", "mono", "--dev-target", "dev.src").status == 0
    for arguments, message in (
        (("translate", lm, "test.src"), f"{lm} is a language model, which has no source; name"),
        (("generate", "run", "--count", "1"), "run is a model that translates; name a language"),
        (("translate", "run", "test.src", "--lm", "run"), "run is a model that translates; name a"),
        (("translate", "run", "test.src", "--lm", "none"), "none does not exist; a MODEL is a"),
        (
            ("translate", "run", "test.src", "--lm", "other"),
            "--lm other was trained with another segmenter (",
        ),
        (
            ("translate", "run", "test.src", "--lm", lm, "--lm-weight", "-1"),
            "--lm-weight must be at least 0, not -1.0",
        ),
        (
            ("translate", "run", "test.src", "--lm-weight", "0.3"),
            "--lm-weight needs a language model: --lm MODEL",
        ),
        (("generate", lm, "--top-k", "3", "--method", "beam"), "search.top_k = 3 needs search"),
        (("generate", lm, "--limit-pieces", "0"), "search.limit_pieces must be at least 1, not 0"),
        (("generate", lm, "none"), "cannot read none: No such file or directory"),
        (
            ("generate", lm, "--set", "search.limit_ratio=3.0"),
            "search.limit_ratio = 3.0, but model.arch = 'lm' has no source; leave it out, and",
        ),
        ((*TRAIN, "x", "--cross-attention", "additive"), "attention.cross.variant = 'additive', b"),
        ((*TRAIN, "x", "--dev-source", "dev.src"), "data.dev_source = 'dev.src', but model.arch"),
        (
            ("train", "--config", "toy.toml", "--arch", "lm", "--output", "x"),
            "model.encoder_layers",
        ),
        (
            ("train", "--config", "toy.toml", "--train", "mono", "--output", "x"),
            "mono is monolingual; training needs a parallel corpus, but for a language model (--a",
        ),
    ):
        finished = nmt(*arguments)
        assert (finished.status, finished.out) == (1, ""), arguments
        lines = [line for line in finished.err.split("\n") if line.startswith("nmt: ")]
        assert len(lines) == 1, finished.err
        assert lines[0].startswith(f"nmt: {message}"), arguments
    assert nmt("generate", lm, "prompts", "--count", "3").status == 2


def test_it_is_planned_checked_explained_averaged_and_fine_tuned(nmt: Command, lm: str) -> None:
    report = json.loads(nmt("plan", "--config", "lm.toml", "--format", "json").out)
    assert report["data"]["pairs"] == 120
    assert report["data"]["source_tokens"] == 0 < report["data"]["target_tokens"]
    assert 0 <= report["data"]["padding"] < 0.3
    checked = nmt("config", "check", "--config", "lm.toml", "--max-updates", "60",
                  "--validate-every", "10", "--set", "training.average=0")  # fmt: skip
    assert (checked.status, checked.out) == (0, ""), checked.out
    smooth = nmt("config", "check", "--config", "lm.toml", "--set", "training.label_smoothing=0.1")
    assert "which raises it; set training.label_smoothing = 0\n" in smooth.out
    blind = nmt("config", "check", "--config", "lm.toml", "--set", "data.dev_target=")
    assert "are averaged; name a development set: --dev-target FILE\n" in blind.out
    told = nmt("config", "explain", "--config", "lm.toml", "training.best_metric", "model.tie")
    assert 'training.best_metric = "perplexity"  (arch lm; default "bleu")' in told.out
    assert 'model.tie = "target"  (preset lm-small; default "all")' in told.out
    assert nmt("average", lm, "--last", "2", "--output", "average").status == 0
    assert nmt("generate", "average", "--count", "1").status == 0
    tuned = nmt("train", "--from", lm, "--train", "corpus", "--dev-target", "dev.tgt",
                "--max-updates", "2", "--output", "tuned")  # fmt: skip
    assert tuned.status == 0, tuned.err
    assert load_table("tuned/config.toml")["model"]["arch"] == "lm"


@pytest.mark.slow
def test_a_run_resumes_exactly_when_it_is_tried_out(nmt: Command, lm: str) -> None:
    finished = nmt("check", "resume", lm)
    assert finished.status == 0, finished.out
