"""A budget of time: read, turned into updates, probed without a trace."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nmt.corpus.batches import Batch, BatchStream, Boundaries, Position
from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import ConfigError
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.training import budget
from nmt.training.budget import (
    MARGIN,
    WARM_UP,
    Speed,
    number_of_probes,
    parse_budget,
    plan_updates,
    probe,
)
from nmt.training.config import TrainingConfig
from nmt.training.update import Totals, Updater

MakeModel = Callable[..., EncoderDecoder]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("90s", 90),
        ("8m", 480),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1m5s", 65),
        ("1h1m1s", 3661),
        ("0h5m", 300),
    ],
)
def test_a_time_is_read_in_seconds(text: str, seconds: int | None) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize(
    "text", ["8", "m", "8 m", "-8m", "8m1h", "1.5h", "8M", "8min", "0s", "0h0m", " ", "8m\n"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"training.budget must be a time such as 90s, 8m or"):
        parse_budget(text)


@pytest.mark.parametrize("seconds", [1, 10, 100, 3600])
@pytest.mark.parametrize("speed", [Speed(0.1, 0.0), Speed(0.05, 2.0), Speed(0.5, 20.0)], ids=str)
def test_the_plan_is_the_most_updates_that_fit(seconds: float, speed: Speed) -> None:
    config = TrainingConfig(validate_every=10)
    updates = plan_updates(seconds, speed, config)

    def time_of(updates: int) -> float:
        return updates * speed.update + (updates / 10 + 2) * speed.validation

    assert updates == 1 or time_of(updates) <= seconds * MARGIN
    assert time_of(updates + 1) > seconds * MARGIN


def test_a_plan_tells_what_it_was_made_from() -> None:
    config = TrainingConfig(budget="8m", max_updates=7312)
    assert Speed(0.0605, 1.25, 114, (0.055, 0.09)).plan(config) == (
        "budget 8m: 60 ms an update (114 timed, half of them in 55 to 90 ms), 1.2 s a validation: "
        "7,312 updates"
    )


@pytest.mark.parametrize(
    ("text", "seconds", "count"),
    [("", 0.1, 20), ("10s", 0.1, 20), ("8m", 0.125, 76), ("8m", 2.0, 20), ("8h", 0.1, 200)],
)
def test_a_long_budget_is_probed_for_longer(text: str, seconds: float, count: int) -> None:
    assert number_of_probes(TrainingConfig(budget=text), seconds) == count


@pytest.mark.parametrize("busy", [9, 29])
def test_a_burst_of_a_neighbour_does_not_change_a_plan(
    make_model: MakeModel,
    compute: Compute,
    toy: Path,
    monkeypatch: pytest.MonkeyPatch,
    busy: int,
) -> None:
    """A clock on which a token takes a millisecond, and five while a neighbour is busy."""
    clock, done = 0.0, 0

    def update(updater: Updater, batches: list[Batch], totals: Totals) -> None:
        nonlocal clock, done
        totals.tokens = sum(batch.tokens for batch in batches)
        clock += totals.tokens * (0.005 if WARM_UP <= done < WARM_UP + busy else 0.001)
        done += 1

    monkeypatch.setattr(Updater, "update", update)
    monkeypatch.setattr("nmt.training.budget.time.monotonic", lambda: clock)
    stream = BatchStream(EncodedCorpus(toy / "corpus"), 128, 1, Boundaries(2, 1, 2))
    config = TrainingConfig(budget="5m")
    speed = probe(make_model(), stream, config, compute, lambda twin: None)
    assert speed.probes == done - WARM_UP > 2 * busy
    batches = (batch for batch, _ in stream.from_position(Position()))
    tokens = [next(batches).tokens for _ in range(done)][WARM_UP:]
    assert speed.update == pytest.approx(0.001 * sum(tokens) / len(tokens))


def test_a_probe_changes_nothing_of_training(
    make_model: MakeModel, compute: Compute, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "PROBES", 2)
    corpus = EncodedCorpus(toy / "corpus")
    stream = BatchStream(corpus, 128, 1, Boundaries(2, 1, 2))
    model = make_model(dropout=0.3)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    random = torch.get_rng_state()
    validated = []
    config = TrainingConfig(accumulate=2)
    speed = probe(model, stream, config, compute, lambda twin: validated.append(twin.training))
    assert speed.update > 0 < speed.validation
    assert validated == [False]
    assert model.training
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert next(stream.from_position(Position()))[1] == Position(0, 1)
