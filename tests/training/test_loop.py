"""The loop: what is validated, chosen, kept, averaged; when it ends; what a failure leaves."""

import errno
import json
import os
import random
import resource
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.errors import DataError
from nmt.experiment import Experiment
from nmt.launch.start import Start, resume, train
from nmt.launch.workbench import Workbench
from nmt.model.directory import WEIGHTS, load_package
from nmt.model.tensors import load_tensors
from nmt.training import loop
from nmt.training.averaging import average_weights
from nmt.training.loop import LOWER_IS_BETTER, Trainer
from nmt.training.schedule import make_schedule
from nmt.training.update import Updater, held_out_loss

Make = Callable[..., Experiment]
Contents = Callable[[Path], dict[str, Any]]
DROPOUT = "model.dropout=0.3"
NO_AVERAGE = "training.average=0"
NO_DEV = ("data.dev_source=", "data.dev_target=")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def start(experiment: Experiment, folder: Path) -> dict[str, Any]:
    return train(Start(experiment, folder))


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == kind]


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def pointed(folder: Path, name: str) -> str:
    return (folder / name).resolve().name


def measure_in_turn(monkeypatch: pytest.MonkeyPatch, metric: str, values: Iterable[float]) -> None:
    """Let validations, and at the end the average, measure these values instead."""
    turn = iter(values)
    monkeypatch.setattr(Trainer, "_measure", lambda _: {metric: {"value": next(turn)}})


def test_validation_does_not_disturb_training(experiment: Make, tmp_path: Path) -> None:
    weights = []
    for interval in (1, 6):
        folder = tmp_path / str(interval)
        start(experiment(f"training.validate_every={interval}", DROPOUT), folder)
        weights.append((folder / "last" / WEIGHTS).read_bytes())
        weights.append((folder / "last" / "state" / "random.safetensors").read_bytes())
    assert weights[:2] == weights[2:]


def test_a_model_without_development_set_learns_the_same(experiment: Make, tmp_path: Path) -> None:
    start(experiment(DROPOUT, NO_AVERAGE), tmp_path / "with")
    start(experiment(DROPOUT, NO_AVERAGE, *NO_DEV), tmp_path / "without")
    weights = [(tmp_path / name / "last" / WEIGHTS).read_bytes() for name in ("with", "without")]
    assert weights[0] == weights[1]


def test_without_a_development_set_the_last_is_the_best(experiment: Make, folder: Path) -> None:
    summary = start(experiment(*NO_DEV), folder)
    assert pointed(folder, "best") == pointed(folder, "last") == summary["best"] == "update-6"
    assert summary["value"] is None
    assert checkpoints(folder) == ["update-4", "update-6"]
    assert not events(folder, "validation") + events(folder, "average")
    assert load_package(folder).metadata["dev"] == {}


def test_what_a_checkpoint_says_of_itself_is_what_its_weights_score(
    experiment: Make, trained: Path
) -> None:
    bench = Workbench.prepare(experiment())
    for checkpoint in (trained / "checkpoints").iterdir():
        package = load_package(checkpoint)
        losses = held_out_loss(package.model, bench.dev_batches, bench.compute)
        scores = {name: score.value for name, score in bench.score(package.model).items()}
        dev = {name: each["value"] for name, each in package.metadata["dev"].items()}
        assert dev == {**losses, **scores}
        assert len(set(dev.values()) - {0.0}) >= 4


def test_measurements_are_those_of_the_checkpoints(experiment: Make, folder: Path) -> None:
    start(experiment("training.keep=9"), folder)
    for event in events(folder, "validation"):
        path = folder / "checkpoints" / f"update-{event['update']}" / "metadata.json"
        metadata = json.loads(path.read_text())
        dev = {name: score["value"] for name, score in metadata["dev"].items()}
        assert metadata["update"] == event["update"]
        assert dev == {name: event[name] for name in dev}
        assert dev.keys() == {"bleu", "chrf", "loss", "perplexity", "accuracy"}


def test_lines_of_the_log_tell_of_the_updates_since_the_last(
    experiment: Make, tmp_path: Path
) -> None:
    start(experiment("training.log_every=1"), tmp_path / "1")
    start(experiment("training.log_every=3"), tmp_path / "3")
    single, triple = (events(tmp_path / name, "train") for name in ("1", "3"))
    assert [line["update"] for line in triple] == [3, 6]
    norms = [line["gradient_norm"] for line in single]
    assert triple[1]["gradient_norm"] == pytest.approx(sum(norms[3:]) / 3)
    losses = [line["loss"] for line in single]
    assert min(losses[3:]) < triple[1]["loss"] < max(losses[3:]) < triple[0]["loss"]


