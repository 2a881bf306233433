"""A recurrent model by the same commands as any other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.settings import load_table

Command = Callable[..., Any]

TRAIN = ("train", "--config", "toy.toml", "--output", "run")


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    """Work on the toy pair, without the settings that only a Transformer has."""
    toy = here / "toy.toml"
    toy.write_text(toy.read_text().replace("ffn_size = 32\n", ""))


@pytest.mark.parametrize(
    "changes", [(), ("model.cell=gru", "model.feeding=bahdanau", "model.decoder_layers=2")], ids=str
)
def test_a_recurrent_model_learns_translates_and_scores(
    nmt: Command, changes: tuple[str, ...]
) -> None:
    sets = [part for change in changes for part in ("--set", change)]
    longer = ("--max-updates", "60", "--validate-every", "30")
    finished = nmt(*TRAIN, "--arch", "rnn", *longer, *sets)
    assert finished.status == 0, finished.err
    assert load_table("run/config.toml")["model"]["preset"] == "rnn-small"
    assert "recurrent encoder-decoder" in Path("run/best/README.md").read_text()
    losses = [
        line["loss"]
        for line in map(json.loads, Path("run/metrics.jsonl").read_text().splitlines())
        if line["event"] == "train"
    ]
    assert losses[-1] < 0.8 * losses[0]
    assert nmt("translate", "run", "dev.src", "--output", "dev.hyp").status == 0
    scored = nmt("score", "dev.hyp", "--ref", "dev.tgt", "--format", "json").out
    dev = json.loads(Path("run/best/metadata.json").read_text())["dev"]
    final = {each["metric"]: each["value"] for each in json.loads(scored)["scores"]}
    assert final == {name: dev[name]["value"] for name in final}
    assert '"arch": "rnn"' in nmt("show", "run/best", "--format", "json").out


def test_a_recurrent_model_is_fine_tuned(nmt: Command) -> None:
    assert nmt(*TRAIN, "--arch", "rnn").status == 0
    tuned = ("train", "--config", "toy.toml", "--from", "run", "--output", "tuned")
    assert nmt(*tuned).status == 0
    assert load_table("tuned/config.toml")["model"]["arch"] == "rnn"
    refused = nmt(*tuned[:-1], "third", "--set", "model.ffn_dropout=0.5")
    assert (refused.status, "model.ffn_dropout = 0.5 is a setting of " in refused.err) == (1, True)


def test_a_run_without_an_interruption_is_a_run_with_one(
    nmt: Command, contents: Callable[[Path], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nmt.training.loop import Trainer

    whole = (*TRAIN, "--arch", "rnn", "--set", "model.dropout=0.3")
    assert nmt(*whole).status == 0
    Path("run").rename("steady")
    one_update = Trainer._one_update

    def failing(trainer: Trainer, batches: Any) -> None:
        if trainer.progress.update == 3:
            raise KeyboardInterrupt
        one_update(trainer, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_one_update", failing)
        assert nmt(*whole).status != 0
    assert nmt("train", "--resume", "run").status == 0
    assert contents(Path("run")) == contents(Path("steady"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--arch", "rnn", "--encoder-attention", "linear"),
            "attention.encoder.variant = 'linear', but model.arch = 'rnn' has no self-attention; "
            "set it in attention.cross alone",
        ),
        (
            ("--arch", "rnn", "--set", "model.norm=post"),
            "model.norm = 'post' is a setting of model.arch = 'transformer', but model.arch is "
            "'rnn'; leave one of them out",
        ),
        (
            ("--set", "model.cell=gru"),
            "model.cell = 'gru' is a setting of model.arch = 'rnn', but model.arch is "
            "'transformer'; leave one of them out",
        ),
        (
            ("--arch", "rnn", "--preset", "transformer-tiny"),
            "model.arch = 'rnn', but model.preset = 'transformer-tiny' is of model.arch = "
            "'transformer'; choose one of rnn-tiny, rnn-small, rnn-base, rnn-big",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    nmt: Command, options: tuple[str, ...], message: str
) -> None:
    finished = nmt(*TRAIN, *options)
    assert (finished.status, finished.err) == (1, f"nmt: {message}\n")
    assert not Path("run").exists()
