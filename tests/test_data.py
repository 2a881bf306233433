"""The office help corpus is what its source note says, and its build script works."""

import gettext
import gzip
import hashlib
import importlib
import random
import re
import struct
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "data" / "office-help"
LANGUAGES = ("de", "es", "fr")
SPLITS = ("train", "dev", "test")
ROW = re.compile(r"^\| `(?P<name>\S+)` \| (?P<lines>\d+) \| `(?P<digest>[0-9a-f]{64})` \|$", re.M)
STATED = [match.groups() for match in ROW.finditer((FOLDER / "SOURCE.md").read_text("utf-8"))]


def load(name: str) -> ModuleType:
    """Import a module of the build script; they are siblings in a folder that is no package."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


build = load("build_office_help")
packages = load("office_packages")
pairs = load("office_pairs")
splits = load("office_splits")


@cache
def read_text(name: str) -> bytes:
    return gzip.decompress((FOLDER / name).read_bytes())


def read_side(split: str, language: str, side: str) -> list[str]:
    return read_text(f"{split}.en-{language}.{side}.gz").decode("utf-8").split("\n")[:-1]


# The corpus


def test_the_source_note_lists_every_file_once() -> None:
    assert sorted(name for name, _, _ in STATED) == sorted(p.name for p in FOLDER.glob("*.gz"))


def test_every_language_has_every_split() -> None:
    wanted = {f"{s}.en-{x}.{side}.gz" for s in SPLITS for x in LANGUAGES for side in ("en", x)}
    assert wanted == {name for name, _, _ in STATED}


@pytest.mark.parametrize(("name", "lines", "digest"), STATED)
def test_a_file_has_the_stated_lines_and_hash(name: str, lines: str, digest: str) -> None:
    text = read_text(name)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == int(lines)
    assert hashlib.sha256(text).hexdigest() == digest


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("split", SPLITS)
def test_both_sides_have_equally_many_lines_and_none_is_empty(split: str, language: str) -> None:
    source, target = read_side(split, language, "en"), read_side(split, language, language)
    assert len(source) == len(target)
    assert all(source)
    assert all(target)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_held_out_english_is_that_of_every_language(language: str) -> None:
    assert read_side("test", language, "en") == read_side("test", "de", "en")
    dev, german_dev = read_side("dev", language, "en"), read_side("dev", "de", "en")
    differing = [
        i for i, lines in enumerate(zip(dev, german_dev, strict=True), 1) if len({*lines}) > 1
    ]
    assert differing == ([494] if language == "es" else [])  # as SOURCE.md says, in capitals only
    assert [line.lower() for line in dev] == [line.lower() for line in german_dev]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_held_out_sentence_is_in_the_training_data(language: str) -> None:
    for side in ("en", language):
        train, dev, test = ({s.lower() for s in read_side(x, language, side)} for x in SPLITS)
        assert not train & dev
        assert not train & test
        assert not dev & test


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_held_out_pair_is_full_and_usable(language: str) -> None:
    for split in ("dev", "test"):
        source, target = read_side(split, language, "en"), read_side(split, language, language)
        for pair in map(pairs.Pair, source, target):
            assert pairs.is_usable(pair)
            assert all(splits.FULL_SENTENCE.match(text) for text in pair)
            assert len(pairs.words(pair.source)) in splits.HELD_OUT_WORDS


def test_the_licence_is_beside_the_data() -> None:
    licence = (FOLDER / "LICENSE.MPL-2.0").read_text("utf-8")
    assert licence.startswith("Mozilla Public License Version 2.0\n")
    assert "Exhibit B" in licence  # the last section: the text is whole
    assert "LICENSE.MPL-2.0" in (FOLDER / "SOURCE.md").read_text("utf-8")


# Reading the packages


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("Press <b>OK</b> &amp; wait.", "Press OK & wait."),
        ("one<br/>two", "one two"),
        ('Hold <span id="m" hidden="">Command</span><span>Ctrl</span>.', "Hold Ctrl."),
        ('<span id="default1" hidden="">Ctrl</span>', "Ctrl"),
        ('a <span hidden=""><b>b <i>c</b> d</span> e', "a e"),
        ("soft\u00adhyphen,  cafe\u0301", "softhyphen, caf\u00e9"),
    ],
)
def test_visible_text_has_no_markup_and_no_hidden_alternative(markup: str, text: str) -> None:
    assert packages.visible_text(markup) == text


def test_segments_are_paragraphs_with_an_id_and_without_code() -> None:
    page = (
        '<p id="a">menu</p><div id="DisplayArea"><h1 id="b">Title</h1><p class="x">no id</p>'
        '<p id="c" class="bascode">x = 1</p><p id="d"> </p><p id="e">Text\n<em>here</em></p></div>'
    )
    assert list(packages.read_segments(page)) == [("b", "Title"), ("e", "Text here")]


def test_pages_of_a_folder_come_before_those_of_its_subfolders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("b.html", "a/z.html", "a/c.html", "a.txt"):
        (tmp_path / name).write_text("")
    found = [path.relative_to(tmp_path).as_posix() for path in packages.walk_pages(tmp_path)]
    assert found == ["b.html", "a/c.html", "a/z.html"]


def write_catalogue(path: Path, messages: dict[str, str]) -> None:
    """Write a gettext catalogue: the header, a table for each side, and the strings."""
    sides = [sorted(messages), [messages[message] for message in sorted(messages)]]
    num_messages = len(messages)
    tables, strings = b"", b""
    for text in [text.encode("utf-8") for side in sides for text in side]:
        tables += struct.pack("<2I", len(text), 28 + 16 * num_messages + len(strings))
        strings += text + b"\0"
    second = 28 + 8 * num_messages
    header = struct.pack("<7I", packages.MO_MAGIC, 0, num_messages, 28, second, 0, 0)
    path.write_bytes(header + tables + strings)


def test_a_catalogue_reads_as_gettext_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "toy.mo"
    plural = {
        "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n!=1;\n"
    }
    write_catalogue(path, plural | {"menu\x04Open": "Öffnen", "Row\0Rows": "Zeile\0Zeilen"})
    with path.open("rb") as file:
        known = gettext.GNUTranslations(file)
    assert list(packages.read_catalogue(path))[1:] == [
        ("Row", known.ngettext("Row", "Rows", 1)),
        ("Row", known.ngettext("Row", "Rows", 2)),
        ("menu\x04Open", known.pgettext("menu", "Open")),
    ]


def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.mo").write_bytes(b"not a catalogue, but long enough")
    with pytest.raises(packages.BuildError, match=r"toy\.mo is not a little-endian gettext"):
        list(packages.read_catalogue(tmp_path / "toy.mo"))


def test_labels_lose_the_marks_of_shortcut_keys() -> None:
    assert packages.clean_label("~File <b>_new</b> _ ~") == "File new _ ~"


# Pairs of sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three", ["One.", "Two!", "Three"]),
        ("See e.g. Options. Then stop.", ["See e.g. Options.", "Then stop."]),
        ("Version 1.5 works. lower case goes on.", ["Version 1.5 works. lower case goes on."]),
        ('He said "Stop." “Why?” Nobody knew.', ['He said "Stop."', "“Why?”", "Nobody knew."]),
        ("", []),
    ],
)
def test_sentences_end_where_they_should(text: str, sentences: list[str]) -> None:
    assert pairs.split_sentences(text) == sentences


def test_a_pair_is_split_only_where_both_sides_agree() -> None:
    alike = pairs.Pair("One thing. Two things.", "Ein Ding. Zwei Dinge.")
    assert pairs.split_pair(alike) == [("One thing.", "Ein Ding."), ("Two things.", "Zwei Dinge.")]
    unlike = pairs.Pair("One thing. Two things.", "Ein Ding und zwei Dinge.")
    assert pairs.split_pair(unlike) == [unlike]


def test_a_key_ignores_capitals_punctuation_and_the_digits_of_numbers() -> None:
    assert pairs.sentence_key("Don't open 12 files!") == pairs.sentence_key("don't OPEN 7 files")
    assert pairs.sentence_key("Open files") != pairs.sentence_key("Open file")


@pytest.mark.parametrize(
    ("source", "target", "check"),
    [
        ("Open the file.", "Öffnen Sie die Datei.", None),
        ("a " * 26, "ein " * 26, "has_usable_lengths"),
        ("Open it now or do so", "Sofortiges Öffnen", "has_usable_lengths"),
        ("Open the file.", "Die @Datei öffnen.", "has_no_noise"),
        ("Open 2 files.", "Öffnen Sie 3 Dateien.", "has_equal_numbers"),
        ("Pivot Table", "pivot table", "is_translated"),
        ("The macro recorder", "Der macro recorder Start", "is_translated"),
        ("XML and PDF", "Zwei Formate", "is_prose"),
        ("ab - + - + -", "ein - + - + -", "is_prose"),
    ],
)
def test_one_check_refuses_an_unusable_pair(source: str, target: str, check: str | None) -> None:
    pair = pairs.Pair(source.strip(), target.strip())
    failed = [one.__name__ for one in pairs.CHECKS if not one(pair)]
    assert failed == ([check] if check else [])
    assert pairs.is_usable(pair) is (check is None)


def test_a_side_without_words_is_unusable() -> None:
    assert not pairs.has_usable_lengths(pairs.Pair("!", "Datei"))
    assert not pairs.has_usable_lengths(pairs.Pair("File", "…"))


def test_the_most_frequent_translation_wins_and_the_first_of_equals() -> None:
    found = [
        ("Open", "Auf"),
        ("OPEN", "Öffnen"),
        ("open", "Öffnen"),
        ("Shut", "Zu"),
        ("Shut", "Aus"),
    ]
    chosen = pairs.choose_translations(pairs.Pair(*pair) for pair in found)
    assert chosen == {"open": ("OPEN", "Öffnen"), "shut": ("Shut", "Zu")}


# The splits


def test_the_index_finds_what_comparing_all_finds() -> None:
    rng = random.Random(1)
    texts = [" ".join(rng.choices("abcde", k=rng.randint(1, 8))) for _ in range(300)]
    index = splits.SimilarTexts(texts)
    own = [splits.shingles(text) for text in texts]
    for text, wanted in zip(texts, own, strict=True):
        similar = [i for i, other in enumerate(own) if splits.are_similar(wanted, other)]
        assert index.find(text) == similar


FULL = {
    "Open the old document in a new window.": "Öffnen Sie das alte Dokument in neuem Fenster.",
    "Every table can have many narrow columns.": "Jede Tabelle darf viele schmale Spalten haben.",
}
SIMILAR = {
    "open the old document in one new window": "ein altes Blatt anderswo aufmachen und lesen"
}
LABELS = {"menu\x04~Save": "~Speichern", "Print": "Drucken"}


def write_packages(root: Path) -> None:
    """Lay out the help pages and the catalogue as the packages do."""
    for language, texts in (
        ("en-US", [*FULL, *SIMILAR]),
        ("de", [*FULL.values(), *SIMILAR.values()]),
    ):
        folder = packages.help_folder(root, language)
        folder.mkdir(parents=True)
        lines = [f'<p id="{number}">{text}</p>' for number, text in enumerate(texts)]
        lines.append('<p id="0">An id that was used before</p>')
        (folder / "page.html").write_text("\n".join(lines), encoding="utf-8")
    folder = packages.catalogue_folder(root, "de")
    folder.mkdir(parents=True)
    write_catalogue(folder / "toy.mo", LABELS)


def built(out: Path, split: str) -> set[tuple[str, ...]]:
    sides = [gzip.decompress((out / f"{split}.en-de.{x}.gz").read_bytes()) for x in ("en", "de")]
    return set(zip(*(side.decode("utf-8").splitlines() for side in sides), strict=True))


def test_a_toy_corpus_is_split_without_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "NUM_TEST", 1)
    monkeypatch.setattr(splits, "NUM_DEV", 1)
    write_packages(tmp_path)
    assert build.main([str(tmp_path), str(tmp_path / "out"), "de"]) == 0
    test, dev = built(tmp_path / "out", "test"), built(tmp_path / "out", "dev")
    assert len(test) == len(dev) == 1
    assert test | dev == set(FULL.items())
    assert built(tmp_path / "out", "train") == {("Save", "Speichern"), ("Print", "Drucken")}
    assert build.main([str(tmp_path), str(tmp_path / "again"), "de"]) == 0
    for path in (tmp_path / "out").iterdir():
        data = path.read_bytes()
        assert data == (tmp_path / "again" / path.name).read_bytes()
        assert data[4:8] == bytes(4)  # no time, which would make tomorrow's file different


def test_a_missing_package_is_one_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_packages(tmp_path)
    assert build.main([str(tmp_path), str(tmp_path / "out"), "de", "fr"]) == 1
    message = capsys.readouterr().err
    assert re.fullmatch(
        r"error: no \*\.html files in \S+; unpack libreoffice-help-fr into \S+\n", message
    )
    assert build.main([str(tmp_path / "nowhere"), str(tmp_path / "out"), "de"]) == 1
    assert capsys.readouterr().err == f"error: no such folder: {tmp_path / 'nowhere'}\n"
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_a_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_packages(tmp_path)
    (tmp_path / "out").write_text("")
    assert build.main([str(tmp_path), str(tmp_path / "out"), "de"]) == 1
    assert capsys.readouterr().err == f"error: cannot write to {tmp_path / 'out'}: File exists\n"
