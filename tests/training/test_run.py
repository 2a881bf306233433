"""A run folder: checkpoints, links, measurements, and what a kill leaves of them."""

import json
from pathlib import Path

import pytest

from nmt.errors import CheckpointError, DataError
from nmt.files import read_json, sha256, write_json
from nmt.training.run import Run, refuse_changed_settings


@pytest.fixture
def folder(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    run.create()
    return run


def make_checkpoint(run: Run, name: str) -> None:
    with run.new_checkpoint(name) as folder:
        (folder / "file").touch()


def recorded(run: Run) -> list[dict[str, object]]:
    return [json.loads(line) for line in run.metrics.read_text().splitlines()]


def test_checkpoints_are_listed_by_number_not_by_name(folder: Run) -> None:
    for name in ("update-10", "update-9", "update-100", "average"):
        make_checkpoint(folder, name)
    assert folder.updates() == [9, 10, 100]


def test_a_checkpoint_in_the_making_is_not_listed(folder: Run) -> None:
    with folder.new_checkpoint("update-1"):
        assert folder.updates() == []
    assert folder.updates() == [1]


def test_a_checkpoint_that_fails_leaves_the_one_of_that_name(folder: Run) -> None:
    make_checkpoint(folder, "update-1")
    with pytest.raises(ValueError, match="midway"), folder.new_checkpoint("update-1"):
        raise ValueError("midway")
    assert (folder.checkpoint(1) / "file").exists()
    assert [path.name for path in folder.checkpoints.iterdir()] == ["update-1"]


def test_pruning_leaves_what_is_named_and_nothing_half_made(folder: Run) -> None:
    for name in ("update-1", "update-2", "update-3", ".update-3.0123abcd.part"):
        (folder.checkpoints / name / "state").mkdir(parents=True)
    folder.prune({"update-1", "update-3", "update-9"})
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["update-1", "update-3"]


def test_links_are_relative_and_survive_a_move(folder: Run, tmp_path: Path) -> None:
    for update in (1, 2):
        make_checkpoint(folder, f"update-{update}")
        folder.link("best", folder.checkpoint(update))
    moved = folder.folder.rename(tmp_path / "moved")
    assert (moved / "best").resolve() == moved / "checkpoints" / "update-2"


def test_lines_are_recorded_one_after_another(folder: Run) -> None:
    folder.record("train", {"update": 1, "loss": 2.5})
    folder.record("validation", {"update": 1, "bleu": 0.1})
    assert recorded(folder) == [
        {"event": "train", "update": 1, "loss": 2.5},
        {"event": "validation", "update": 1, "bleu": 0.1},
    ]


@pytest.mark.parametrize("cut", [1, 20, 40, -1])
def test_a_line_cut_by_a_kill_is_dropped_and_the_next_stands_alone(folder: Run, cut: int) -> None:
    folder.record("train", {"update": 1, "loss": 2.5})
    whole = folder.metrics.read_text()
    folder.metrics.write_text(
        whole + json.dumps({"event": "train", "update": 2, "loss": 2.25})[:cut]
    )
    folder.forget_after(2)
    assert folder.metrics.read_text() == whole
    folder.record("train", {"update": 2, "loss": 2.25})
    assert [entry["update"] for entry in recorded(folder)] == [1, 2]


def test_what_is_done_again_is_forgotten(folder: Run) -> None:
    for update in (1, 2, 3):
        folder.record("train", {"update": update})
        folder.record("validation", {"update": update})
    folder.record("average", {"update": 3})
    folder.forget_after(3)
    assert [entry["event"] for entry in recorded(folder)] == ["train", "validation"] * 3
    folder.forget_after(2)
    assert {entry["update"] for entry in recorded(folder)} == {1, 2}
    folder.forget_after(0)
    assert recorded(folder) == []


def test_nothing_measured_is_nothing_to_forget(folder: Run) -> None:
    folder.forget_after(1)
    assert not folder.metrics.exists()


def test_a_refusing_disk_is_named(folder: Run) -> None:
    folder.metrics.mkdir()
    with pytest.raises(DataError, match=r"cannot write .*metrics\.jsonl: Is a directory"):
        folder.record("train", {"update": 1})
    (folder.folder / "best").mkdir()
    with pytest.raises(DataError, match=r"cannot write .*best: Is a directory"):
        folder.link("best", folder.checkpoint(1))
    assert sorted(path.name for path in folder.folder.iterdir()) == [
        "best", "checkpoints", "metrics.jsonl",
    ]  # fmt: skip


def test_a_finished_run_says_so_with_its_summary(folder: Run) -> None:
    assert not folder.is_finished()
    summary = {"update": 3, "seconds": 0.5, "value": None}
    folder.finish(summary)
    assert folder.is_finished()
    assert folder.summary() == summary


@pytest.mark.parametrize("content", ["[]", "{}", '{"update": 3, "seconds": "long"}'])
def test_a_summary_that_lacks_something_is_refused(folder: Run, content: str) -> None:
    folder.finished.write_text(content)
    with pytest.raises(CheckpointError, match=r"finished\.json is damaged: "):
        folder.summary()


@pytest.mark.parametrize("content", ["[]", "{}", '{"requested": {}, "inputs": [], "parent": "a"}'])
def test_a_manifest_that_lacks_something_is_refused(folder: Run, content: str) -> None:
    (folder.folder / "manifest.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"manifest\.json is damaged: "):
        folder.manifest()


def test_settings_that_are_not_those_of_the_start_are_refused(folder: Run) -> None:
    path = folder.folder / "config.toml"
    with pytest.raises(CheckpointError, match=r"cannot read .*config\.toml: No such file"):
        refuse_changed_settings(folder.folder, {"settings": ["abc"]})
    path.write_text("")
    refuse_changed_settings(folder.folder, {})  # as the first versions left it
    refuse_changed_settings(folder.folder, {"settings": ["abc", sha256(path)]})
    with pytest.raises(CheckpointError, match=r"config\.toml has changed since .* was started"):
        refuse_changed_settings(folder.folder, {"settings": ["abc"]})


def test_a_log_that_is_damaged_loses_no_whole_line(folder: Run) -> None:
    folder.record("train", {"update": 1})
    line = folder.metrics.read_bytes()
    folder.metrics.write_bytes(line + b"\xff\xfe\n" + b"[" * 10**5 + b"\n" + line)
    folder.forget_after(1)
    assert folder.metrics.read_bytes() == line * 2


def test_a_folder_without_manifest_is_no_run(folder: Run) -> None:
    with pytest.raises(CheckpointError, match=r"run holds no run \(no manifest.json\)"):
        folder.manifest()


def test_settings_that_are_kept_later_are_known(folder: Run) -> None:
    path = folder.folder / "config.toml"
    write_json(folder.folder / "manifest.json", {"settings": ["abc"]})
    folder.keep_settings({"training": {"max_updates": 7}})
    manifest = read_json(folder.folder / "manifest.json")
    assert manifest == {"settings": ["abc", sha256(path)]}
    refuse_changed_settings(folder.folder, manifest)
    write_json(folder.folder / "manifest.json", {})  # as the first versions left it
    folder.keep_settings({})
    assert read_json(folder.folder / "manifest.json") == {}
