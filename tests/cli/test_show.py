"""`nmt show` end to end: what it says is what the library reads."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.cli import show
from nmt.corpus.config import EncodeConfig
from nmt.corpus.encode import encode_corpus
from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import CheckpointError, DataError
from nmt.experiment import read_experiment
from nmt.files import read_json, sha256, write_json
from nmt.settings import Table, assign, load_table, save_table, to_table
from nmt.show import WEIGHTS, describe
from nmt.text.segmenter import Segmenter

Command = Callable[..., Any]


def test_a_model_is_described_as_it_loads(trained: Path) -> None:
    from nmt.model import directory

    package = directory.load_package(trained)
    shown = describe(trained / "best")
    assert shown["kind"] == "model"
    assert shown["parameters"] == directory.count_parameters(package.model)
    assert shown["weights_bytes"] == (trained / "best" / directory.WEIGHTS).stat().st_size
    assert directory.WEIGHTS == WEIGHTS
    assert {
        row["side"]: row["sha256"] for row in shown["segmenters"]
    } == package.segmenters.hashes()
    assert [row["pieces"] for row in shown["segmenters"]] == [
        package.segmenters.source.vocab_size,
        package.segmenters.target.vocab_size,
    ]
    assert {row.pop("metric"): row for row in shown["dev"]} == package.metadata["dev"]
    assert shown["alignment"] is None
    assert shown["update"] == package.metadata["update"]
    assert shown["model"] == package.settings["model"]
    assert shown["attention"] == {
        f"{role}.variant": table["variant"] for role, table in package.settings["attention"].items()
    }


def test_a_corpus_is_described_by_its_record_and_a_sample(toy: Path) -> None:
    corpus, shown = EncodedCorpus(toy / "corpus"), describe(toy / "corpus")
    record = corpus.record
    assert shown["kind"] == "corpus"
    for name in ("lines", "dtype", "content", "dropped"):
        assert shown[name] == getattr(record, name)
    assert {row["side"]: row["vocabulary"] for row in shown["sides"]} == record.vocab_sizes
    assert {row["side"]: row["pieces"] for row in shown["sides"]} == record.pieces
    assert {row["side"]: row["segmenter"] for row in shown["sides"]} == record.segmenters
    assert shown["disk_bytes"] == sum(path.stat().st_size for path in corpus.folder.iterdir())


def test_the_sample_of_a_corpus_is_text_in_the_pieces_of_its_ids(toy: Path) -> None:
    corpus, shown = EncodedCorpus(toy / "corpus"), describe(toy / "corpus")
    segmenter = Segmenter.load(toy / "joint.model")
    assert [row["line"] for row in shown["sample"]][::2] == [1, len(corpus)]
    assert len(shown["sample"]) == 3
    for row in shown["sample"]:
        for side in ("source", "target"):
            assert row[side]["text"] == corpus.line(side, row["line"] - 1)
            ids = corpus.ids[side][row["line"] - 1].tolist()
            assert segmenter.encode(row[side]["text"]) == ids
            assert segmenter.decode(ids) == segmenter.join(row[side]["pieces"])
            assert len(row[side]["pieces"]) == len(ids)


def test_a_corpus_may_be_small_and_have_one_side(toy: Path, tmp_path: Path) -> None:
    segmenter = Segmenter.load(toy / "joint.model")
    encode_corpus([("abd",), ("",)], [segmenter], tmp_path / "mono", EncodeConfig())
    shown = describe(tmp_path / "mono")
    assert [set(row) for row in shown["sample"]] == [{"line", "source"}]
    assert shown["dropped"] == {"empty": 1}


def test_the_settings_of_a_run_are_those_that_the_defaults_lack(trained: Path) -> None:
    shown = describe(trained)
    table: Table = {}
    for name, value in shown["settings"].items():
        assign(table, name, value)
    assert to_table(read_experiment(table)) == load_table(trained / "config.toml")
    defaults = to_table(read_experiment({}))
    for name, value in shown["settings"].items():
        section, key = name.split(".")
        assert defaults[section][key] != value


def test_settings_that_a_preset_brings_are_not_the_users(run: Path) -> None:
    asked = {"model": {"preset": "transformer-base", "dropout": 0.2}}
    save_table(to_table(read_experiment(asked)), run / "config.toml")
    manifest = read_json(run / "manifest.json")
    write_json(run / "manifest.json", manifest | {"settings": [sha256(run / "config.toml")]})
    assert describe(run)["settings"] == {
        "model.preset": "transformer-base",
        "model.dropout": 0.2,
    }


def test_a_run_is_described_by_its_events_and_links(trained: Path) -> None:
    shown, finished = describe(trained), read_json(trained / "finished.json")
    assert (shown["kind"], shown["finished"], shown["max_updates"]) == ("run", True, 60)
    for name in ("update", "seconds", "best", "metric", "value"):
        assert shown[name] == finished[name]
    events = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    told = [
        {"event": event, **row}
        for event, rows in (
            ("train", "logged"), ("validation", "validations"), ("average", "averages"),
        )
        for row in shown[rows]
    ]  # fmt: skip
    assert told == sorted(events, key=lambda event: event["event"] != "train")
    assert set(shown["checkpoints"]) == {path.name for path in (trained / "checkpoints").iterdir()}
    manifest = read_json(trained / "manifest.json")
    assert {name: manifest[name] for name in shown["made_with"]} == shown["made_with"]
    assert shown["inputs"] == manifest["inputs"]


def test_a_run_that_was_killed_says_how_far_it_came(run: Path) -> None:
    before = describe(run)
    (run / "finished.json").unlink()
    with (run / "metrics.jsonl").open("a") as stream:
        stream.write('{"event": "train", "upd')
    after = describe(run)
    assert not after["finished"]
    assert after["seconds"] < before["seconds"]
    same = before.keys() - {"finished", "seconds", "disk_bytes"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_a_run_that_has_just_begun_has_nothing_to_show(run: Path, nmt: Command) -> None:
    shutil.rmtree(run / "checkpoints")
    for name in ("finished.json", "metrics.jsonl", "best", "last"):
        (run / name).unlink()
    shown = describe(run)
    assert (shown["update"], shown["best"], shown["value"]) == (0, None, None)
    assert shown["validations"] == shown["checkpoints"] == []
    out = nmt("show", str(run)).out
    assert "validations: none\n" in out
    assert "learning curves: none\n" in out
    finished = nmt("show", str(run), "--plot", "curves.svg")
    assert (finished.status, finished.out, Path("curves.svg").exists()) == (1, "", False)
    assert finished.err == f"nmt: --plot: nothing has been measured yet in {run}\n"


@pytest.mark.parametrize("name", ["run", "run/best", "corpus"])
def test_json_is_the_whole_report(nmt: Command, trained: Path, toy: Path, name: str) -> None:
    path = str(toy / name if name == "corpus" else trained.parent / name)
    finished = nmt("show", path, "--format", "json")
    assert (finished.status, finished.err) == (0, "")
    assert json.loads(finished.out) == describe(path)


def test_text_holds_the_validations_in_columns(nmt: Command, trained: Path) -> None:
    out = nmt("show", str(trained)).out
    lines = out.split("\n\n")[2].split("\n")
    rows = describe(trained)["validations"]
    assert [line.split()[0] for line in lines[2:]] == [str(row["update"]) for row in rows]
    assert lines[1].split() == ["time" if name == "seconds" else name for name in rows[0]]
    assert len({len(line) for line in lines[1:]}) == 1
    assert all(f" {show.spelled('chrf', row['chrf'])} " in out for row in rows)


def test_text_draws_the_curves_of_loss_and_score(nmt: Command, trained: Path) -> None:
    out, shown = nmt("show", str(trained)).out, describe(trained)
    losses, scores = out.split("learning curves\n")[1].split("\n\n")[:2]
    values = [row["chrf"] for row in shown["validations"]]
    labels = [line.split("│")[0].strip() for line in scores.split("\n") if "│" in line]
    assert [labels[0], labels[-1]] == [
        show.spelled("", each) for each in (max(values), min(values))
    ]
    assert sum(line.count("o") for line in scores.split("\n") if "│" in line) == len(values)
    assert "loss, nats a token: · training  o development" in losses


@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_curves_are_drawn_to_a_file(nmt: Command, trained: Path, form: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    finished = nmt("show", str(trained), "--plot", f"curves.{form}")
    assert (finished.status, finished.err) == (0, f"curves.{form}\n")
    assert finished.out == nmt("show", str(trained)).out
    assert Path(f"curves.{form}").read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("run", "c.pdf", "--plot c.pdf: the name must end in .svg or .png"),
        ("run", "none/c.svg", "cannot write none/c.svg: No such file or directory"),
        ("run/best", "c.svg", "--plot draws the learning curves of a run; {path} is a model"),
        ("corpus", "c.svg", "--plot draws the learning curves of a run; {path} is a corpus"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    nmt: Command, trained: Path, toy: Path, name: str, output: str, message: str
) -> None:
    pytest.importorskip("matplotlib")
    path = str(toy / name if name == "corpus" else trained.parent / name)
    finished = nmt("show", path, "--plot", output)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err == f"nmt: {message.format(path=path)}\n"


def test_without_matplotlib_curves_are_drawn_in_the_terminal(
    nmt: Command, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    finished = nmt("show", str(trained), "--plot", "c.svg")
    assert (finished.status, finished.err) == (
        1,
        "nmt: a picture needs matplotlib: pip install 'nmt[plot]'; without --plot curves are "
        "drawn in the terminal\n",
    )
    assert nmt("show", str(trained)).status == 0


def test_text_shows_settings_as_a_file_has_them(nmt: Command, trained: Path) -> None:
    out = nmt("show", str(trained)).out
    section = out.split("\n\n")[1].split("\n")[1:]
    pairs = [line.split(maxsplit=1) for line in section]
    assert {name: json.loads(value) for name, value in pairs} == describe(trained)["settings"]


def test_text_shows_the_sample_and_shortens_hashes(nmt: Command, toy: Path) -> None:
    shown, out = describe(toy / "corpus"), nmt("show", str(toy / "corpus")).out
    for row in shown["sample"]:
        for side in ("source", "target"):
            assert f"{row['line']} {side}: {row[side]['text']}\n" in out
            assert f" {' '.join(row[side]['pieces'])}\n" in out
    assert shown["content"][:12] in out
    assert shown["content"] not in out
    assert "dropped: none\n" in out


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("seconds", 3725.4, "1:02:05"),
        ("weights_bytes", 15_500_000, "15.5MB"),
        ("lines", 41850, "41,850"),
        ("bleu", 22.5, "22.50"),
        ("loss", 2.18812, "2.188"),
        ("perplexity", 12345.6, "12,346"),
        ("finished", True, "yes"),
        ("value", None, "-"),
    ],
)
def test_values_are_spelled_by_what_they_are(name: str, value: Any, text: str) -> None:
    assert show.spelled(name, value) == text


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("none", "", "none does not exist; name a model, a run or an encoded corpus"),
        (
            "empty",
            "",
            "empty is neither a model, a run nor an encoded corpus: it holds no metadata",
        ),
        ("joint.model", "", "joint.model is neither a model, a run nor an encoded corpus: "),
        ("model", "metadata.json", "model/metadata.json is not JSON: "),
        ("model", "model.safetensors", "model/model.safetensors is damaged or incomplete: "),
        (
            "model",
            "source.model",
            "model/source.model is not the segmenter that this model was trained",
        ),
        ("corpus", "corpus.json", "corpus/corpus.json is not JSON: "),
        ("run", "config.toml", "cannot read settings from run/config.toml: "),
    ],
)
def test_a_refusal_is_one_line_and_status_1(
    nmt: Command, trained: Path, toy: Path, name: str, damage: str, message: str
) -> None:
    Path("empty").mkdir()
    for source in (toy / "corpus", trained, toy / "joint.model"):
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, source.name)
    shutil.copytree(trained / "best", "model")
    if damage:
        Path(name, damage).write_text("half")
    finished = nmt("show", name)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith(f"nmt: {message}")
    assert finished.err.count("\n") == 1


def test_what_does_not_belong_to_a_model_is_refused(trained: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(trained / "best", tmp_path / "model"))
    write_json(model / "metadata.json", {**read_json(model / "metadata.json"), "segmenters": {}})
    with pytest.raises(CheckpointError, match=r"source.model is not the segmenter that this model"):
        describe(model)
    write_json(model / "metadata.json", [])
    with pytest.raises(DataError, match=r"metadata.json is damaged: it must hold a JSON object"):
        describe(model)
    shutil.copy(trained / "best" / "metadata.json", model)
    (model / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=rf"{WEIGHTS} is missing"):
        describe(model)


def test_torch_is_not_imported(trained: Path, toy: Path) -> None:
    code = (
        "import sys\nfrom nmt.cli.show import text_lines\nfrom nmt.show import describe\n"
        "for path in sys.argv[1:]: list(text_lines(describe(path)))\n"
        "assert 'torch' not in sys.modules"
    )
    paths = [trained, trained / "best", toy / "corpus"]
    subprocess.run([sys.executable, "-c", code, *map(str, paths)], check=True)


def test_help_ends_with_an_example(nmt: Command) -> None:
    assert "Example:\n  nmt show " in nmt("show", "--help").out
