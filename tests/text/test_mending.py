"""Text that is none is read all the same, and that is said."""

import logging
from pathlib import Path

import pytest

from nmt.text.lines import read_lines, without_mark
from nmt.text.mending import Mender

FAULTS = [
    (b"a\xffb", "a\ufffdb", "byte 2 (0xff) is not UTF-8"),
    (b"\xed\xa0\x80", "\ufffd" * 3, "byte 1 (0xed) is not UTF-8"),  # half a character
    (b"a\xc3", "a\ufffd", "byte 2 (0xc3) is not UTF-8"),
    (b"a\r", "a", "a carriage return at character 2"),
    (b"a\rb\r\r", "a b ", "a carriage return at character 2"),
    (b"\xe9\r", "\ufffd", "byte 1 (0xe9) is not UTF-8"),
]


@pytest.mark.parametrize(("raw", "line", "fault"), FAULTS)
def test_what_is_no_text_is_replaced(
    raw: bytes, line: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    mender = Mender()
    assert mender(raw + b"\n", "text", 7) == line
    assert caplog.messages == [f"text, line 7: {fault}; replaced, here and below"]
    assert mender(raw, "text", 8) == line
    assert (mender.mended, len(caplog.messages)) == (2, 1)


@pytest.mark.parametrize("line", ["", "é\0\x85\u2028", "\ufeff\ufffd"])
def test_what_is_text_stays(line: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    mender = Mender()
    assert mender(line.encode() + b"\n", "text", 1) == line
    assert (mender.mended, caplog.messages) == (0, [])


def test_lines_stay_lines(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfa\n\n\xff\nb\xe2\x80\xa8c\r\nd")
    lines = list(without_mark(read_lines(tmp_path / "text", decode=Mender())))
    assert lines == ["a", "", "\ufffd", "b\u2028c", "d"]


def test_a_byte_order_mark_is_dropped_at_the_beginning_alone() -> None:
    assert list(without_mark(["\ufeffa", "\ufeffb"])) == ["a", "\ufeffb"]
    assert list(without_mark(["\ufeff\ufeff"])) == ["\ufeff"]
    assert list(without_mark([])) == []
