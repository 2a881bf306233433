"""Text that was read in a wrong encoding is told from proper text."""

import pytest

from nmt.text.config import CleanConfig
from nmt.text.mojibake import find_mojibake
from nmt.text.rules import mojibake

PROPER = [
    "Das „MENÜ“ öffnet sich…", "« À la félicité » dit-elle", "félicité\u00a0»", "É»", "São João",
    "IRMÃ”",
    "Ça coûte 5\u00a0€ – très cher", "Straße, größer, Äpfel", "Привет, мир", "東京", "naïve façade",
    "Å, Ø og Æ", "50 °C ± 2 µm", "Ă Â Î Ș Ț",
]  # fmt: skip
WRITTEN = [
    "Die Größe ändern", "très élégant", "it’s “quoted” – yes", "Привет, мир", "Ελληνικά",
    "señor €5", "über", "naïve", "中文字",
]  # fmt: skip


@pytest.mark.parametrize("line", PROPER)
def test_proper_text_is_left_alone(line: str) -> None:
    assert find_mojibake(line) == ""


@pytest.mark.parametrize("line", WRITTEN)
@pytest.mark.parametrize("page", ["cp1252", "latin-1"])
def test_utf_8_read_as_another_encoding_is_found(line: str, page: str) -> None:
    try:
        damaged = line.encode().decode(page)
    except UnicodeDecodeError:
        pytest.skip("this page could not have read it")
    assert find_mojibake(damaged)
    assert mojibake("source", damaged, CleanConfig()).startswith("target: ")
    assert mojibake("source", damaged, CleanConfig(drop_mojibake=False)) == ""


def test_another_alphabet_read_as_latin_is_found() -> None:
    assert "no Latin text" in find_mojibake("Привет".encode("cp1251").decode("latin-1"))


def test_the_message_names_what_was_meant_and_where() -> None:
    assert find_mojibake("Ich mÃ¶chte") == "'Ã¶' stands for 'ö' at character 6"
