"""Messages about lines: each once, and not too many."""

import logging

import pytest

from nmt.text.notices import Notices


def test_a_line_is_told_about_once_and_not_all_are(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    notices = Notices(most=2)
    for number in (3, 3, 5, 7, 8, 3):
        notices.tell("odd", number, "is odd")
    notices.tell("even", 3, "is even")
    assert caplog.messages == [
        "line 3 is odd", "line 5 is odd", "more lines are like this; -v names all",
        "line 3 is even",
    ]  # fmt: skip


def test_with_v_all_are_told_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    notices = Notices(most=1)
    for number in (3, 4, 4, 5):
        notices.tell("odd", number, "is odd")
    assert caplog.messages == [f"line {number} is odd" for number in (3, 4, 5)]
