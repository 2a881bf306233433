"""A process measures, is stopped at the limit, and is replaced."""

import os
import signal
from pathlib import Path

import pytest

from nmt.bench.cells import BASELINE, PASS, Cell, Figures, Scale
from nmt.bench.worker import Worker, answer_to, measure_all
from nmt.errors import ConfigError
from nmt.model.compute import ComputeConfig

SLOW = '''
import time
from nmt.attention.multi_head import MultiHeadAttention

class Slow(MultiHeadAttention):
    """Sleep where it is long."""

    def forward(self, query, memory, layout, **kwargs):
        if layout.num_queries > 8:
            time.sleep(60)
        return super().forward(query, memory, layout, **kwargs)
'''
COMPUTE = ComputeConfig(device="cpu", threads=1)
SMALL = Scale(model_size=16, num_heads=2, batch_tokens=24, repeats=1)
SHORT = Scale(**{**vars(SMALL), "limit_seconds": 2.0})


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A mechanism of one's own that sleeps."""
    (tmp_path / "sleeper.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("NMT_TRUST", "sleeper")
    return "sleeper:Slow"


def test_a_cell_is_cut_off_at_the_limit_and_the_rest_goes_on(slow: str) -> None:
    cells = [Cell(PASS, "decoder", n, name) for n in (8, 12, 16) for name in (slow, BASELINE)]
    with Worker(COMPUTE) as worker:
        measured = dict(measure_all(cells, SHORT, worker))
    found = {(cell.length, cell.variant): each for cell, each in measured.items()}
    assert found[8, slow].cut == ""
    assert found[12, slow] == Figures(cut="took longer than 2 s")
    assert found[16, slow] == Figures(cut="a shorter one was cut off")
    assert all(not found[n, BASELINE].cut and found[n, BASELINE].seconds for n in (8, 12, 16))
    assert not worker._process.is_alive()


def test_errors_and_the_end_of_the_process_are_told() -> None:
    with Worker(COMPUTE) as worker:
        assert worker.machine["threads"] == 1
        with pytest.raises(ConfigError, match=r"model\.num_heads = 3 does not divide"):
            worker.measure(
                Cell(PASS, "decoder", 8, BASELINE), Scale(**{**vars(SMALL), "num_heads": 3})
            )
        os.kill(worker._process.pid or 0, signal.SIGKILL)
        worker._process.join()
        cell = Cell(PASS, "decoder", 8, BASELINE)
        assert worker.measure(cell, SMALL).seconds  # another has taken its place
        os.kill(worker._process.pid or 0, signal.SIGSTOP)
        os.kill(worker._process.pid or 0, signal.SIGKILL)
        cut = worker.measure(cell, SMALL).cut
        assert cut in ("", "the system ended the process, as a rule for want of memory")


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"compute\.device must be auto, cpu, cuda or cuda:N"):
        Worker(ComputeConfig(device="tpu"))


def test_want_of_memory_is_a_figure_and_a_fault_keeps_its_traceback() -> None:
    assert answer_to(RuntimeError("not enough memory: you tried")) == Figures(cut="out of memory")
    assert answer_to(MemoryError()) == Figures(cut="out of memory")
    refused = ConfigError("no")
    assert answer_to(refused) is refused
    assert "ValueError: odd" in str(answer_to(ValueError("odd")))
