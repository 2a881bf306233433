"""What is planned is what a training takes."""

from collections.abc import Callable

import pytest

from nmt.bench.memory import peak_bytes
from nmt.errors import ConfigError, DataError
from nmt.experiment import Experiment
from nmt.launch.workbench import Workbench
from nmt.model.directory import count_parameters
from nmt.plan import probes as module
from nmt.plan.plan import Question, make_plan, prepare_probes
from nmt.training.update import Totals

Make = Callable[..., Experiment]

SHAPES = {
    "transformer": ("model.encoder_layers=2", "model.ffn_size=64"),
    "recomputed": ("model.encoder_layers=2", "model.ffn_size=64", "training.recompute=true"),
    "accumulated": ("training.accumulate=3",),
    "rnn": ("model.arch=rnn",),
    "rnn-additive": ("model.arch=rnn", "attention.cross.variant=additive"),
}


def changes(name: str) -> tuple[str, ...]:
    """Name the changes that make a shape; a recurrent model has no width inside of anything."""
    own = (*SHAPES[name], "model.ffn_size=1024") if name.startswith("rnn") else SHAPES[name]
    return ("model.model_size=32", "data.batch_tokens=600", *own)


def measured_peak(experiment: Experiment) -> int:
    """Train one epoch, and measure the most that it ever had allocated."""
    bench = Workbench.prepare(experiment)
    held, _ = prepare_probes(bench, experiment, 10**9)
    stream, count = bench.stream, experiment.training.accumulate
    batches = [stream.batch(numbers) for numbers in stream.plan(0)]
    updates = [batches[n : n + count] for n in range(0, len(batches), count)]
    most = max(
        peak_bytes(lambda each=each: bench.updater.update(each, Totals()), bench.compute.device)
        for each in updates
    )
    return held.bytes + most


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("most_tokens", [150, 4096], ids=["carried on", "measured"])
def test_the_predicted_peak_is_within_15_per_cent_of_what_is_measured(
    lengthy: Make, name: str, most_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_TOKENS", most_tokens)
    experiment = lengthy(*changes(name))
    report = make_plan(Question(experiment, memory="1G", updates=0))
    assert report["memory"]["peak_bytes"] == pytest.approx(measured_peak(experiment), rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformer", "rnn"])
def test_what_was_fitted_has_room(lengthy: Make, name: str) -> None:
    report = make_plan(Question(lengthy(*changes(name)), memory="6M", fit=True, updates=0))
    fitted = f"data.batch_tokens={report['batch_tokens']}"
    peak = measured_peak(lengthy(*changes(name), fitted))
    assert 0.85 * 6e6 <= peak <= 1.15 * 6e6


def test_the_parts_of_a_plan_agree(lengthy: Make) -> None:
    ema, count = "training.ema=0.99", "training.max_updates=30"
    experiment = lengthy("training.accumulate=2", count, ema)
    report = make_plan(Question(experiment, memory="50M", updates=1))
    model = Workbench.prepare(experiment).model
    memory, data, time = report["memory"], report["data"], report["time"]
    parts = (
        "model_bytes", "optimizer_bytes", "average_bytes", "gradients_bytes", "activations_bytes",
    )  # fmt: skip
    assert memory["peak_bytes"] == sum(memory[part] for part in parts)
    assert memory["available_bytes"] == 50_000_000
    assert memory["gradients_bytes"] == 4 * count_parameters(model) == 4 * report["parameters"]
    assert memory["average_bytes"] == memory["gradients_bytes"]
    assert memory["optimizer_bytes"] >= 2 * memory["gradients_bytes"]  # and counts of steps
    assert memory["model_bytes"] > memory["gradients_bytes"]  # tables of positions
    assert data["pairs"] == 160
    assert report["dropped"] == {"empty": 1}
    assert data["source_tokens"] == data["target_tokens"]
    assert 0 < data["padding"] < 0.5
    assert data["updates_per_epoch"] == (data["batches"] + 1) // 2
    assert time["updates"] == 30
    assert time["epochs"] == pytest.approx(60 / data["batches"])
    assert time["training_seconds"] == pytest.approx(time["update_milliseconds"] * 30 / 1000)
    assert time["epoch_seconds"] * time["epochs"] == pytest.approx(time["training_seconds"])


def test_a_budget_says_how_many_updates_there_are(lengthy: Make) -> None:
    report = make_plan(Question(lengthy("training.budget=90s"), memory="50M", updates=1))
    assert 0 < report["time"]["training_seconds"] <= 90


def test_what_has_no_room_is_told(lengthy: Make, caplog: pytest.LogCaptureFixture) -> None:
    make_plan(Question(lengthy(), memory="100K", updates=0))
    (message,) = caplog.messages
    assert message.startswith("the worst batch takes ")
    assert message.endswith("but there are 100,000; nmt plan --fit finds a data.batch_tokens that "
                            "has room")  # fmt: skip
    with pytest.raises(ConfigError, match="--memory has no room for the longest pair"):
        make_plan(Question(lengthy(), memory="100K", updates=0, fit=True))


def test_settings_that_training_refuses_are_refused(lengthy: Make) -> None:
    with pytest.raises(ConfigError, match=r"data\.train is not set"):
        make_plan(Question(lengthy("data.train=")))
    with pytest.raises(ConfigError, match="the longest pair has"):
        make_plan(Question(lengthy("data.batch_tokens=5")))
    with pytest.raises(DataError, match="holds no encoded corpus"):
        make_plan(Question(lengthy("data.train=nowhere")))
