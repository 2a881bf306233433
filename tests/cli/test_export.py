"""`nmt export`, and `nmt translate --engine ctranslate2`, end to end."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.files import read_json, sha256, write_sealed

pytest.importorskip("ctranslate2", reason="needs CTranslate2: pip install 'nmt[ctranslate2]'")

Command = Callable[..., Any]
TO = ("--to", "ctranslate2", "--output")
BY = ("--engine", "ctranslate2")


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def test_an_export_that_is_verified_is_told_and_kept(nmt: Command) -> None:
    finished = nmt("export", "run", *TO, "exported", "--verify", "dev.src")
    assert (finished.status, finished.err) == (0, "exported: ctranslate2, float32 weights\n")
    head, row = finished.out.splitlines()
    assert head.split() == [
        "lines",
        "identical",
        "share",
        "largest",
        "difference",
        "of",
        "a",
        "score",
    ]
    assert row.split()[:3] == ["12", "12", "100.00%"]
    assert float(row.split()[3]) < 1e-4
    record = read_json("exported/export.json")
    assert record["to"] == "ctranslate2"
    assert record["model"]["weights"] == sha256(Path("run/best/model.safetensors"))
    others = {path.name for path in Path("exported").iterdir()} - {"export.json"}
    assert record["files"].keys() == others


def test_a_record_leaves_the_precision_of_an_export_to_the_export(nmt: Command) -> None:
    command = ("translate", "run", "test.src", *BY, "--output", "hyp.tgt", "--record", "hyp.json")
    assert nmt(*command).status == 0
    assert read_json("hyp.json")["compute"] == {"device": "cpu", "threads": 1}


def test_an_export_that_is_too_different_is_not_written(
    nmt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nmt.export.grouped import ExportedTranslator

    monkeypatch.setattr(ExportedTranslator, "cuts_alike", lambda _, lines: [False] * len(lines))
    finished = nmt("export", "run", *TO, "exported", "--verify", "dev.src", "--least", "0.5")
    assert finished.status == 1
    assert finished.err == (
        "nmt: only 0 of 12 lines came out the same (0.00%), but --least is 50.00%; the first that "
        "did not is line 1; nothing was written\n"
    )
    assert not Path("exported").exists()


def test_an_export_translates_as_the_model_does_by_its_rules(nmt: Command) -> None:
    nmt("export", "run", *TO, "exported", "--quiet")
    own = nmt("translate", "run", "test.src", "--stop", "ctranslate2").out
    assert nmt("translate", "exported", "test.src", *BY).out == own
    assert nmt("translate", "run", "test.src", *BY).out == own
    assert own.count("\n") == 9
    options = ("--format", "json", "--nbest", "2", "--beam", "3", "--length-alpha", "0.6")
    mine = nmt("translate", "run", "test.src", "--stop", "ctranslate2", *options).out
    theirs = nmt("translate", "exported", "test.src", *BY, *options).out
    best = [
        [json.loads(line)["translations"] for line in out.splitlines()] for out in (mine, theirs)
    ]
    for one_line, other_line in zip(*best, strict=True):
        for one, two in zip(one_line, other_line, strict=True):
            assert one["text"] == two["text"]
            assert one["score"] == pytest.approx(two["score"], abs=1e-4)
            assert one["log_prob"] == pytest.approx(two["log_prob"], abs=1e-3)


def test_an_export_needs_nothing_else(nmt: Command, tmp_path: Path) -> None:
    expected = nmt("translate", "run", "test.src", *BY).out
    nmt("export", "run", *TO, "exported")
    shutil.move("exported", "given")
    shutil.rmtree("run")
    assert nmt("translate", "given", "test.src", *BY).out == expected


def test_a_verification_may_search_otherwise(nmt: Command) -> None:
    for change in ("search.beam=1", "search.length_alpha=0", "search.stop=bound"):
        command = ("export", "run", *TO, change, "--verify", "dev.src", "--set", change)
        assert nmt(*command).status == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--method", "sample"),
            "search.method = 'sample' is not for --engine ctranslate2, which draws other random "
            "numbers; it needs 'beam'",
        ),
        (
            ("--stop", "bound"),
            "search.stop = 'bound' is not for --engine ctranslate2, which has rules of its own; it "
            "needs 'ctranslate2'",
        ),
        (
            ("--no-repeat-ngram", "3"),
            "search.no_repeat_ngram = 3 is not for --engine ctranslate2, which changes the "
            "probabilities of what is left; it needs 0",
        ),
        (
            ("--groups", "2"),
            "search.stop = 'ctranslate2' excludes search.groups = 2, which CTranslate2 does not do "
            "in the same way; it needs 1",
        ),
        (
            ("--precision", "bf16"),
            "compute.precision is not for --engine ctranslate2, where the weights decide: nmt "
            "export --quantization",
        ),
        (
            ("--details", "--format", "json"),
            "--details is not for --engine ctranslate2, which does not tell them",
        ),
        (
            ("--shortlist",),
            "search.shortlist = True is not for --engine ctranslate2, which chooses from all "
            "pieces; it needs False",
        ),
        (
            ("--batch-invariant",),
            "search.batch_invariant = True is not for --engine ctranslate2, which does not promise "
            "it; it needs False",
        ),
        (
            ("--prefix", "test.tgt"),
            "--prefix is not for --engine ctranslate2, which leaves a prefix out of the score",
        ),
    ],
)
def test_what_the_library_does_otherwise_is_refused(
    nmt: Command, options: tuple[str, ...], message: str
) -> None:
    finished = nmt("translate", "run", "test.src", *BY, *options, "--quiet")
    assert finished == (1, "", f"nmt: {message}\n")


def test_what_an_export_is_not_is_said(nmt: Command) -> None:
    nmt("export", "run", *TO, "exported")
    assert nmt("translate", "exported", "test.src").err == (
        "nmt: exported is an export for another program; nmt translate --engine ctranslate2 can "
        "use one in that format\n"
    )
    assert nmt("export", "run", *TO, "exported").err == (
        "nmt: exported exists already; choose another name or remove it\n"
    )
    Path("nothing").touch()
    assert nmt("export", "run", *TO, "new", "--verify", "nothing").err == (
        "nmt: nothing has no lines to verify an export with\n"
    )
    assert not Path("new").exists()
    assert "No such file" in nmt("export", "run", *TO, "new", "--verify", "gone").err
    record = read_json("exported/export.json")
    write_sealed("exported/export.json", {**record, "to": "huggingface"})
    assert nmt("translate", "exported", *BY).err == (
        "nmt: exported is an export to huggingface, not to ctranslate2; export the model again\n"
    )
    write_sealed("exported/export.json", {**record, "format": 9})
    assert nmt("translate", "exported", *BY).err == (
        "nmt: exported/export.json is not of format 1, which this version reads\n"
    )
    write_sealed("exported/export.json", {**record, "files": {"model.bin": "0"}})
    assert nmt("translate", "exported", *BY).err == (
        "nmt: exported/export.json is damaged: it does not name all files\n"
    )
    Path("exported/export.json").write_text("{")
    assert nmt("translate", "exported", *BY).err.startswith(
        "nmt: exported/export.json is not JSON: "
    )


@pytest.mark.parametrize("name", ["model.bin", "source.model", "config.toml", "config.json"])
def test_a_file_that_was_changed_is_refused(nmt: Command, name: str) -> None:
    nmt("export", "run", *TO, "exported")
    path = Path("exported") / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert nmt("translate", "exported", *BY).err == (
        f"nmt: exported/{name} is damaged or was changed (its hash differs from export.json); "
        "export the model again\n"
    )
    path.rename("elsewhere")
    path.symlink_to(Path("elsewhere").resolve())
    assert nmt("translate", "exported", *BY).err == (
        f"nmt: exported/{name} is missing, or no file of this folder\n"
    )


def test_the_lines_of_python_in_the_page_do_what_they_say(
    nmt: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    exec(f"{code}print(texts[0])")
    printed = capsys.readouterr().out
    own = nmt("translate", "run", *BY, "--beam", "5", "--limit-ratio", "2", "--limit-extra", "10",
              stdin="A line.\n")  # fmt: skip
    assert printed == own.out


def test_options_in_the_page_exist() -> None:
    from nmt.cli.export import export
    from nmt.cli.translate import translate

    params = [*export.params, *translate.params]
    known = {name for each in params for name in (*each.opts, *each.secondary_opts)}
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text("utf-8")
    named = set(re.findall(r"--[a-z][a-z-]+", page))
    assert named - known == {"--ref"}  # of nmt score
    assert {"--to", "--output", "--quantization", "--verify", "--least", "--engine"} <= named
