"""`nmt check resume` at the shell, with processes that are really killed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmt.checks.resuming import Outcome, Trial

Command = Callable[..., Any]
CONFIG = ("train", "--config", "toy.toml", "--output", "run", "--max-updates", "2")


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    """Work on the toy pair."""


@pytest.mark.slow
def test_a_run_is_proved_by_killing_real_processes(
    nmt: Command, contents: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    assert nmt(*CONFIG, "--set", "model.dropout=0.3").status == 0
    before = contents(Path("run"))
    finished = nmt("check", "resume", "run", "--updates", "5")
    assert (finished.status, finished.err) == (0, "")
    straight, *stopped = finished.out.splitlines()
    assert straight.startswith("ok    straight: 5 updates, weights ")
    assert stopped == [
        "ok    TERM after update 2, resumed from update 2",
        "ok    KILL after update 2, resumed from update 1",
    ]
    assert contents(Path("run")) == before


def test_a_difference_is_told_and_is_the_exit_status(
    nmt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcomes(trial: Trial) -> Iterator[Outcome]:
        yield Outcome("straight: 12 updates")
        yield Outcome("KILL after update 6", "update 5: other batches")

    assert nmt(*CONFIG).status == 0
    monkeypatch.setattr(Trial, "outcomes", outcomes)
    assert nmt("check", "resume", "run") == (
        1,
        "ok    straight: 12 updates\nFAIL  KILL after update 6: update 5: other batches\n",
        "",
    )


def test_what_is_no_run_is_one_line(nmt: Command) -> None:
    assert nmt("check", "resume", "corpus") == (
        1, "", "nmt: corpus holds no run (no manifest.json)\n"
    )  # fmt: skip


def test_a_check_that_is_too_short_is_refused(nmt: Command) -> None:
    finished = nmt("check", "resume", "run", "--updates", "2")
    assert finished.status == 2
    assert "2 is not in the range x>=3" in finished.err
