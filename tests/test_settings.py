"""Settings come back from TOML; what is unknown or wrong is refused by name."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import ConfigError
from nmt.settings import (
    assign,
    build,
    explain,
    load_table,
    nearest,
    parse_assignment,
    save_table,
    setting,
    to_table,
)


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = setting(0.5, "A share.")
    names: tuple[str, ...] = setting(("a", "b"), "Some names.")


@dataclass(frozen=True, kw_only=True)
class Step:
    size: int = setting(1, "A size.")
    shares: tuple[float, ...] = setting((), "Some shares.")


@dataclass(frozen=True, kw_only=True)
class Outer:
    steps: tuple[Step, ...] = setting((), "Steps, one after the other.")
    beam: int = setting(5, "Hypotheses kept.")
    label: str = setting("x", "A label.", choices=("x", "y"))
    title: str = setting("", "Any text.")
    fast: bool = setting(False, "Whether to hurry.")
    inner: Inner = Inner()


SECTIONS = st.builds(
    Outer,
    beam=st.integers(-9, 2**40),
    label=st.sampled_from("xy"),
    title=st.text(st.characters(exclude_categories=["Cs"])),
    fast=st.booleans(),
    steps=st.lists(
        st.builds(Step, size=st.integers(0, 99), shares=st.lists(st.floats(0, 9)).map(tuple)),
        max_size=3,
    ).map(tuple),
    inner=st.builds(
        Inner, rate=st.floats(allow_nan=False), names=st.lists(st.text("é b")).map(tuple)
    ),
)


@settings(deadline=None)
@given(section=SECTIONS)
def test_a_section_comes_back_from_its_table(section: Outer) -> None:
    assert build(Outer, to_table(section)) == section


@settings(max_examples=25, deadline=None)  # each of them waits for the disk
@given(section=SECTIONS)
def test_a_section_comes_back_from_its_file(
    tmp_path_factory: pytest.TempPathFactory, section: Outer
) -> None:
    path = tmp_path_factory.getbasetemp() / "settings.toml"
    save_table(to_table(section), path)
    assert build(Outer, load_table(path)) == section


def test_the_explanation_is_a_file_of_the_defaults() -> None:
    text = explain(Outer())
    assert build(Outer, tomllib.loads(text)) == Outer()
    for words in ("# Hypotheses kept.", "# A label. One of: x, y.", "[inner]", "# A share."):
        assert words in text.splitlines()


@settings(deadline=None, max_examples=30)
@given(section=SECTIONS)
def test_the_explanation_of_any_section_reads_back(section: Outer) -> None:
    assert build(Outer, tomllib.loads(explain(section))) == section


def test_a_number_or_a_string_stands_for_a_list_of_one() -> None:
    assert build(Step, {"shares": 2}).shares == (2.0,)
    assert build(Inner, {"names": "a"}).names == ("a",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"steps": 3}, r"^steps is a list of sections; write \[\[steps\]\]$"),
        (
            {"steps": [{}, {"sise": 1}]},
            r"^unknown setting steps\[1\]\.sise; did you mean 'size'\?$",
        ),
        (
            {"steps": [{"shares": ["a"]}]},
            r"^steps\[0\]\.shares must be a list of numbers, not \['a'\]",
        ),
        ({"steps": [3]}, r"^steps\[0\] is a section, not a setting; write \[steps\[0\]\]$"),
    ],
)
def test_a_wrong_list_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Outer, table)


def test_defaults_stand_where_a_table_says_nothing() -> None:
    assert build(Outer, {}) == Outer()
    assert build(Outer, {"inner": {"rate": 1}}) == replace(Outer(), inner=Inner(rate=1.0))


def test_one_string_will_do_for_a_list() -> None:
    assert build(Inner, {"names": "c"}).names == ("c",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"baem": 1}, "unknown setting search.baem; did you mean 'beam'?"),
        (
            {"qqq": 1},
            "unknown setting search.qqq; known here: beam, fast, inner, label, steps, title",
        ),
        ({"inner": {"rates": 1}}, "unknown setting search.inner.rates; did you mean 'rate'?"),
        ({"beam": "5"}, "search.beam must be an integer, not '5' (a string)"),
        ({"beam": 5.0}, "search.beam must be an integer, not 5.0 (a number)"),
        ({"beam": True}, "search.beam must be an integer, not True (true or false)"),
        ({"fast": 1}, "search.fast must be true or false, not 1 (an integer)"),
        ({"title": 1}, "search.title must be a string, not 1 (an integer)"),
        ({"title": ["a"]}, "search.title must be a string, not ['a'] (list)"),
        ({"inner": {"rate": "no"}}, "search.inner.rate must be a number, not 'no' (a string)"),
        ({"inner": {"rate": True}}, "search.inner.rate must be a number, not True (true or false)"),
        ({"inner": {"names": 1}}, "search.inner.names must be a list of strings, not 1"),
        ({"inner": {"names": ["a", 1]}}, "search.inner.names must be a list of strings, not ['a'"),
        ({"inner": 1}, "search.inner is a section, not a setting; write [search.inner]"),
        ({"label": "z"}, "search.label must be one of x, y, not 'z'"),
    ],
)
def test_what_is_unknown_or_wrong_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        build(Outer, table, "search")
    assert str(refused.value).startswith(message)


def test_a_setting_where_a_section_belongs_is_refused() -> None:
    wrong: Any = 3
    with pytest.raises(ConfigError, match=r"search is a section, not a setting; write \[search\]"):
        build(Outer, wrong, "search")


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a.b=1", "a.b", 1),
        ("a.b=1e-4", "a.b", 1e-4),
        ("a.b=true", "a.b", True),
        ("a.b=no", "a.b", "no"),
        ("a.b='1'", "a.b", "1"),
        ('a.b=["x", "y"]', "a.b", ["x", "y"]),
        (" a.b.c = two words ", "a.b.c", "two words"),
        ("a.b=x=y", "a.b", "x=y"),
        ("a.b=", "a.b", ""),
    ],
)
def test_an_assignment_is_read_as_toml_or_text(text: str, name: str, value: object) -> None:
    assert parse_assignment(text) == (name, value)
    assert type(parse_assignment(text)[1]) is type(value)


@pytest.mark.parametrize("text", ["a.b", "b=1", "=1", ""])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--set needs section.key=value, not '"):
        parse_assignment(text)


def test_an_assignment_makes_its_sections_and_replaces_a_value() -> None:
    table: dict[str, Any] = {"a": {"b": 1}}
    assign(table, "a.b", 2)
    assign(table, "c.d.e", 3)
    assert table == {"a": {"b": 2}, "c": {"d": {"e": 3}}}


def test_a_setting_has_no_settings_below() -> None:
    with pytest.raises(ConfigError, match=r"a\.b\.c: b is a setting, not a section"):
        assign({"a": {"b": 1}}, "a.b.c", 2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a = 1\nb = \n", r"Invalid value \(at line 2, column 5\)"),
        (b"a = 1\na = 2\n", r"Cannot overwrite a value \(at line 2"),
        (b"a = '\xff'\n", "'utf-8' codec can't decode byte 0xff in position 5"),
    ],
)
def test_a_file_that_is_not_toml_is_refused_by_line(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"cannot read settings from .*a\.toml: {reason}"):
        load_table(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a = " + "[" * 10**5, r"cannot read settings from .*: maximum recursion depth exceeded"),
        ("a = " + "[" * 40 + "]" * 40, r"a\.toml is nested deeper than 32 levels"),
        (".".join("a" * 40) + " = 1", r"a\.toml is nested deeper than 32 levels"),
        ("a." * 600 + "a = 1", r"a\.toml has a line with more than 500 dots"),
        ("#" * (2**18 + 1), r"a\.toml has more than 262,144 bytes, which no such file has"),
    ],
    ids=["arrays", "some arrays", "keys", "dots", "long"],
)
def test_a_file_that_costs_too_much_to_read_is_refused(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=reason):
        load_table(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read settings from .*none: No such file"):
        load_table(tmp_path / "none")


def test_the_nearest_name_is_offered_or_all_are() -> None:
    assert nearest("beem", ["label", "beam"]) == "did you mean 'beam'?"
    assert nearest("zzz", ["label", "beam"]) == "known here: beam, label"
