"""A skipped update seen again: what was first not to be finite, and for which sentences."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.attention.multi_head import MultiHeadAttention
from nmt.attention.variants import VARIANTS
from nmt.checks.finiteness import Watch, bad_rows, tensors_in
from nmt.checks.replay import Scene, compute_again, sentences_to_blame, text_of
from nmt.errors import CheckpointError
from nmt.experiment import Experiment
from nmt.launch.start import Start, train
from nmt.launch.workbench import Workbench
from nmt.model.embeddings import Embeddings
from nmt.model.layers import FeedForward
from nmt.text.segmenter import Segmenter
from nmt.training.update import Updater

Make = Callable[..., Experiment]
MakeCrash = Callable[..., Path]
PATIENT = ("training.max_skipped=99", "training.max_updates=3", "model.dropout=0.2")
NO_DEV = ("data.dev_source=", "data.dev_target=")


class BadGradient(torch.autograd.Function):
    """Change nothing forward, and some sentences to NaN backward."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return states.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return gradient.masked_fill(rows[:, None, None], torch.nan), None


@pytest.fixture
def crash(experiment: Make, tmp_path: Path) -> MakeCrash:
    """Train until an update is skipped, and name its folder."""

    def make(*changes: str) -> Path:
        train(Start(experiment(*PATIENT, *NO_DEV, *changes), tmp_path / "run"))
        return min((tmp_path / "run" / "crash").iterdir())

    return make


def break_embeddings(patch: pytest.MonkeyPatch, side: str, number: int) -> None:
    """Let the embeddings of a side overflow for sentences that hold an id."""
    embed = Embeddings.forward

    def broken(self: Embeddings, ids: Tensor) -> Tensor:
        states = embed(self, ids)
        is_source = int(ids[0, 0]) != 1  # which opens a target
        if is_source != (side == "source"):
            return states
        return states.masked_fill((ids == number).any(-1)[:, None, None], torch.inf)

    patch.setattr(Embeddings, "forward", broken)


def break_feed_forward(patch: pytest.MonkeyPatch, rows: list[int]) -> None:
    """Let the gradient between the two projections be NaN for some sentences of a batch."""

    def broken(self: FeedForward, states: Tensor) -> Tensor:
        bad = torch.zeros(len(states), dtype=torch.bool)
        bad[[row for row in rows if row < len(states)]] = True
        inner = BadGradient.apply(self.inner(states).relu(), bad)  # type: ignore[no-untyped-call]
        return self.outer(inner)  # type: ignore[no-any-return]

    patch.setattr(FeedForward, "forward", broken)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("side", "word"), [("source", "▁kd"), ("target", "▁ss")])