def test_every_update_uses_and_logs_the_rate_of_its_schedule(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, used = experiment("training.log_every=1", "training.schedule=cosine"), []
    update = Updater.update

    def noting(updater: Updater, *given: Any) -> None:
        used.append({group["lr"] for group in updater.optimizer.param_groups})
        update(updater, *given)

    monkeypatch.setattr(Updater, "update", noting)
    start(config, folder)
    rate = make_schedule(config.training)
    assert used == [{rate(number)} for number in range(1, 7)]
    assert [{line["learning_rate"]} for line in events(folder, "train")] == used


def test_an_update_takes_as_many_batches_as_are_asked_for(experiment: Make, tmp_path: Path) -> None:
    states = {}
    for accumulate, updates in ((1, 6), (3, 2)):
        changes = f"training.accumulate={accumulate}", f"training.max_updates={updates}"
        start(experiment(*changes), tmp_path / str(accumulate))
        path = tmp_path / str(accumulate) / "last" / "state" / "progress.json"
        states[accumulate] = json.loads(path.read_text())
    for name in ("position", "tokens"):
        assert states[1][name] == states[3][name]
    assert (states[1]["update"], states[3]["update"]) == (6, 2)


def test_the_last_update_is_validated_and_kept_wherever_it_falls(
    experiment: Make, folder: Path
) -> None:
    start(experiment("training.max_updates=5", "training.keep=9", "training.average=0"), folder)
    assert [event["update"] for event in events(folder, "validation")] == [2, 4, 5]
    assert checkpoints(folder) == ["update-2", "update-4", "update-5"]
    assert pointed(folder, "last") == "update-5"


def expected_stop(values: list[float], metric: str, patience: int) -> tuple[int, int]:
    """Tell where patience ends and which is the best until then, by looking back each time."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    signed = [sign * value for value in values]
    for end in range(1, len(values) + 1):
        best = signed.index(max(signed[:end]))
        if end - 1 - best >= patience:
            return end, best + 1
    return len(values), signed.index(max(signed)) + 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("metric", ["bleu", "loss"])
def test_patience_ends_training_and_best_is_the_first_of_the_best(
    experiment: Make,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    seed: int,
) -> None:
    values = [float(value) for value in random.Random(seed).choices(range(9), k=8)]
    measure_in_turn(monkeypatch, metric, values)
    changes = ("max_updates=8", "validate_every=1", f"best_metric={metric}", "patience=3")
    summary = start(experiment(*(f"training.{each}" for each in changes), NO_AVERAGE), folder)
    end, best = expected_stop(values, metric, 3)
    assert pointed(folder, "last") == f"update-{end}"
    assert pointed(folder, "best") == summary["best"] == f"update-{best}"
    assert summary["value"] == values[best - 1]


@pytest.mark.parametrize("metric", ["bleu", "chrf", "accuracy", "loss", "perplexity"])
def test_each_metric_is_taken_the_right_way_round(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    measure_in_turn(monkeypatch, metric, [2.0, 1.0, 3.0])
    start(experiment(f"training.best_metric={metric}", NO_AVERAGE), folder)
    lower = metric in ("loss", "perplexity")
    assert pointed(folder, "best") == ("update-4" if lower else "update-6")


def test_the_best_link_always_points_to_the_best_by_the_measurements(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prune, seen = Trainer._prune, []

    def check(trainer: Trainer) -> None:
        prune(trainer)
        best = min(events(folder, "validation"), key=lambda event: event["loss"])
        seen.append((pointed(folder, "best"), f"update-{best['update']}"))

    monkeypatch.setattr(Trainer, "_prune", check)
    changes = ("max_updates=12", "validate_every=1", "best_metric=loss", "learning_rate=0.3")
    start(experiment(*(f"training.{each}" for each in changes)), folder)
    assert len(seen) == 12
    assert [link for link, _ in seen] == [best for _, best in seen]
    assert len({link for link, _ in seen}) > 2


def test_no_more_checkpoints_are_on_disk_than_are_to_be_kept(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_in_turn(monkeypatch, "chrf", [1, 9, 2, 3, 4, 5, 6, 0])
    prune, seen = Trainer._prune, []

    def check(trainer: Trainer) -> None:
        prune(trainer)
        seen.append(set(checkpoints(folder)))

    monkeypatch.setattr(Trainer, "_prune", check)
    start(experiment("training.max_updates=7", "training.validate_every=1"), folder)
    assert seen == [
        {f"update-{update}" for update in (end - 1, end, min(end, 2)) if update}
        for end in range(1, 8)
    ]


@pytest.mark.parametrize("count", [2, 3])
def test_the_average_is_that_of_the_last_checkpoints(
    experiment: Make, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    measure_in_turn(monkeypatch, "chrf", [1, 2, 3, 4])
    start(experiment(f"training.average={count}", "training.keep=3"), folder)
    assert pointed(folder, "best") == "average"
    parts = [folder / "checkpoints" / f"update-{update}" for update in (2, 4, 6)[-count:]]
    loaded = [load_tensors(part / WEIGHTS) for part in parts]
    for name, tensor in load_tensors(folder / "best" / WEIGHTS).items():
        torch.testing.assert_close(tensor, torch.stack([each[name] for each in loaded]).mean(0))
    assert events(folder, "average")[0]["checkpoints"] == count


@pytest.mark.parametrize(
    ("metric", "averaged", "kept"),
    [("chrf", 4.0, True), ("chrf", 3.0, False), ("chrf", 2.0, False),
     ("loss", 0.5, True), ("loss", 1.0, False), ("loss", 2.0, False)],
)  # fmt: skip
def test_an_average_is_the_best_only_if_it_is_better(
    experiment: Make,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    averaged: float,
    kept: bool,
) -> None:
    measure_in_turn(monkeypatch, metric, [2.0, 3.0, 1.0, averaged])
    summary = start(experiment(f"training.best_metric={metric}"), folder)
    best = "update-6" if metric == "loss" else "update-4"
    assert pointed(folder, "best") == summary["best"] == ("average" if kept else best)
    assert summary["value"] == (averaged if kept else {"loss": 1.0, "chrf": 3.0}[metric])
    assert ("average" in checkpoints(folder)) == kept
    assert events(folder, "average")[0][metric] == averaged


@pytest.mark.parametrize("average", [0, 1])
def test_no_average_is_made_where_none_is_asked_for(
    experiment: Make, folder: Path, average: int
) -> None:
    start(experiment(f"training.average={average}"), folder)
    assert events(folder, "average") == []
    assert "average" not in checkpoints(folder)


def test_an_average_of_what_was_measured_is_measured_itself(experiment: Make, folder: Path) -> None:
    start(experiment("training.max_updates=9", "training.keep=3", "training.average=3"), folder)
    bench = Workbench.prepare(experiment())
    parts = [folder / "checkpoints" / f"update-{update}" for update in (6, 8, 9)]
    model = bench.model.eval()
    model.load_state_dict(average_weights(parts), strict=False)
    event = events(folder, "average")[0]
    assert held_out_loss(model, bench.dev_batches, bench.compute)["loss"] == event["loss"]
    assert bench.score(model)["chrf"].value == event["chrf"]


@contextmanager
def file_limit() -> Iterator[Callable[[int], None]]:
    """Let the system refuse to write files beyond a size, as a full disk does.

    It ends inside the test: a log of the tests themselves is a file of this process too.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("size", "refused"), [(8_000, "model.safetensors"), (40_000, "optimizer.safetensors")]
)
def test_a_disk_that_is_full_is_one_clear_error_and_leaves_the_last_checkpoint(
    experiment: Make,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    refused: str,
) -> None:
    prune = Trainer._prune
    expected = pytest.raises(DataError, match=rf"^cannot write .*{refused}: [^\n]*File too large")
    with file_limit() as limit, expected:
        monkeypatch.setattr(Trainer, "_prune", lambda trainer: (prune(trainer), limit(size)))
        start(experiment(), folder)
    assert checkpoints(folder) == [pointed(folder, "last")] == ["update-2"]
    load_package(folder)


@pytest.mark.parametrize("name", ["save_package", "save_state"])
def test_a_run_that_filled_its_disk_goes_on_once_there_is_room(
    experiment: Make,
    tmp_path: Path,
    contents: Contents,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    works, room = getattr(loop, name), iter([True, True])

    def save(*given: object) -> None:
        if not next(room, False):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        works(*given)

    start(experiment(), tmp_path / "steady")
    with monkeypatch.context() as patch:
        patch.setattr(loop, name, save)
        with pytest.raises(DataError, match="update-6: No space left on device"):
            start(experiment(), tmp_path / "run")
    assert pointed(tmp_path / "run", "last") == "update-4"
    resume(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(tmp_path / "steady")
