"""A budget of time: read, turned into updates, probed without a trace."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nmt.corpus.batches import BatchStream, Boundaries, Position
from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import ConfigError
from nmt.model.compute import Compute
from nmt.model.contract import EncoderDecoder
from nmt.training import budget
from nmt.training.budget import MARGIN, Speed, parse_budget, plan_updates, probe
from nmt.training.config import TrainingConfig

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
