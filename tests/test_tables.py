"""Cells of a column stand below each other."""

from nmt.tables import aligned, columns, label, spelled, table


def test_cells_are_as_wide_as_the_widest_of_their_column() -> None:
    lines = list(columns([["name", "n"], ["a", "1,000"], ["longer", "2"]]))
    assert lines == ["name        n", "a       1,000", "longer      2"]


def test_columns_of_words_stand_to_the_left_and_leave_nothing_behind() -> None:
    assert list(columns([["a", "word"], ["b", "w"]], left=(0, 1))) == ["a  word", "b  w"]


def test_a_table_has_a_column_for_every_name_of_any_row() -> None:
    lines = list(table([{"update": 5, "best": "yes"}, {"update": 1000, "loss_bytes": 2}]))
    assert lines == ["update  best   loss", "     5  yes       -", " 1,000  -     2.00B"]


def test_what_is_not_known_has_no_line() -> None:
    assert list(aligned({"a": "-", "long": "x", "b": "y"})) == ["long  x", "b     y"]
    assert not list(aligned({}))


def test_times_and_sizes_are_known_by_their_names() -> None:
    assert (label("update_seconds"), spelled("update_seconds", 61.2)) == ("update", "0:01:01")
    assert (label("most_bytes"), spelled("most_bytes", 2000)) == ("most", "2.00kB")
