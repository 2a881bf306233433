"""Numbers and addresses that a translation must carry over."""

import pytest

from nmt.text.placeables import lost_addresses, lost_numbers

KEPT = [
    ("in 2019", "2019 war"), ("1,000.50 euro", "1.000,50 euros"), ("1,000", "1 000"),
    ("1000 and 10,000", "1.000 y 10 000"), ("1 000 units", "1000"), ("10/12/2026", "12.10.2026"),
    ("12:30", "12.30 Uhr"), ("٣٤ كتاب", "34 books"), ("1,2", "1 2"), ("3.5", "3,5"),
    ("x2 x2", "2 2"), ("two", "2"), ("", "7"), ("", ""), ("%1 of %2", "%2 %1"),
]  # fmt: skip
LOST = [
    ("in 2019", "in 2091", ["2019"]), ("1 to 10", "1", ["10"]), ("2 and 2", "2", ["2"]),
    ("4234.00", "4234", ["4234.00"]), ("10", "100", ["10"]), ("10", "zehn", ["10"]),
    ("१२", "१३", ["12"]), ("1,000", "1", ["1,000"]), ("1 2", "", ["1", "2"]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), KEPT)
def test_numbers_may_be_spelt_as_is_usual_elsewhere(source: str, target: str) -> None:
    assert lost_numbers(source, target) == []


@pytest.mark.parametrize(("source", "target", "lost"), LOST)
def test_numbers_that_are_lost_are_named(source: str, target: str, lost: list[str]) -> None:
    assert lost_numbers(source, target) == lost


@pytest.mark.parametrize(
    ("source", "target", "lost"),
    [
        ("See https://a.org/b?c=1.", "https://a.org/b?c=1 ansehen", []),
        ("(www.a.org)", "«www.a.org»", []),
        ("mail a.b+c@d-e.org!", "¿a.b+c@d-e.org?", []),
        ("ftp://a.org and ftp://a.org", "ftp://a.org", ["ftp://a.org"]),
        ("See https://a.org/b.", "https://a.org/", ["https://a.org/b"]),
        ("HTTP://A.org", "http://a.org", ["HTTP://A.org"]),
        ("a@b, c @ d, www", "", []),
    ],
)
def test_addresses_stand_letter_for_letter(source: str, target: str, lost: list[str]) -> None:
    assert lost_addresses(source, target) == lost


@pytest.mark.parametrize("line", ["a" * 50_000, "1." * 25_000, "a@b." * 12_000, "www." * 12_000])
def test_lines_of_anything_are_looked_at_in_time(line: str) -> None:
    assert lost_numbers(line, line) == lost_addresses(line, line) == []
