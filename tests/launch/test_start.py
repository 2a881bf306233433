"""Starting, resuming and fine-tuning: what is refused, what is planned, what is taken over."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nmt.corpus.config import EncodeConfig
from nmt.corpus.encode import encode_corpus
from nmt.errors import CheckpointError, ConfigError, DataError, NmtError
from nmt.experiment import read_experiment
from nmt.files import read_json, write_sealed
from nmt.launch.development import segmenters_of
from nmt.launch.manifest import make_manifest
from nmt.launch.start import Start, resume, train
from nmt.launch.workbench import Workbench
from nmt.model.directory import WEIGHTS, Segmenters, load_package
from nmt.settings import load_table
from nmt.text.lines import read_lines, read_pairs
from nmt.text.segmenter import Segmenter
from nmt.training.run import Run
from nmt.training.update import held_out_loss
from tests.launch.killing import Contents, Killed, Make

pytestmark = pytest.mark.usefixtures("hasty")

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
    message = "mono is monolingual; training needs a parallel corpus, but for a language model"
    with pytest.raises(DataError, match=message):
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


def test_settings_of_other_stages_train_nothing_again(
    experiment: Make, folder: Path, contents: Contents, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="nmt")
    summary = train(Start(experiment(), folder))
    before = contents(folder)
    path = folder / "manifest.json"
    manifest = read_json(path)
    del manifest["requested"]["training"]["recompute"]  # as of a version that did not know it
    write_sealed(path, manifest)
    changes = ("search.beam=4", "score.lowercase=true", "clean.min_words=2", "segment.seed=3")
    assert train(Start(experiment(*changes), folder, existing="auto")) == summary
    assert "goes on with the settings of search and scores it was started with" in caplog.text
    assert {**contents(folder), "manifest.json": 0} == {**before, "manifest.json": 0}
    with pytest.raises(CheckpointError, match="was started with other settings or data"):
        train(Start(experiment(*changes), folder, existing="resume"))
    train(Start(experiment("training.warmup=2"), folder, existing="auto"))
    assert contents(folder) != before


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
