"""Studies of the toy pair, and steps that leave known results instead of training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.files import write_json
from nmt.settings import load_table
from nmt.study.cells import Cell, Study
from nmt.study.entries import with_baseline
from nmt.study.pace import identity
from nmt.study.running import Steps
from nmt.text.lines import read_lines, write_lines

MakeStudy = Callable[..., Study]
ENTRIES = "multi-head,narrow:model.ffn_size=8,model.dropout=0.0"


@pytest.fixture
def make_study(tmp_path: Path, toy: Path, hasty: None) -> MakeStudy:
    """Make a study of the toy pair in a folder that does not exist yet."""

    def make(entries: str = ENTRIES, baseline: str = "multi-head", **changes: Any) -> Study:
        rows, base = with_baseline([entries], baseline)
        known: dict[str, Any] = {
            "folder": tmp_path / "study",
            "table": load_table(toy / "toy.toml"),
            "test": (str(toy / "test.src"), str(toy / "test.tgt")),
            "baseline_seeds": 1,
        }
        return Study(entries=rows, baseline=base, **(known | changes))

    return make


class Known:
    """Steps that note what they are asked for and leave a known translation and measures.

    Attributes:
        done: Steps and cells, in order.
        wrong: How many lines of a cell's translation are wrong.
    """

    def __init__(self, toy: Path) -> None:
        self.done: list[tuple[str, str]] = []
        self.wrong: dict[str, int] = {}
        self.references = list(read_lines(toy / "test.tgt"))
        self.speeds = {"multi-head": 1000.0, "narrow": 1500.0}

    def steps(self) -> Steps:
        return Steps(self.train, self.evaluate, self.stop, self.pace)

    def stop(self, number: int) -> None:
        self.done.append(("stop", ""))

    def pace(self, cell: Cell, baseline: Cell, turns: int) -> None:
        self.done.append(("pace", cell.name))
        speed = self.speeds[cell.entry.name]
        measures = {"tokens_per_second": 2 * speed, "sentences_per_second": 7.0}
        ratio = speed / self.speeds[baseline.entry.name]
        measures |= {"training_ratio": ratio, "translation_ratio": 1.0, "turns": turns}
        write_json(cell.folder / "pace.json", measures | {"baseline": identity(baseline.folder)})

    def train(self, cell: Cell) -> None:
        self.done.append(("train", cell.name))
        best = cell.run / "best"
        best.mkdir(parents=True, exist_ok=True)
        write_json(best / "metadata.json", {"format": 1, "dev": {"bleu": {"value": 7.0}}})
        write_json(cell.run / "finished.json", {"update": 6, "seconds": 2.0})
        speed = self.speeds[cell.entry.name]
        events = [{"event": "train", "tokens_per_second": speed * part} for part in (0.1, 1.0, 1.1)]
        events.append({"event": "validation", "bleu": 7.0})
        (cell.run / "metrics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
        write_json(cell.folder / "memory.json", {"bytes": 3 * 2**20})

    def evaluate(self, cell: Cell) -> None:
        self.done.append(("evaluate", cell.name))
        wrong = self.wrong.get(cell.name, 0)
        lines = ["xyz" for _ in range(wrong)] + self.references[wrong:]
        write_lines(cell.folder / "test.hyp", lines)
        measures = {"bleu": 100.0 - wrong, "chrf": 50.0 + cell.seed, "parameters": 1234}
        measures |= {"sentences_per_second": 5.0, "entropy_cross": 1.5, "support_cross": 4.0}
        signatures = {"bleu": "signature B", "chrf": "signature C"}
        write_json(
            cell.folder / "evaluation.json", {"measures": measures, "signatures": signatures}
        )


@pytest.fixture
def known(toy: Path) -> Known:
    """Give steps that take no time."""
    return Known(toy)
