"""Translations, scores, segmenters and corpora say what they are made from, and are made again."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt import provenance
from nmt.files import read_json, sha256, write_sealed
from nmt.native.compiler import lacks_bytes

Command = Callable[..., Any]

TRANSLATE = ("translate", "run", "test.src", "--output", "hyp.tgt", "--quiet")
SCORE = ("score", "hyp.tgt", "--ref", "test.tgt")


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def edit(path: str, old: str, new: str) -> None:
    """Change the first place of a text."""
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def test_a_translation_says_what_it_is_made_from(nmt: Command) -> None:
    assert nmt(*TRANSLATE, "--beam", "3", "--threads", "1", "--format", "tsv").status == 0
    record = provenance.read_record(Path("hyp.tgt.manifest.json"))
    assert record["command"] == "translate"
    assert record["inputs"] == {
        "model": sha256("run/best/model.safetensors"),
        "model.settings": sha256("run/best/config.toml"),
        "model.source": sha256("run/best/source.model"),
        "model.target": sha256("run/best/target.model"),
        "model.shortlist": sha256("run/best/shortlist.safetensors"),
        "text": sha256("test.src"),
    }
    assert record["paths"] == {"model": "run", "text": "test.src"}
    assert record["options"] == {"style": "tsv"}
    assert record["requested"]["search"]["beam"] == 3
    assert record["requested"]["search"]["limit_extra"] == 3  # the model's own
    assert record["requested"]["compute"]["seed"] == 1
    assert record["compute"] == {"device": "cpu", "precision": "fp32", "threads": 1}
    written = {"path": "hyp.tgt", "sha256": sha256("hyp.tgt"), "lines": 9}
    assert record["output"] == written
    assert record["folder"] == os.getcwd()  # noqa: PTH109
    assert record.items() >= provenance.surroundings(1).items()


def test_streams_have_a_record_where_one_is_asked_for(nmt: Command) -> None:
    text = Path("test.src").read_text()
    out = nmt("translate", "run", "--quiet", stdin=text).out
    assert not list(Path().glob("*.manifest.json"))
    assert nmt("translate", "run", "--quiet", "--record", "r.json", stdin=text).out == out
    record = provenance.read_record(Path("r.json"))
    assert record["inputs"]["text"] == sha256("test.src")
    Path("hyp").write_text(out)
    assert record["output"] == {"path": "-", "sha256": sha256("hyp"), "lines": 9}
    score = nmt("score", "--ref", "test.tgt", "--record", "s.json", stdin=out)
    assert score.status == 0
    assert provenance.read_record(Path("s.json"))["inputs"]["hypotheses[0]"] == sha256("hyp")


def test_a_score_says_what_it_is_of_and_which_model_made_that(nmt: Command) -> None:
    nmt(*TRANSLATE)
    assert nmt(*SCORE, "--output", "score.txt", "--metric", "chrf").status == 0
    record = provenance.read_record(Path("score.txt.manifest.json"))
    inputs = {"hypotheses[0]": sha256("hyp.tgt"), "references[0]": sha256("test.tgt")}
    assert record["inputs"] == inputs
    assert record["options"] == {"metrics": ["chrf"]}
    assert record["requested"] == {"score": {"lowercase": False, "tokenize": "13a"}}
    (result,) = record["result"]
    assert result["signature"].startswith("nrefs:1|")
    assert f"{result['value']:.2f}" in Path("score.txt").read_text()
    made_by = record["made_by"]["hypotheses[0]"]
    assert made_by["inputs"]["model"] == sha256("run/best/model.safetensors")


@pytest.mark.parametrize("damage", ["hyp.tgt", "hyp.tgt.manifest.json"])
def test_a_record_that_is_no_longer_true_is_told_of(nmt: Command, damage: str) -> None:
    nmt(*TRANSLATE)
    if damage == "hyp.tgt":
        Path(damage).write_text(Path(damage).read_text() + "\n")
        with Path("test.tgt").open("a") as stream:
            stream.write("\n")
    else:
        edit(damage, '"threads": ', '"threads": 1')
    finished = nmt(*SCORE, "--record", "s.json")
    told = {
        "hyp.tgt": "hyp.tgt has changed since hyp.tgt.manifest.json was written, which says what "
        "made it; its score is not that of the model named there\n",
        "hyp.tgt.manifest.json": "which model made hyp.tgt is not known: hyp.tgt.manifest.json is "
        "damaged or was edited: its checksum is another\n",
    }
    assert (finished.status, finished.err) == (0, told[damage])
    assert provenance.read_record(Path("s.json"))["made_by"] == {}


def test_segmenters_and_corpora_have_records(nmt: Command) -> None:
    learn = ("segment", "learn", "train.src", "train.tgt", "--config", "toy.toml", "--quiet")
    assert nmt(*learn, "--output", "new.model").status == 0
    record = provenance.read_record(Path("new.model.manifest.json"))
    assert (record["command"], record["output"]["sha256"]) == ("segment learn", sha256("new.model"))
    assert record["inputs"] == {"texts[0]": sha256("train.src"), "texts[1]": sha256("train.tgt")}
    assert record["requested"]["segment"]["vocab_size"] == 60
    encode = ("encode", "train.src", "train.tgt", "--model", "new.model", "--output", "new")
    assert nmt(*encode, "--max-pieces", "9").status == 0
    record = provenance.read_record(Path("new/corpus.manifest.json"))
    assert record["output"]["sha256"] == read_json("new/corpus.json")["content"]
    assert record["inputs"]["model"] == sha256("new.model")
    assert record["requested"] == {"encode": {"max_pieces": 9, "source_tag": []}}
    assert nmt("show", "new").status == 0
    for name in ("new.model", "new", "new/corpus.manifest.json"):
        finished = nmt("reproduce", name, "--quiet")
        assert (finished.status, finished.err) == (0, "")
    assert nmt(*encode).status == 0  # over what is there, record and all


@pytest.mark.parametrize(
    "changes",
    [
        ("--beam", "4", "--nbest", "2", "--format", "tsv", "--prefix", "prefix"),
        ("--method", "sample", "--top-p", "0.9", "--seed", "7", "--format", "json"),
        ("--with", "run/last", "--weights", "1,3", "--constraints", "held"),
    ],
    ids=["beam", "sample", "two models"],
)
def test_a_translation_is_made_again(nmt: Command, changes: tuple[str, ...]) -> None:
    Path("prefix").write_text("m\n" + "\n" * 8)
    Path("held").write_text("+m\n" + "\n" * 8)
    assert nmt(*TRANSLATE, *changes).status == 0
    finished = nmt("reproduce", "hyp.tgt", "--quiet")
    assert (finished.status, finished.err) == (0, "")
    assert finished.out.startswith("the same: ")
    assert Path("hyp-reproduced.tgt").read_bytes() == Path("hyp.tgt").read_bytes()
    assert nmt("reproduce", "hyp.tgt.manifest.json", "--output", "x.gz", "--quiet").status == 0
    assert gzip.decompress(Path("x.gz").read_bytes()) == Path("hyp.tgt").read_bytes()


def test_from_another_folder_inputs_are_found_and_threads_are_as_many(
    nmt: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nmt(*TRANSLATE, "--threads", "1")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert nmt("reproduce", "../hyp.tgt", "--quiet").status == 0
    record = provenance.read_record(tmp_path / "hyp-reproduced.tgt.manifest.json")
    assert record["compute"]["threads"] == 1


def test_a_precision_that_was_automatic_is_what_it_came_to(nmt: Command) -> None:
    nmt(*TRANSLATE, "--precision", "auto")
    name = Path("hyp.tgt.manifest.json")
    record = provenance.read_record(name)
    assert record["requested"]["compute"]["precision"] == "auto"
    came_to = record["compute"]["precision"]
    assert came_to == ("fp32" if lacks_bytes() else "int8")
    for precision in ("bf16", came_to):  # as on a machine where it comes to something else
        write_sealed(name, {**record, "compute": {**record["compute"], "precision": precision}})
        nmt("reproduce", "hyp.tgt", "--quiet")
        again = provenance.read_record(Path("hyp-reproduced.tgt.manifest.json"))
        assert again["compute"]["precision"] == precision


def test_what_differs_is_shown_and_the_status_says_so(nmt: Command) -> None:
    nmt(*TRANSLATE)
    record = provenance.read_record(Path("hyp.tgt.manifest.json"))
    first = Path("hyp.tgt").read_text().split("\n")[0]
    edit("hyp.tgt", first, "other words")
    output = {**record["output"], "sha256": sha256("hyp.tgt")}
    write_sealed("hyp.tgt.manifest.json", {**record, "output": output, "torch": "1.0"})
    finished = nmt("reproduce", "hyp.tgt", "--quiet")
    assert finished.status == 1
    lines = finished.out.split("\n")
    assert lines[0].startswith("not the same: 9 lines, ")
    assert lines[1:4] == [
        "1 of 9 lines differ, the first is line 1:",
        "  other words",
        f"  {first}",
    ]
    assert lines[4] == "versions and machine that differ:"
    assert lines[5].split()[:2] == ["torch", "1.0"]
    shown = json.loads(nmt("reproduce", "hyp.tgt", "--quiet", "--format", "json").out)
    assert (shown["same"], shown["lines"]["first"]) == (False, 1)
    Path("hyp.tgt").unlink()
    out = nmt("reproduce", "hyp.tgt.manifest.json", "--quiet").out
    assert "the original is no text, or is no longer there to compare with" in out


def test_a_score_is_made_again_and_what_differs_is_shown(nmt: Command) -> None:
    nmt(*TRANSLATE)
    nmt(*SCORE, "--output", "score.txt", "--html", "page.html", "--by-length", "--confidence")
    Path("page.html").unlink()
    finished = nmt("reproduce", "score.txt", "--quiet")
    assert finished.status == 0
    assert finished.out.startswith("the same: bleu ")
    assert not Path("page.html").exists()
    record = provenance.read_record(Path("score.txt.manifest.json"))
    record["result"][0]["value"] += 1
    write_sealed("score.txt.manifest.json", record)
    finished = nmt("reproduce", "score.txt", "--quiet")
    assert finished.status == 1
    assert "\nbleu hypotheses[0] value: " in finished.out


def test_a_run_is_made_again_at_the_shell(nmt: Command) -> None:
    train = ("train", "--config", "toy.toml", "--quiet", "--output", "made")
    assert nmt(*train).status == 0
    finished = nmt("reproduce", "made/", "--quiet")
    assert (finished.status, finished.err) == (0, "")
    assert finished.out.startswith("the same: ")
    assert "dev chrf " in finished.out
    assert Path("made-reproduced/best").is_dir()
    assert nmt(*train[:-1], "made-2", "--seed", "5").status == 0
    manifest = read_json("made-2/manifest.json")
    write_sealed("made-2/manifest.json", {**manifest, "reproduces": sha256("made/manifest.json")})
    shown = nmt("reproduce", "made", "--output", "made-2", "--quiet")
    assert shown.status == 1
    assert shown.err.startswith("nmt: made-2 was started with other settings or data")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("none", "none does not exist; name a run, a file with a record, or a record"),
        ("test.src", "test.src has no record of what it was made from, such as "
                     "test.src.manifest.json"),
        ("corpus", "corpus has no record of what it was made from, such as corpus.manifest.json"),
        ("odd.json", "odd.json is no record that nmt has written"),
        ("new.json", "new.json: schema 2, but this version reads 1"),
        ("bare.json", "bare.json is damaged: command is None"),
        ("train.json", "train.json is of nmt train, which is not made again"),
        ("page.json", "the record says what its command was to write or run besides: html"),
        ("paths.json", "the record says what its command was to write or run besides: record"),
        ("option.json", "the record has an option that nmt translate lacks: x"),
        ("kind.json", "kind.json is damaged: requested.search is 5"),
        ("part.json", "part.json is damaged: compute is 5"),
        ("hyp.tgt --input x=y", "--input: no input is called 'x'; known: model, text"),
        ("hyp.tgt --input x", "--input needs NAME=PATH, not 'x'"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused_in_one_line(nmt: Command, arguments: str, message: str) -> None:
    nmt(*TRANSLATE)
    record = read_json("hyp.tgt.manifest.json")
    write_sealed("odd.json", {"x": 1})
    write_sealed("new.json", {"schema": 2})
    write_sealed("bare.json", {"schema": 1})
    write_sealed("train.json", {**record, "command": "train"})
    write_sealed("page.json", {**record, "options": {"html": "page"}})
    moved = {"paths": {**record["paths"], "record": "test.src"}}
    write_sealed("paths.json", {**record, **moved})
    write_sealed("option.json", {**record, "options": {"x": 1}})
    write_sealed("kind.json", {**record, "requested": {"search": 5}})
    write_sealed("part.json", {**record, "compute": 5})
    assert nmt("reproduce", *arguments.split()) == (1, "", f"nmt: {message}\n")


def test_records_that_could_not_be_written_are_refused_at_once(nmt: Command) -> None:
    for asked, message in (
        ("hyp.tgt", "--record must be a file of its own, not hyp.tgt"),
        ("-", "--record must be a file of its own, not -"),
        ("none/r.json", "--record: there is no folder none"),
    ):
        assert nmt(*TRANSLATE, "--record", asked) == (1, "", f"nmt: {message}\n")
        assert not Path("hyp.tgt").exists()
