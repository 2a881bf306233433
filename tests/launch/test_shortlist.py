"""What training learns of its corpus before the first update, and what becomes of it."""

import shutil
from pathlib import Path

import pytest
import torch

from nmt.files import atomic_folder
from nmt.launch.start import Start, resume, train
from nmt.launch.workbench import Workbench
from nmt.model.directory import load_package, save_package
from nmt.model.shortlist import Shortlist
from nmt.training.loop import Trainer
from tests.launch.killing import Contents, Killed, Make, killed

pytestmark = pytest.mark.usefixtures("hasty")


def shortlist_of(folder: Path) -> Shortlist:
    found = load_package(folder).model.shortlist
    assert found is not None
    return found


def same(found: Shortlist, expected: Shortlist) -> bool:
    mine, theirs = found.tensors(), expected.tensors()
    return all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_training_learns_a_shortlist_that_every_checkpoint_holds(
    experiment: Make, folder: Path
) -> None:
    train(Start(experiment(), folder))
    bench = Workbench.prepare(experiment())
    assert bench.model.shortlist is None
    bench.learn_shortlist(experiment())
    assert bench.model.shortlist is not None
    for path in (folder / "checkpoints").iterdir():
        assert same(shortlist_of(path), bench.model.shortlist)


def test_a_moving_average_has_it_too(experiment: Make, folder: Path, trained: Path) -> None:
    train(Start(experiment("training.ema=0.9"), folder))
    assert same(shortlist_of(folder), shortlist_of(trained))


def test_training_learns_none_where_none_is_asked_for(experiment: Make, folder: Path) -> None:
    train(Start(experiment("training.shortlist=false"), folder))
    assert load_package(folder).model.shortlist is None
    assert not list(folder.rglob("shortlist.safetensors"))


def test_a_stopped_run_goes_on_with_its_own(
    experiment: Make, folder: Path, tmp_path: Path, contents: Contents
) -> None:
    train(Start(experiment("search.shortlist=true"), tmp_path / "steady"))
    update = Trainer._one_update
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        calls: list[int] = []

        def four(self: Trainer, *arguments: object) -> object:
            calls.append(1)
            return killed() if len(calls) > 4 else update(self, *arguments)

        patch.setattr(Trainer, "_one_update", four)
        train(Start(experiment("search.shortlist=true"), folder))
    resume(folder)
    assert contents(folder) == contents(tmp_path / "steady")


def small_of(trained: Path) -> Shortlist:
    """Make one that suggests, for some pieces, what the toy's corpus does not."""
    size = load_package(trained).segmenters.source.vocab_size
    pieces = torch.arange(size) % 7 + 50
    return Shortlist(torch.tensor([2, 3]), torch.arange(size + 1), pieces)


def test_a_fine_tuned_model_keeps_what_its_parent_suggested(
    experiment: Make, trained: Path, folder: Path, tmp_path: Path, contents: Contents
) -> None:
    """Its corpus may be small, and know little of what the parent can translate."""
    package = load_package(trained)
    own, package.model.shortlist = package.model.shortlist, small_of(trained)
    with atomic_folder(tmp_path / "parent") as parent:
        save_package(parent, package)
    train(Start(experiment(), folder, parent=tmp_path / "parent"))
    assert own is not None
    expected = own.joined(small_of(trained), package.segmenters.target.vocab_size)
    assert same(shortlist_of(folder), expected)
    assert not same(expected, own)
    assert not same(expected, small_of(trained))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "_validate_and_save", killed)
        train(Start(experiment(), tmp_path / "killed", parent=tmp_path / "parent"))
    resume(tmp_path / "killed")
    assert same(shortlist_of(tmp_path / "killed"), expected)


def test_without_a_parents_shortlist_there_is_none(
    experiment: Make, trained: Path, folder: Path, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    package = load_package(trained)
    package.model.shortlist = None
    with atomic_folder(tmp_path / "parent") as parent:
        save_package(parent, package)
    with caplog.at_level("INFO"):
        train(Start(experiment(), folder, parent=tmp_path / "parent"))
    assert load_package(folder).model.shortlist is None
    assert (
        f"{tmp_path / 'parent'} has no shortlist, so there will be none; nmt shortlist learns "
        "one, from its corpora and these"
    ) in caplog.messages


def test_a_run_of_an_older_version_goes_on_without(experiment: Make, folder: Path) -> None:
    train(Start(experiment("training.shortlist=false"), folder))
    bench = Workbench.prepare(experiment())
    bench.learn_shortlist(experiment())
    bench.restore((folder / "last").resolve())
    assert bench.model.shortlist is None


def test_a_skipped_update_is_written_down_with_it(experiment: Make, folder: Path) -> None:
    from nmt.model.embeddings import Embeddings

    embed, calls = Embeddings.forward, []

    def embedded(self: Embeddings, *args: torch.Tensor) -> torch.Tensor:
        calls.append(self.training)
        bad = self.training and sum(calls) in (3, 4)
        return embed(self, *args) + (torch.nan if bad else 0.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Embeddings, "forward", embedded)
        train(Start(experiment(), folder))
    copied = shutil.copytree(folder / "crash" / "update-2", folder.parent / "copied")
    assert same(shortlist_of(copied), shortlist_of(folder))
