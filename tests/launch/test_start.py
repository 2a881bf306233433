"""Starting, resuming and fine-tuning: what is refused, what is planned, what is taken over."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.corpus.config import EncodeConfig
from nmt.corpus.encode import encode_corpus
from nmt.errors import CheckpointError, ConfigError, DataError, NmtError
from nmt.experiment import Experiment, read_experiment
from nmt.files import read_json, write_json
from nmt.launch import start
from nmt.launch.development import segmenters_of
from nmt.launch.manifest import make_manifest
from nmt.launch.start import Start, resume, train
from nmt.launch.workbench import Workbench
from nmt.model.directory import WEIGHTS, Segmenters, load_package, load_tensors, weights_of
from nmt.settings import load_table, to_table
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.lines import read_lines, read_pairs
from nmt.text.segmenter import Segmenter
from nmt.training.budget import Speed, plan_updates
from nmt.training.loop import Trainer
from nmt.training.run import Run
from nmt.training.update import held_out_loss

pytestmark = pytest.mark.usefixtures("hasty")

Make = Callable[..., Experiment]
Contents = Callable[[Path], dict[str, Any]]


class Killed(BaseException):
    """Stands for a kill inside this process."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new"


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no update take place."""
    monkeypatch.setattr(Trainer, "_one_update", killed)


def killed(*_: object) -> None:
    raise Killed


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory, toy: Path) -> Path:
    """Encode the toy corpus with a segmenter for each side."""
    folder = tmp_path_factory.mktemp("apart")
    config = SegmentConfig(vocab_size=30, byte_fallback=False, normalization="identity")
    texts = [toy / "train.src", toy / "train.tgt"]
    models = [
        learn_segmenter(read_lines(text), folder / f"{text.suffix[1:]}.model", config)
        for text in texts
    ]
    encode_corpus(read_pairs(*texts), models, folder / "corpus", EncodeConfig())
    return folder / "corpus"


def weights(bench: Workbench) -> dict[str, Tensor]:
    return weights_of(bench.model)


# Beginning


def test_what_a_run_records_makes_the_same_run(
    experiment: Make, tmp_path: Path, contents: Contents
) -> None:
    train(Start(experiment("model.preset=transformer-tiny", "model.norm=pre"), tmp_path / "one"))
    again = read_experiment(load_table(tmp_path / "one" / "config.toml"))
    train(Start(again, tmp_path / "two"))
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_the_manifest_names_the_threads_that_are_used(experiment: Make) -> None:
    for threads, named in ((3, 3), (0, torch.get_num_threads())):
        manifest = make_manifest(experiment(f"compute.threads={threads}"), None)
        assert manifest["machine"].endswith(f", {named} threads")


def test_the_seed_alone_tells_two_runs_apart(experiment: Make, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        train(Start(experiment(f"compute.seed={seed}"), tmp_path / name))
    one, same, other = (
        (tmp_path / name / "last" / WEIGHTS).read_bytes() for name in ("one", "same", "other")
    )
    assert one == same != other


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.train="], "data.train is not set: name an encoded corpus (--train FOLDER)"),
        (["data.dev_target="], "data.dev_source and data.dev_target go together; one is not set"),
        (["data.dev_source="], "data.dev_source and data.dev_target go together; one is not set"),
        (
            ["data.dev_source=", "data.dev_target=", "training.patience=1"],
            "training.patience needs a development set",
        ),
        (["training.budget=soon"], "training.budget must be a time such as 90s, 8m or 1h30m"),
        (["score.tokenize=ja-mecab"], "score.tokenize = 'ja-mecab' needs packages"),
        (["data.train=none"], "none holds no encoded corpus (no corpus.json)"),
        (["data.dev_source=none"], "cannot read none: No such file or directory"),
        (["data.dev_source=/"], "cannot read /: Is a directory"),
        (["data.batch_tokens=5"], "data.batch_tokens = 5, but the longest pair has"),
        (["model.max_length=5"], "the longest line of {toy}/corpus has"),
        (["model.num_heads=3"], "model.num_heads = 3 does not divide model.model_size = 16"),
        (["attention.cross.variant=multihead"], "did you mean 'multi-head'?"),
        (["compute.device=cuda:99"], "compute.device = 'cuda:99', but no such GPU"),
        (["compute.threads=-1"], "compute.threads must be 0 or more, not -1"),
    ],
)
def test_what_would_fail_is_refused_before_there_is_a_run(
    experiment: Make, toy: Path, folder: Path, changes: list[str], message: str
) -> None:
    with pytest.raises(NmtError) as refused:
        train(Start(experiment(*changes), folder))
    assert message.format(toy=toy) in str(refused.value)
    assert not list(folder.parent.iterdir())


def test_a_tokenizer_that_is_there_is_not_refused(experiment: Make, folder: Path) -> None:
    train(Start(experiment("score.tokenize=char"), folder))
    signature = load_package(folder).metadata["dev"]["bleu"]["signature"]
    assert "tok:char" in signature


def test_a_development_set_needs_as_many_lines_on_both_sides_and_some(
    experiment: Make, tmp_path: Path, folder: Path
) -> None:
    short, empty = tmp_path / "short", tmp_path / "empty"
    short.write_text("one line\n")
    empty.touch()
    with pytest.raises(DataError, match=r"short has 1 lines but .*dev\.tgt has 12"):
        train(Start(experiment(f"data.dev_source={short}"), folder))
    changes = f"data.dev_source={empty}", f"data.dev_target={empty}"
    with pytest.raises(DataError, match="empty is empty; a development set needs lines"):
        train(Start(experiment(*changes), folder))
    assert not folder.exists()


def test_a_development_set_of_empty_lines_is_measured_all_the_same(
    experiment: Make, tmp_path: Path, folder: Path
) -> None:
    blank = tmp_path / "blank"
    blank.write_text("\n\n")
    train(Start(experiment(f"data.dev_source={blank}", f"data.dev_target={blank}"), folder))
    assert load_package(folder).metadata["dev"]["loss"]["value"] > 0


def test_a_monolingual_corpus_is_refused(experiment: Make, toy: Path, folder: Path) -> None:
    joint = Segmenter.load(toy / "joint.model")
    rows = ((line,) for line in read_lines(toy / "train.src"))
    encode_corpus(rows, [joint], folder / "mono", EncodeConfig())
    with pytest.raises(DataError, match="mono is monolingual; training needs a parallel corpus"):
        train(Start(experiment(f"data.train={folder / 'mono'}"), folder / "run"))


def test_two_segmenters_need_two_matrices(experiment: Make, apart: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"model.tie = 'all' needs one segmenter for both sides"):
        train(Start(experiment(f"data.train={apart}"), folder))
    for tie in ("target", "none"):
        train(Start(experiment(f"data.train={apart}", f"model.tie={tie}"), folder / tie))
        loaded = load_package(folder / tie).segmenters
        assert loaded.source.sha256 != loaded.target.sha256


def test_segmenters_with_one_content_are_one(toy: Path, apart: Path) -> None:
    from nmt.corpus.encoded import EncodedCorpus

    joint: Segmenters = segmenters_of(EncodedCorpus(toy / "corpus"))
    separate = segmenters_of(EncodedCorpus(apart))
    assert joint.source is joint.target
    assert separate.source is not separate.target


def test_the_loss_on_the_development_set_does_not_depend_on_its_batches(
    experiment: Make, trained: Path
) -> None:
    model = load_package(trained).model
    losses = []
    for tokens in (24, 64, 4096):
        bench = Workbench.prepare(experiment(f"data.batch_tokens={tokens}"))
        assert sum(len(batch.source) for batch in bench.dev_batches) == 12
        losses.append(held_out_loss(model, bench.dev_batches, bench.compute))
    assert losses[0] == pytest.approx(losses[2])
    assert losses[1] == pytest.approx(losses[2])


# A folder that exists


def test_a_run_that_exists_is_refused_with_the_ways_out(experiment: Make, run: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"{run} exists; go on with nmt train --resume"):
        train(Start(experiment(), run))


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("existing", ["refuse", "resume", "auto"])
def test_without_a_run_all_ways_begin_one(experiment: Make, folder: Path, existing: str) -> None:
    folder.mkdir()  # an empty folder is nobody's
    with pytest.raises(Killed):
        train(Start(experiment(), folder, existing=existing))
    assert (folder / "manifest.json").is_file()


@pytest.mark.parametrize("existing", ["refuse", "resume", "replace", "auto"])
@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_what_is_no_run_is_never_replaced(
    experiment: Make, folder: Path, existing: str, kind: str
) -> None:
    if kind == "folder":
        folder.mkdir()
        (folder / "thesis.tex").write_text("dear")
    elif kind == "file":
        folder.write_text("dear")
    else:
        folder.symlink_to("nowhere")
    with pytest.raises(NmtError, match=r"new exists and is no run; choose another --output"):
        train(Start(experiment(), folder, existing=existing))
    assert (folder / "thesis.tex").exists() or folder.is_symlink() or folder.is_file()


@pytest.mark.parametrize("existing", ["resume", "auto"])
def test_a_finished_run_of_the_same_settings_is_left_as_it_is(
    experiment: Make, folder: Path, contents: Contents, existing: str
) -> None:
    summary = train(Start(experiment(), folder))
    before = contents(folder)
    assert train(Start(experiment(), folder, existing=existing)) == summary
    assert resume(folder) == summary
    assert contents(folder) == before


@pytest.mark.parametrize("existing", ["resume", "auto"])
def test_an_unfinished_run_of_the_same_settings_goes_on(
    experiment: Make, folder: Path, contents: Contents, existing: str
) -> None:
    train(Start(experiment(), folder))
    before = contents(folder)
    (folder / "finished.json").unlink()
    shutil.rmtree(folder / "checkpoints" / "update-6")
    probe = folder / "probe"
    probe.touch()
    train(Start(experiment(), folder, existing=existing))
    assert probe.exists()  # it is the same folder, not a new one
    probe.unlink()
    assert contents(folder) == before


def test_another_run_is_refused_by_resume_and_replaced_by_auto(
    experiment: Make, tmp_path: Path, contents: Contents
) -> None:
    other = experiment("compute.seed=2")
    train(Start(other, tmp_path / "fresh"))
    train(Start(experiment(), tmp_path / "new"))
    with pytest.raises(CheckpointError, match="new was started with other settings or data"):
        train(Start(other, tmp_path / "new", existing="resume"))
    train(Start(other, tmp_path / "new", existing="auto"))
    assert contents(tmp_path / "new") == contents(tmp_path / "fresh")
    train(Start(experiment(), tmp_path / "new", existing="replace"))
    train(Start(other, tmp_path / "new", existing="replace"))
    assert contents(tmp_path / "new") == contents(tmp_path / "fresh")


def test_other_data_is_another_run(experiment: Make, toy: Path, run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "dev.src"
    moved.write_text((toy / "dev.src").read_text().upper())
    manifest = Run(run).manifest()
    same = make_manifest(experiment(), None)["inputs"]
    other = make_manifest(experiment(f"data.dev_source={moved}"), None)["inputs"]
    assert manifest["inputs"] == same
    assert {name for name in same if same[name] != other[name]} == {"dev_source"}


@pytest.mark.usefixtures("never")
def test_a_run_is_replaced_only_once_the_new_one_can_begin(
    experiment: Make, run: Path, contents: Contents
) -> None:
    before = contents(run)
    with pytest.raises(DataError, match="none holds no encoded corpus"):
        train(Start(experiment("data.train=none"), run, existing="replace"))
    with pytest.raises(ConfigError, match="batch_tokens"):
        train(Start(experiment("data.batch_tokens=3"), run, existing="replace"))
    assert contents(run) == before
    with pytest.raises(Killed):
        train(Start(experiment(), run, existing="replace"))
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints", "config.toml", "manifest.json", "train.log",
    ]  # fmt: skip


# Resuming


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("dev_source", lambda copy: (copy / "dev.src").write_text("other\n" * 12)),
        ("dev_target", lambda copy: (copy / "dev.tgt").write_text("other\n" * 12)),
        ("train", lambda copy: encode_half(copy)),
    ],
)
def test_changed_inputs_are_refused_at_resume_and_accepted_once_put_back(
    experiment: Make,
    toy: Path,
    tmp_path: Path,
    folder: Path,
    name: str,
    change: Callable[[Path], object],
) -> None:
    copy = Path(shutil.copytree(toy, tmp_path / "copy"))
    paths = {"train": "corpus", "dev_source": "dev.src", "dev_target": "dev.tgt"}
    settings = [f"data.{key}={copy / path}" for key, path in paths.items()]
    train(Start(experiment(*settings), folder))
    (folder / "finished.json").unlink()
    change(copy)
    with pytest.raises(CheckpointError, match=rf"data\.{name} has changed since {folder} was"):
        resume(folder)
    shutil.copytree(toy, copy, dirs_exist_ok=True)
    resume(folder)


def encode_half(copy: Path) -> None:
    """Encode the corpus again without every other line."""
    joint = Segmenter.load(copy / "joint.model")
    pairs = list(read_pairs(copy / "train.src", copy / "train.tgt"))[::2]
    encode_corpus(pairs, [joint, joint], copy / "corpus", EncodeConfig())


def test_what_is_no_run_cannot_be_resumed(tmp_path: Path, toy: Path) -> None:
    for path in (tmp_path / "none", toy, toy / "joint.model"):
        with pytest.raises(CheckpointError, match=r"holds no run \(no manifest.json\)"):
            resume(path)


def test_a_damaged_checkpoint_is_refused_by_name(run: Path) -> None:
    (run / "finished.json").unlink()
    path = run / "checkpoints" / "update-60" / "state" / "optimizer.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"optimizer\.safetensors is damaged or incomplete"):
        resume(run)


# Fine-tuning


@pytest.mark.usefixtures("never")
def test_a_fine_tuned_model_begins_as_its_parent(
    experiment: Make, trained: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {}

    def look(bench: Workbench, run: Any, experiment: Experiment, progress: Any) -> dict[str, Any]:
        losses = held_out_loss(bench.model.eval(), bench.dev_batches, bench.compute)
        scores = {name: score.value for name, score in bench.score(bench.model).items()}
        seen.update(weights=weights(bench), measured={**losses, **scores}, experiment=experiment)
        return {}

    monkeypatch.setattr(Workbench, "train", look)
    changes = ("model.dropout=0.5", "compute.seed=9")
    train(Start(experiment(*changes), folder, parent=trained))
    expected = load_package(trained)
    torch.testing.assert_close(
        seen["weights"], load_tensors(trained / "best" / WEIGHTS), rtol=0, atol=0
    )
    dev = {name: score["value"] for name, score in expected.metadata["dev"].items()}
    assert seen["measured"] == dev
    model = to_table(seen["experiment"].model)
    assert model == {**expected.settings["model"], "dropout": 0.5}


def test_fine_tuning_moves_on_from_the_parent_and_leaves_it(
    experiment: Make, trained: Path, folder: Path, contents: Contents
) -> None:
    before = contents(trained)
    gentle = ("training.learning_rate=1e-5", "training.best_metric=loss", "training.average=0")
    train(Start(experiment(*gentle), folder, parent=trained))
    tuned, parent = (load_tensors(path / "best" / WEIGHTS) for path in (folder, trained))
    torch.testing.assert_close(tuned, parent, rtol=0, atol=1e-3)
    assert any(not torch.equal(tuned[name], parent[name]) for name in parent)
    assert contents(trained) == before
    assert Run(folder).manifest()["inputs"].keys() >= {"parent"}


def test_a_fine_tuned_run_killed_before_its_first_checkpoint_begins_from_its_parent_again(
    experiment: Make, run: Path, tmp_path: Path, contents: Contents
) -> None:
    train(Start(experiment(), tmp_path / "steady", parent=run))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "_validate_and_save", killed)
        train(Start(experiment(), tmp_path / "killed", parent=run))
    resume(tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "steady")


@pytest.mark.usefixtures("never")
def test_a_parent_that_has_changed_is_refused_where_it_is_needed_again(
    experiment: Make, run: Path, folder: Path
) -> None:
    with pytest.raises(Killed):
        train(Start(experiment(), folder, parent=run))
    (run / "best").unlink()
    (run / "best").symlink_to("checkpoints/update-45")
    with pytest.raises(CheckpointError, match=rf"{run} has changed since {folder} was started"):
        resume(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.model_size=32", "model.model_size = 32 was asked for, .* which has 16"),
        ("attention.cross.score=cosine", 'cross.score = "cosine" was asked .* has "scaled-dot"; '),
    ],
)
def test_another_shape_than_the_parents_is_refused(
    experiment: Make, trained: Path, folder: Path, change: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(Start(experiment(change), folder, parent=trained))
    assert not folder.exists()


def test_whoever_may_read_a_folder_may_read_its_weights(trained: Path) -> None:
    modes = [(trained / "best" / name).stat().st_mode for name in (WEIGHTS, "config.toml")]
    assert modes[0] == modes[1]


def test_a_parent_with_another_segmenter_is_refused(
    experiment: Make, trained: Path, apart: Path, folder: Path
) -> None:
    with pytest.raises(CheckpointError, match="was trained with another segmenter than"):
        train(Start(experiment(f"data.train={apart}"), folder, parent=trained))
    assert not folder.exists()


def test_a_parent_that_is_no_model_is_refused(experiment: Make, toy: Path, folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no model \(no metadata.json\) and no run"):
        train(Start(experiment(), folder, parent=toy))


# A budget of time


def test_a_budget_is_a_number_of_updates_that_is_recorded(
    experiment: Make, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = Speed(update=3.0, validation=3.0)
    budgeted = experiment("training.budget=60s", "model.dropout=0.3", "training.schedule=linear")
    updates = plan_updates(60, speed, budgeted.training)
    assert 5 < updates < 15
    probe = start.probe
    monkeypatch.setattr("nmt.training.budget.PROBES", 2)
    monkeypatch.setattr(start, "probe", lambda *given: probe(*given) and speed)
    train(Start(budgeted, tmp_path / "budget"))
    recorded = read_experiment(load_table(tmp_path / "budget" / "config.toml"))
    assert recorded.training == dataclasses.replace(budgeted.training, max_updates=updates)
    plain = dataclasses.replace(
        recorded, training=dataclasses.replace(recorded.training, budget="")
    )
    train(Start(plain, tmp_path / "plain"))
    one, two = (contents(tmp_path / name) for name in ("budget", "plain"))
    learnt = {name for name in one if name.endswith((".safetensors", ".jsonl"))}
    assert len(learnt) > 5
    assert {name: one[name] for name in learnt} == {name: two[name] for name in learnt}


def test_a_run_with_a_budget_is_resumed_without_a_probe(
    experiment: Make, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = iter([Speed(10.0, 1.0), Speed(10.0, 1.0)])
    monkeypatch.setattr(start, "probe", lambda *_: next(probes))
    budgeted = experiment("training.budget=90s", "model.dropout=0.3")
    train(Start(budgeted, tmp_path / "steady"))
    for name in ("point_links", "_validate_and_save"):  # after a checkpoint, before one
        shutil.rmtree(tmp_path / "killed", ignore_errors=True)
        probes = iter([Speed(10.0, 1.0)])
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Trainer, name, killed)
            train(Start(budgeted, tmp_path / "killed"))
        resume(tmp_path / "killed")
        assert contents(tmp_path / "killed") == contents(tmp_path / "steady")


def test_the_clock_stops_what_the_plan_did_not_foresee(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "probe", lambda *_: Speed(1e-6, 0.0))
    summary = train(Start(experiment("training.budget=1s", "training.validate_every=9"), folder))
    assert summary["seconds"] > 1
    assert summary["update"] < 900_000
    assert (folder / "last").resolve().name == f"update-{summary['update']}"
    events = list(map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()))
    validated = [event["update"] for event in events if event["event"] == "validation"]
    assert validated[-1] == summary["update"]


def test_a_run_whose_time_was_up_when_it_was_stopped_is_validated_at_resume(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "probe", lambda *_: Speed(1.0, 0.0))
    update = Trainer._one_update

    def stopping(trainer: Trainer, batches: Any) -> None:
        update(trainer, batches)
        trainer._save({})
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "_one_update", stopping)
        train(Start(experiment("training.budget=90s"), folder))
    path = folder / "last" / "state" / "progress.json"
    write_json(path, {**read_json(path), "seconds": 91.0})
    assert resume(folder)["best"] == "update-1"
    assert load_package(folder).metadata["dev"]["chrf"]["value"] >= 0
