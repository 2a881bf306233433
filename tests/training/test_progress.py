"""What training says: a bar on a terminal, lines elsewhere."""

import io
import logging
import sys

import pytest

from nmt.training.progress import ProgressBar
from nmt.training.update import Totals

VALUES = {"update": 1000, "loss": 2.5, "accuracy": 0.25, "tokens_per_second": 12345.6}
LINE = "update 1,000: loss 2.5000, accuracy 0.2500, 12,346 tokens/s"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Put a terminal in the place of standard error; a fixture's would not last to the test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_lines_are_said_where_there_is_no_terminal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with ProgressBar(10, 0) as bar:
        bar.advance(5, Totals(loss=2.0, tokens=5))
        bar.say(VALUES)
    assert caplog.messages == [LINE]


def test_a_terminal_shows_the_bar_and_is_spared_the_lines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    terminal = open_terminal(monkeypatch)
    with ProgressBar(10, 4) as bar:
        for tokens in (5, 10):
            bar.advance(tokens, Totals(loss=2.0, tokens=5))
        bar.say(VALUES)
    assert "6/10" in terminal.getvalue()
    assert caplog.messages == []


def test_quiet_shows_no_bar(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    terminal = open_terminal(monkeypatch)
    with ProgressBar(10, 0) as bar:
        bar.advance(5, Totals(loss=2.0, tokens=5))
        bar.say(VALUES)
    assert terminal.getvalue() == ""
    assert caplog.messages == []
