"""The command that checks a mechanism, on named ones and on classes that break a promise."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nmt.cli.attention_check import check
from nmt.errors import ConfigError

OWN = '''
"""Attention by the mean of what a decoder has seen, right and wrong."""

import torch
from nmt.attention.multi_head import MultiHeadAttention


class Plain(MultiHeadAttention):
    roles = frozenset({"decoder"})


class Peeping(Plain):
    def forward(self, query, memory, layout, **options):
        attended = super().forward(query, memory, layout, **options)
        return type(attended)(attended.output + query.mean(1, keepdim=True), attended.cache)


class Failing(Plain):
    def start(self, batch_size, beam, limit):
        raise RuntimeError("no cache\\nat all")


other = 3
'''


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of a user's own, found on the path."""
    (tmp_path / "own_attention.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(check, arguments)


def test_a_line_is_printed_for_each_promise_that_is_kept() -> None:
    result = run("window", "--roles", "decoder")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) > 10
    assert all(line.startswith("ok    decoder: ") for line in lines)
    assert "ok    decoder: decoding steps are a full pass over each history" in lines


def test_a_class_of_ones_own_is_checked_where_it_stands() -> None:
    result = run("own_attention:Plain")
    assert result.exit_code == 0
    assert {line.split()[1] for line in result.stdout.splitlines()} == {"decoder:"}


def test_a_broken_promise_is_told_with_the_reason() -> None:
    result = run("own_attention:Peeping")
    assert result.exit_code == 1
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    assert any("the future has no influence and no gradient: the future is" in x for x in failed)
    assert any("ok    decoder: penalty" in line for line in result.stdout.splitlines())


def test_what_crashes_breaks_its_promise_in_one_line() -> None:
    result = run("own_attention:Failing")
    assert result.exit_code == 1
    assert (
        "FAIL  decoder: decoding steps are a full pass over each history: "
        "RuntimeError: no cache; at all"
    ) in result.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("windw",), "no attention is called 'windw'; did you mean 'window'"),
        (("window", "--roles", "decodr"), "--roles: no role is called 'decodr'; did you mean"),
        (("window", "--roles", "cross"), "window serves decoder and encoder only"),
        (("own_attention:Plain", "--roles", "cross"), "own_attention:Plain serves decoder only"),
        (("own_attention:Absent",), "own_attention:Absent: module 'own_attention' has no"),
        (("absent_module:Absent",), "absent_module:Absent: No module named 'absent_module'"),
        (("own_attention:other",), "own_attention:other is no subclass of nmt.attention"),
        ((":Absent",), ":Absent: Empty module name"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments: tuple[str, ...], message: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, ConfigError)
    assert str(error).startswith(message)
