"""Works by turns, and what switches of training bring."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nmt.bench import switches
from nmt.bench.switches import SWITCHES, measure_switches
from nmt.bench.training import Work as Updates
from nmt.bench.turns import Work, by_turns
from nmt.corpus.batches import Batch
from nmt.experiment import Experiment, read_experiment
from nmt.model.recompute import Recomputing
from nmt.settings import assign
from nmt.training.update import Updater

SMALL = Updates(vocab_size=40, batch_tokens=64, shortest=2, longest=6, updates=2, warm_up=1)
TABLE = {
    "model": {
        "encoder_layers": 1, "decoder_layers": 1, "model_size": 16, "ffn_size": 32, "num_heads": 2,
    },
    "compute": {"precision": "fp32", "threads": 1},
}  # fmt: skip


def test_works_by_turns_see_the_same_and_each_is_first_in_turn() -> None:
    calls: list[tuple[str, int]] = []

    def work(name: str) -> Work:
        def do(number: int) -> float:
            calls.append((name, number))
            return 10.0

        return do

    speed, ratio = by_turns(work("one"), work("two"), 4)
    assert speed > 0 < ratio
    timed = calls[4:]
    assert [name for name, _ in timed] == ["two", "one", "one", "two"] * 2
    assert [number for _, number in timed] == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
def test_a_switch_changes_what_is_trained_as_it_says(switch: switches.Switch) -> None:
    table: dict[str, Any] = {}
    for name, value in switch.settings.items():
        assign(table, name, value)
    assert read_experiment(table) != Experiment()


def test_each_switch_does_the_same_updates_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[int, int]] = []  # which model, how many tokens

    def noted(update: Callable[..., None]) -> Callable[..., None]:
        def note(updater: Updater, batches: list[Batch], totals: object) -> None:
            done.append((id(updater.model), sum(batch.tokens for batch in batches)))
            update(updater, batches, totals)

        return note

    monkeypatch.setattr(Updater, "update", noted(Updater.update))
    threads = torch.get_num_threads()
    found = list(measure_switches(TABLE, SMALL))
    torch.set_num_threads(threads)
    assert [each.name for each in found] == [switch.name for switch in SWITCHES]
    assert all(each.ratio > 0 < each.tokens_per_second for each in found)
    plain = done[1][0]
    tokens = [[count for model, count in done if (model == plain) is own] for own in (True, False)]
    assert tokens[0] == tokens[1]


def test_a_switch_reaches_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Updater] = []
    make_updater = switches.make_updater
    monkeypatch.setattr(
        switches, "make_updater", lambda *given: made.append(make_updater(*given)) or made[-1]
    )
    list(measure_switches(TABLE, SMALL))
    names = ["plain", *(switch.name for switch in SWITCHES)]
    by_name = dict(zip(names, made, strict=True))
    again = [
        module.recompute
        for module in by_name["activations made again"].model.modules()
        if isinstance(module, Recomputing)
    ]
    assert again and all(again)
    assert by_name["scores of a batch whole"].objective.chunk == 0
    assert by_name["a moving average of weights"].moving is not None