def test_the_first_output_and_its_sentences_are_named(
    crash: MakeCrash,
    monkeypatch: pytest.MonkeyPatch,
    toy: Path,
    precision: str,
    side: str,
    word: str,
) -> None:
    piece = Segmenter.load(toy / "joint.model").id_of(word)
    assert piece is not None
    break_embeddings(monkeypatch, side, piece)
    folder = crash(f"compute.precision={precision}", "training.accumulate=2")
    scene = Scene.load(folder)
    batches = scene.evidence.batches
    finding = compute_again(scene, list(batches))
    assert finding.first == f"the output of {side}_embeddings"
    expected = [
        (number, row)
        for number, batch in enumerate(batches)
        for row, ids in enumerate(getattr(batch, side))
        if piece in ids
    ]
    assert 0 < len(expected) < sum(len(batch.source) for batch in batches)
    assert sentences_to_blame(scene, finding) == expected
    assert finding.rows == [each for each in expected if each[0] == expected[0][0]]
    number, row = expected[0]
    record = json.loads((folder / "crash.json").read_text())
    assert text_of(scene, (number, row)) == record["batches"][number][row]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_first_gradient_is_named_where_all_outputs_are_finite(
    crash: MakeCrash, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    break_feed_forward(monkeypatch, [1])
    scene = Scene.load(crash(f"compute.precision={precision}"))
    finding = compute_again(scene, list(scene.evidence.batches))
    # Backward comes to the last layer first, and from its second projection to the first.
    assert finding.first == "the gradient by the output of decoder.0.feed_forward.inner"
    assert sentences_to_blame(scene, finding) == []  # alone each is in row 0


def test_where_no_sentence_fails_alone_those_of_the_first_output_are_to_blame(
    crash: MakeCrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: FeedForward, states: Tensor) -> Tensor:
        output = self.outer(self.inner(states))
        bad = torch.arange(len(states)) == (2 if len(states) > 2 else -1)
        return output.masked_fill(bad[:, None, None], torch.nan)  # type: ignore[no-any-return]

    monkeypatch.setattr(FeedForward, "forward", broken)
    scene = Scene.load(crash())
    finding = compute_again(scene, list(scene.evidence.batches))
    assert finding.first == "the output of encoder.0.feed_forward"
    assert sentences_to_blame(scene, finding) == [(0, 2)]


def test_a_penalty_is_named_by_its_mechanism(
    crash: MakeCrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    def penalty(self: nn.Module) -> Tensor:
        return next(self.parameters()).sum() * torch.nan

    monkeypatch.setattr(MultiHeadAttention, "penalty", penalty, raising=False)
    scene = Scene.load(crash())
    finding = compute_again(scene, list(scene.evidence.batches))
    assert finding.first == "the penalty of encoder.0.attention"
    assert torch.isfinite(torch.tensor(finding.loss))


def test_a_weight_is_named_before_what_it_spoils(
    crash: MakeCrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_feed_forward(patch, [0])
        scene = Scene.load(crash())
    with torch.no_grad():
        scene.updater.model.get_parameter("decoder.0.feed_forward.inner.bias")[3] = torch.inf
    finding = compute_again(scene, list(scene.evidence.batches))
    assert finding.first == "the weight decoder.0.feed_forward.inner.bias"


def test_what_is_computed_again_is_what_training_would_have_computed(
    crash: MakeCrash, monkeypatch: pytest.MonkeyPatch, experiment: Make, tmp_path: Path
) -> None:
    """The numbers of a healthy update, noted as if it had been skipped."""
    changes = (*PATIENT, *NO_DEV, "training.accumulate=2")
    train(Start(experiment(*changes, "training.log_every=1"), tmp_path / "steady"))
    lines = (tmp_path / "steady" / "metrics.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    with monkeypatch.context() as patch:
        break_feed_forward(patch, [0])
        scene = Scene.load(crash("training.accumulate=2"))
    assert scene.evidence.update == 1
    finding = compute_again(scene, list(scene.evidence.batches))
    assert (finding.first, finding.rows, finding.is_finite) == ("", [], True)
    assert finding.loss == pytest.approx(first["loss"], rel=1e-12)
    assert finding.norm == first["gradient_norm"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_found_where_all_is_well(experiment: Make, variant: str) -> None:
    roles = [role for role in ("encoder", "decoder", "cross") if role in VARIANTS[variant].roles]
    chosen = (f"attention.{role}.variant={variant}" for role in roles)
    settings = experiment("model.encoder_layers=2", "model.decoder_layers=2", *chosen)
    bench = Workbench.prepare(settings)
    updater: Updater = bench.updater
    batch = next(iter(bench.dev_batches))
    with Watch(updater.model.train()) as watch:
        updater.add_gradient(batch, batch.tokens, 1)
    assert (watch.forward, watch.backward, watch.rows) == ("", "", [])


def test_hooks_do_not_stay(experiment: Make) -> None:
    model = Workbench.prepare(experiment()).model
    with Watch(model):
        assert any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(weight._backward_hooks for weight in model.parameters())


def test_tensors_are_found_wherever_a_module_puts_them() -> None:
    @dataclass
    class Output:
        states: Tensor
        others: tuple[Any, ...]

    one, two, three = (torch.tensor(float(number)) for number in range(3))
    assert list(tensors_in([Output(one, (two, None)), "text", three])) == [one, two, three]


def test_rows_that_are_not_finite_are_listed() -> None:
    tensor = torch.zeros(4, 2, 3)
    tensor[1, 0, 2], tensor[3, 1, 1] = torch.inf, torch.nan
    assert bad_rows(tensor) == [1, 3]
    assert bad_rows(torch.tensor(torch.nan)) == []


def test_a_model_that_is_no_skipped_update_is_refused(trained: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no skipped update"):
        Scene.load(trained / "best")
