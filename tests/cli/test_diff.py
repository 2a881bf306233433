"""`nmt diff` end to end: it names what differs, all of it and nothing else."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.cli.diff import change
from nmt.corpus.encoded import EncodedCorpus
from nmt.experiment import Experiment
from nmt.files import read_json, sha256, write_json
from nmt.launch.start import Start, train
from nmt.settings import Table, load_table, save_table
from nmt.watch.difference import OTHER_WEIGHTS, difference

Command = Callable[..., Any]
Make = Callable[..., Experiment]
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def shorter(tmp_path_factory: pytest.TempPathFactory, experiment: Make) -> Path:
    """Train a run otherwise than `trained`, on the same data."""
    folder = tmp_path_factory.mktemp("shorter") / "run"
    changes = (
        "training.log_every=10",
        "training.validate_every=15",
        "training.label_smoothing=0.2",
    )
    train(Start(experiment("training.max_updates=30", *changes), folder))
    return folder


def put_settings(settings: Table, run: Path) -> None:
    """Make a run one of other settings."""
    save_table(settings, run / "config.toml")
    edit(run / "manifest.json", settings=[sha256(run / "config.toml")])


def edit(path: Path, **changes: Any) -> None:
    """Change values of a JSON object."""
    write_json(path, {**read_json(path), **changes})


def test_settings_that_differ_are_named_and_no_others(trained: Path, shorter: Path) -> None:
    report = difference(str(trained), str(shorter))
    assert report["settings"] == {
        "training.max_updates": [60, 30],
        "training.label_smoothing": [0.1, 0.2],
    }
    assert (report["data"], report["versions"], report["same"]) == ({}, {}, False)
    assert report["notes"] == []


def test_results_are_those_of_both_best(trained: Path, shorter: Path) -> None:
    results = difference(str(trained), str(shorter))["results"]
    for number, run in enumerate((trained, shorter)):
        finished, metadata = read_json(run / "finished.json"), read_json(run / "best/metadata.json")
        of_run = {name: pair[number] for name, pair in results.items()}
        assert of_run["updates"] == finished["update"]
        assert of_run["target tokens"] == finished["tokens"]
        assert of_run["seconds"] == finished["seconds"]
        assert of_run["best"] == finished["best"]
        assert of_run["chrf"] == finished["value"]
        assert of_run["best update"] == metadata["update"]
        assert {name: of_run[name] for name in metadata["dev"]} == {
            name: score["value"] for name, score in metadata["dev"].items()
        }
        assert of_run["weights"] == sha256(run / "best" / WEIGHTS)
        assert of_run["tokens a second"] > 0


def test_a_run_is_the_same_as_its_copy(nmt: Command, trained: Path, run: Path) -> None:
    finished = nmt("diff", str(trained), str(run))
    lines = finished.out.split("\n")
    assert (finished.status, finished.err) == (0, "")
    assert lines[0] == "the same: data, settings, versions and machine"
    rows = lines[lines.index("") + 2 : -2]
    assert len(rows) >= 10
    assert all(row.endswith("  the same") for row in rows)
    assert "note" not in finished.out


def test_the_same_that_led_to_something_else_is_pointed_out(trained: Path, run: Path) -> None:
    shutil.copy(run / "last" / "state" / "random.safetensors", run / "best" / WEIGHTS)
    assert difference(str(trained), str(run))["notes"] == [OTHER_WEIGHTS]


def test_data_is_told_by_hashes_and_counts(
    trained: Path, run: Path, toy: Path, tmp_path: Path
) -> None:
    corpus = Path(shutil.copytree(toy / "corpus", tmp_path / "corpus"))
    edit(corpus / "corpus.json", lines=7, content="0" * 64, dropped={"empty": 2})
    inputs = read_json(run / "manifest.json")["inputs"]
    edit(run / "manifest.json", inputs=inputs | {"train": "0" * 64})
    settings = load_table(run / "config.toml")
    settings["data"]["train"] = str(corpus)
    put_settings(settings, run)
    report = difference(str(trained), str(run))
    lines = len(EncodedCorpus(toy / "corpus"))
    assert report["data"] == {
        "train": [inputs["train"], "0" * 64],
        "lines": [lines, 7],
        "dropped lines": [0, 2],
    }
    assert report["settings"] == {}
    edit(corpus / "corpus.json", content="1" * 64)  # another corpus now
    assert difference(str(trained), str(run))["data"].keys() == {"train"}


def test_the_parent_of_a_run_is_data(trained: Path, run: Path) -> None:
    inputs = read_json(run / "manifest.json")["inputs"]
    edit(run / "manifest.json", inputs=inputs | {"parent": "0" * 64})
    assert difference(str(trained), str(run))["data"] == {"parent": ["none", "0" * 64]}


def test_where_the_same_data_lay_is_no_difference(trained: Path, run: Path) -> None:
    settings = load_table(run / "config.toml")
    settings["data"] |= {"train": "moved", "dev_source": "moved", "dev_target": "moved"}
    put_settings(settings, run)
    assert difference(str(trained), str(run))["same"]


def test_settings_that_were_not_there_yet_have_their_defaults(trained: Path, run: Path) -> None:
    settings = load_table(run / "config.toml")
    del settings["training"]["ema"]
    put_settings(settings, run)
    assert difference(str(trained), str(run))["settings"] == {}
    settings["training"]["gone"] = 3
    put_settings(settings, run)
    found = difference(str(trained), str(run))["settings"]
    assert found == {"training.ema": [0.0, None], "training.gone": [None, 3]}


def test_versions_and_the_machine_are_compared(trained: Path, run: Path) -> None:
    before = read_json(run / "manifest.json")
    edit(run / "manifest.json", torch="1.0", machine="abacus")
    assert difference(str(trained), str(run))["versions"] == {
        "torch": [before["torch"], "1.0"],
        "machine": [before["machine"], "abacus"],
    }


def damage_score(run: Path) -> None:
    dev = read_json(run / "best" / "metadata.json")["dev"]
    dev["chrf"]["signature"] = "other"
    edit(run / "best" / "metadata.json", dev=dev)


def damage_dev(run: Path) -> None:
    inputs = read_json(run / "manifest.json")["inputs"]
    edit(run / "manifest.json", inputs=inputs | {"dev_target": "0" * 64})


def damage_segmenter(run: Path) -> None:
    segmenters = read_json(run / "best" / "metadata.json")["segmenters"]
    edit(run / "best" / "metadata.json", segmenters=segmenters | {"target": "0" * 64})


@pytest.mark.parametrize(
    ("change_it", "note"),
    [
        (damage_score, "chrf does not compare, its signatures differ: nrefs:1|"),
        (damage_dev, "the development sets differ: no score of one compares with the other's"),
        (damage_segmenter, "loss, perplexity, accuracy do not compare: they are per piece, and"),
    ],
)
def test_what_does_not_compare_is_said(
    nmt: Command, trained: Path, run: Path, change_it: Callable[[Path], None], note: str
) -> None:
    change_it(run)
    (found,) = difference(str(trained), str(run))["notes"]
    assert found.startswith(note)
    assert nmt("diff", str(trained), str(run)).out.endswith(f"\nnote: {found}\n")


def test_a_model_is_compared_as_far_as_it_tells(nmt: Command, trained: Path, shorter: Path) -> None:
    report = difference(str(trained / "best"), str(shorter))
    assert report["kinds"] == ["model", "run"]
    assert report["settings"].keys() >= {"training.max_updates", "training.label_smoothing"}
    assert (report["data"], report["versions"]) == ({}, {})
    assert report["results"]["updates"] == [None, 30]
    assert report["notes"] == ["whether both were scored on the same development set is not known"]
    models = difference(str(trained / "best"), str(trained / "last"))
    assert models["same"]
    assert "updates" not in models["results"]


def test_a_run_that_has_no_checkpoint_yet_can_be_compared(trained: Path, run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    for name in ("finished.json", "metrics.jsonl", "best", "last"):
        (run / name).unlink()
    report = difference(str(trained), str(run))
    assert report["same"]
    assert report["results"]["finished"] == [True, False]
    assert report["results"]["chrf"][1] is None
    assert report["notes"] == []


def test_text_has_a_column_for_each_and_the_change(
    nmt: Command, trained: Path, shorter: Path
) -> None:
    out = nmt("diff", str(trained), str(shorter)).out
    assert "data: the same\n\n" in out
    assert "versions and machine: the same\n\n" in out
    rows = {line.split()[0]: line.split()[1:] for line in out.split("\n") if line[:2] == "  "}
    assert rows["training.max_updates"] == ["60", "30"]
    assert rows["updates"] == ["60", "30", "-30"]
    assert "results" in out


@pytest.mark.parametrize(
    ("name", "pair", "text"),
    [
        ("bleu", (20.5, 21.0), "+0.5000"),
        ("loss", (3.5, 3.25), "-0.2500"),
        ("seconds", (60.0, 3660.0), "+1:00:00"),
        ("updates", (1000, 3000), "+2,000"),
        ("finished", (True, False), "-"),
        ("best", ("update-1", "average"), "-"),
        ("bleu", (None, 3.0), "-"),
        ("best", ("average", "average"), "the same"),
    ],
)
def test_a_change_is_what_the_second_has_more(name: str, pair: tuple[Any, Any], text: str) -> None:
    assert change(name, *pair) == text


def test_json_is_the_whole_report(nmt: Command, trained: Path, shorter: Path) -> None:
    finished = nmt("diff", str(trained), str(shorter), "--format", "json")
    assert json.loads(finished.out) == difference(str(trained), str(shorter))


def test_curves_of_both_are_drawn_into_one_picture(
    nmt: Command, trained: Path, shorter: Path
) -> None:
    pytest.importorskip("matplotlib")
    finished = nmt("diff", str(trained), str(shorter), "--plot", "curves.svg")
    assert (finished.status, finished.err) == (0, "curves.svg\n")
    assert Path("curves.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "none"], "none does not exist; name a model, a run or an encoded corpus"),
        (["{corpus}", "{run}"], "{corpus} is an encoded corpus; name two runs or models to "
                                "compare"),
        (["{run}", "{run}", "--plot", "c.svg"], "--plot needs two runs; both are {run}"),
        (["{run}", "{run}/best", "--plot", "c.svg"],
         "--plot draws the learning curves of a run; {run}/best is a model"),
        (["{run}", "."], ". is neither a model, a run nor an encoded corpus: it holds no "
                         "metadata.json, manifest.json or corpus.json"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_line_and_status_1(
    nmt: Command, trained: Path, toy: Path, arguments: list[str], message: str
) -> None:
    names = {"run": trained, "corpus": toy / "corpus"}
    finished = nmt("diff", *(each.format(**names) for each in arguments))
    assert (finished.status, finished.out) == (1, "")
    assert finished.err == f"nmt: {message.format(**names)}\n"


def test_a_model_without_weights_is_refused(nmt: Command, trained: Path, run: Path) -> None:
    (run / "best" / WEIGHTS).unlink()
    finished = nmt("diff", str(trained), str(run))
    assert finished.err == f"nmt: cannot read {run}/best/{WEIGHTS}: No such file or directory\n"


def test_torch_is_not_imported(trained: Path, shorter: Path) -> None:
    code = (
        "import sys\nfrom nmt.cli.diff import text_lines\n"
        "from nmt.watch.difference import difference\n"
        "list(text_lines(difference(*sys.argv[1:])))\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(trained), str(shorter)], check=True)


def test_help_ends_with_an_example(nmt: Command) -> None:
    assert "Example:\n  nmt diff " in nmt("diff", "--help").out
