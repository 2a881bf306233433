"""Each fault is found, and what is no fault is not."""

import gzip
from pathlib import Path

import pytest

from nmt.suspect.config import KINDS, SuspectConfig
from nmt.suspect.detectors import Rendering, mean_probability, suspicions
from nmt.text.folding import words_of
from nmt.text.scripts import scripts_known

CONFIG = SuspectConfig(target_script=("Latin",))
DATA = Path(__file__).parents[2] / "data" / "office-help"


def rendering(source: str, target: str, probability: float = 0.9) -> Rendering:
    """Count words for pieces."""
    sizes = len(words_of(source)), len(words_of(target))
    return Rendering(source, target, sizes, probability)


def found(source: str, target: str, probability: float = 0.9) -> dict[str, str]:
    return suspicions(rendering(source, target, probability), CONFIG)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("a b c", "la casa la casa la casa", {"repetition": "'la casa' 3 times in a row"}),
        ("a b c", "Casa, casa: CASA!", {"repetition": "'casa' 3 times in a row"}),
        ("a", "lalalalala", {"repetition": "'lalalalala' repeats 'la'"}),
        ("Click on the file now", "Click on the file NOW",
         {"copy": "5 of 5 words are the source's"}),
        ("Click on the file now", "click on the file ahora",
         {"copy": "4 of 5 words are the source's"}),
        ("one", "", {"short": "no text"}),
        ("one", " \u2028", {"short": "no text"}),
        ("a b c d e f g h i j k l m n", "uno", {"short": "1 pieces for 14"}),
        ("one", "el uno y dos de tres o las cinco", {"long": "9 pieces for 1"}),
        ("in 2019 or 2020", "en 2020", {"number": "lost '2019'"}),
        ("1 2 3 4 5", "2", {"number": "lost '1', '3', '4' and 1 more"}),
        ("see www.a.org", "ver www.a.com", {"url": "lost 'www.a.org'"}),
        ("open the file", "открыть файл", {"script": "0% of the letters are Latin"}),
        ("open", "abre", {}),
    ],
)  # fmt: skip
def test_each_kind_is_named_with_what_is_wrong(
    source: str, target: str, expected: dict[str, str]
) -> None:
    assert found(source, target) == expected


def test_low_probability_is_suspect() -> None:
    assert found("open", "abre", 0.4) == {}
    assert found("open", "abre", 0.39) == {"confidence": "probability 0.39 a piece"}
    assert mean_probability(-2.0, 4) == pytest.approx(0.6065, abs=1e-4)
    assert mean_probability(0.0, 0) == 1.0


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("very very very good", "muy muy muy bueno"),  # the source does so too
        ("Hahahahahaha", "hahahahahaha"),
        ("that that", "que que"),
        ("LibreOffice Writer", "LibreOffice Writer"),
        ("StarDraw 4.0 object 12 13", "Objet StarDraw 4.0 12 13"),
        ("Open a.b.c.d", "LibreOffice"),
        ("12", "12"),
        ("...", "..."),
    ],
)
def test_what_is_right_as_it_stands_is_not_suspect(source: str, target: str) -> None:
    assert not found(source, target).keys() - {"script"}


def test_names_that_the_source_has_are_in_any_script() -> None:
    config = SuspectConfig(target_script=("Cyrillic",))
    pairs = {"Open Base": "Base", "Open Base x": "Открыть Base", "Open it": "1.0"}
    assert not any(suspicions(rendering(*pair), config) for pair in pairs.items())
    assert suspicions(rendering("Open it", "Abrir"), config).keys() == {"script"}
    assert suspicions(rendering("Open it", "Abrir"), SuspectConfig()) == {}


def test_only_the_kinds_asked_for_are_looked_for() -> None:
    bad = rendering("in 2019 see www.a.org", "la " * 24, 0.1)
    assert suspicions(bad, CONFIG).keys() == {"repetition", "long", "number", "url", "confidence"}
    for kind in KINDS:
        assert suspicions(bad, SuspectConfig(kinds=(kind,))).keys() <= {kind}


def test_what_is_usual_can_be_set() -> None:
    bad = rendering("a b c d e f g h", "uno dos")
    assert suspicions(bad, SuspectConfig()).keys() == {"short"}
    assert suspicions(bad, SuspectConfig(length_ratio=0.25)) == {}
    assert suspicions(bad, SuspectConfig(short_limit=3.0)) == {}


def test_a_message_quotes_no_more_than_it_must() -> None:
    detail = found("www." + "a" * 500 + "\x1b", "")["url"]
    assert detail == f"lost {'www.' + 'a' * 56 + '...'!r}"
    detail = found("www.a\x1bb.org", "")["url"]
    assert "\x1b" not in detail


def test_the_scripts_that_a_vocabulary_knows() -> None:
    assert scripts_known(["▁the", "▁кот", "s"]) == ("Cyrillic", "Latin")
    assert scripts_known(["<unk>", "<s>", "の", "letters"]) == (
        "Han", "Hiragana", "Katakana", "Latin",
    )  # fmt: skip
    assert scripts_known(["aaaa"] * 30 + ["б"]) == ("Latin",)
    assert scripts_known(["12", "▁"]) == ()


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_good_translations_are_rarely_suspect(language: str) -> None:
    """Find few among the references of the test sets, and nearly all where faults are planted."""
    sides = [
        gzip.decompress((DATA / f"test.en-{language}.{each}.gz").read_bytes()).decode().split("\n")
        for each in ("en", language)
    ]
    pairs = [pair for pair in zip(*sides, strict=True) if pair[0]][:400]
    assert sum(bool(found(*pair)) for pair in pairs) <= 4
    plants = {
        "repetition": lambda target: target + " " + target,
        "short": lambda target: target.split()[0],
        "script": lambda target: "".join(chr(0x400 + ord(each) % 256) for each in target),
    }
    for kind, plant in plants.items():
        faulty = [(source, plant(target)) for source, target in pairs if len(source.split()) > 9]
        assert sum(kind in found(*pair) for pair in faulty) >= 0.9 * len(faulty) > 90, kind
