"""Lines are handed on as they come, in order, and so is what ends them."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from nmt.errors import DataError
from nmt.text import arrival
from nmt.text.arrival import arriving


@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 3, 10])
def test_lines_come_in_order_and_never_too_many(count: int, most: int) -> None:
    lines = ["" if number % 4 == 2 else str(number) for number in range(count)]
    groups = list(arriving(iter(lines), most))
    assert [line for group in groups for line in group] == lines
    assert all(0 < len(group) <= most for group in groups)


def test_pairs_come_as_lines_do() -> None:
    pairs = [("a", "b"), ("", ""), ("c", "")]
    assert [pair for group in arriving(iter(pairs), 2) for pair in group] == pairs


def test_what_is_there_at_once_is_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "PAUSE_SECONDS", 10.0)
    assert list(arriving(iter("abcdefg"), 3)) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


def test_a_line_is_handed_on_before_the_next_is_there() -> None:
    answered = threading.Event()

    def lines() -> Iterator[str]:
        yield "first"
        assert answered.wait(10), "the first line was held back"
        yield "second"

    groups = arriving(lines(), 100)
    assert next(groups) == ["first"]
    answered.set()
    assert next(groups) == ["second"]
    assert list(groups) == []


@pytest.mark.parametrize(
    "error", [DataError("line 3 is bad"), OSError(5, "broken"), ValueError("a fault of ours")]
)
def test_an_error_comes_after_the_lines_before_it(error: Exception) -> None:
    def lines() -> Iterator[str]:
        yield from ["one", "two"]
        raise error

    came = []
    with pytest.raises(type(error)) as caught:
        for group in arriving(lines(), 100):
            came += group
    assert came == ["one", "two"]
    assert caught.value is error


def test_a_program_may_end_while_a_line_is_awaited() -> None:
    code = (
        "import sys\nfrom nmt.text.arrival import arriving\nfrom nmt.text.lines import read_lines\n"
        "print(next(arriving(read_lines('-'), 9)), flush=True)\nsys.exit(3)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"a line\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"['a line']\n"
        began = time.monotonic()
        assert process.wait(10) == 3
        assert process.stderr.read() == b""
        assert time.monotonic() - began < 5
