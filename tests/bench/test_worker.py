"""A process measures, is stopped at the limit, and is replaced."""

import multiprocessing
import signal
from collections.abc import Iterator

import pytest

from nmt.bench.cells import BASELINE, PASS, Cell, Figures, Scale
from nmt.bench.worker import Worker, answer_to, measure_all, serve
from nmt.errors import ConfigError
from nmt.model.compute import ComputeConfig

OWN = '''
import os, time
from nmt.attention.multi_head import MultiHeadAttention

class Sleeping(MultiHeadAttention):
    """Sleep where it is long."""

    def forward(self, query, memory, layout, **kwargs):
        if layout.num_queries > 8:
            time.sleep(60)
        return super().forward(query, memory, layout, **kwargs)

class Dying(MultiHeadAttention):
    """End the process, as the system does where memory runs out."""

    def forward(self, query, memory, layout, **kwargs):
        os._exit(1)
'''
SLOW = "own_mechanisms:Sleeping"
SMALL = Scale(model_size=16, num_heads=2, batch_tokens=24, repeats=1, limit_seconds=10.0)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A process that trusts mechanisms which sleep and die."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_mechanisms.py").write_text(OWN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("NMT_TRUST", "own_mechanisms")
        with Worker(ComputeConfig(device="cpu", threads=1)) as started:
            yield started


def test_the_machine_is_described(worker: Worker) -> None:
    assert (worker.machine["threads"], worker.machine["device"]) == (1, "cpu")
    assert worker.machine["precision"] == "float32"


def test_what_cannot_be_built_is_refused(worker: Worker) -> None:
    scale = Scale(**{**vars(SMALL), "num_heads": 3})
    with pytest.raises(ConfigError, match=r"model\.num_heads = 3 does not divide"):
        worker.measure(Cell(PASS, "decoder", 8, BASELINE), scale)
    assert worker.measure(Cell(PASS, "decoder", 8, BASELINE), SMALL).seconds


@pytest.mark.slow
def test_a_cell_is_cut_off_at_the_limit_and_the_rest_goes_on(worker: Worker) -> None:
    cells = [Cell(PASS, "decoder", n, name) for n in (12, 16) for name in (SLOW, BASELINE)]
    measured = dict(measure_all(cells, SMALL, worker))
    found = {(cell.length, cell.variant): each for cell, each in measured.items()}
    assert found[12, SLOW] == Figures(cut="took longer than 10 s")
    assert found[16, SLOW] == Figures(cut="a shorter one was cut off")
    assert all(not found[n, BASELINE].cut and found[n, BASELINE].seconds for n in (12, 16))


def test_a_process_that_dies_is_a_figure(worker: Worker) -> None:
    figures = worker.measure(Cell(PASS, "decoder", 8, "own_mechanisms:Dying"), SMALL)
    assert figures == Figures(cut="the system ended the process, as a rule for want of memory")


def test_a_device_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        serve(theirs, ComputeConfig(device="tpu"))
        assert "compute.device must be auto, cpu, cuda or cuda:N" in str(ours.recv())


def test_want_of_memory_is_a_figure_and_a_fault_keeps_its_traceback() -> None:
    assert answer_to(RuntimeError("not enough memory: you tried")) == Figures(cut="out of memory")
    assert answer_to(MemoryError()) == Figures(cut="out of memory")
    refused = ConfigError("no")
    assert answer_to(refused) is refused
    assert "ValueError: odd" in str(answer_to(ValueError("odd")))
