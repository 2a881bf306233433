"""`DataCheck` finds what was planted, in the project's own text, and leaves the rest alone."""

import itertools
from collections import defaultdict
from pathlib import Path

import pytest

from nmt.checks.data import EXAMPLES, DataCheck, held_out_lines
from nmt.checks.findings import KINDS
from nmt.text.config import SegmentConfig
from nmt.text.coverage import Coverage
from nmt.text.learning import learn_segmenter
from nmt.text.lines import read_lines, read_pairs
from tests.checks.planting import SPOILERS, false_alarms, plant, recall

DATA = Path(__file__).parents[2] / "data" / "office-help"
EN_DE = [str(DATA / f"train.en-de.{language}.gz") for language in ("en", "de")]
TEST = [str(DATA / f"test.en-de.{language}.gz") for language in ("en", "de")]

Pair = tuple[str, str]


def checked(pairs: list[Pair], check: DataCheck, folder: Path) -> dict[str, list[tuple[int, int]]]:
    """Check pairs, and give the lines at fault of each kind."""
    report = check.run(pairs, folder / "faults.tsv")
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for line in read_lines(folder / "faults.tsv"):
        number, kind, *_ = line.split("\t")
        found[kind].append((int(number), int(number)))
    assert {kind: len(lines) for kind, lines in found.items()} == dict(report.counts)
    return found


def compare(pairs: list[Pair], each: int, folder: Path) -> dict[str, tuple[float, float]]:
    """Plant faults, and give the recall and the false alarms of each kind."""
    text = plant(pairs, list(read_pairs(*TEST)), each)
    lines = itertools.chain.from_iterable(pairs[::20])
    settings = SegmentConfig(byte_fallback=False, vocab_size=1000, kind="bpe")
    segmenter = Coverage(learn_segmenter(lines, folder / "joint.model", settings))
    held_out, _ = held_out_lines(
        (name, (side,), [pair[place] for pair in text.test])
        for place, (side, name) in enumerate((("source", "test.en"), ("target", "test.de")))
    )
    coverages = {"source": segmenter, "target": segmenter}
    found = checked(text.pairs, DataCheck(held_out=held_out, coverages=coverages), folder)
    # A rule of cleaning may object to a length as well.
    lengths = ("length", "word-ratio", "character-ratio", "words")
    found["length"] = [each for kind in lengths for each in found[kind]]
    return {
        kind: (recall(faults, found[kind]), false_alarms(text, found[kind]))
        for kind, faults in text.faults.items()
    }


@pytest.mark.slow
def test_what_is_planted_in_real_text_is_found_and_the_rest_is_not(tmp_path: Path) -> None:
    results = compare(list(read_pairs(*EN_DE)), 80, tmp_path)
    assert set(results) == {"drift", *SPOILERS}
    assert set(results) <= set(KINDS)
    assert {kind for kind, (found, _) in results.items() if found < 0.95} == set()
    assert {kind for kind, (_, alarms) in results.items() if alarms >= 0.01} == set()


def test_a_run_of_twenty_lines_that_slipped_is_found_with_its_ends(tmp_path: Path) -> None:
    pairs = list(itertools.islice(read_pairs(*EN_DE), 3000))
    targets = [target for _, target in pairs]
    for place in range(1200, 1220):
        pairs[place] = pairs[place][0], targets[place + 1]
    report = DataCheck().run(pairs)
    (run,) = report.examples["drift"]
    assert abs(run.number - 1201) <= 2
    assert abs(run.last - 1220) <= 2
    assert run.detail == "the right targets are 1 line earlier"
    assert report.counts["drift"] == run.last - run.number + 1
    assert report.runs == 1


def test_sides_that_slipped_from_the_start_are_noted() -> None:
    pairs = list(itertools.islice(read_pairs(*EN_DE), 2000))
    slipped = [(source, pairs[place - 1][1]) for place, (source, _) in enumerate(pairs)]
    (note,) = DataCheck().run(slipped).notes
    assert "the sides may have slipped from the start" in note


def test_a_small_text_is_checked_but_for_drift() -> None:
    report = DataCheck().run([("A house.", "Ein Haus."), ("", "Leer."), ("a  house", "Ein Haus!")])
    assert report.notes == ["drift is looked for in 400 pairs or more"]
    assert report.counts == {"empty": 1, "near-duplicate": 1}
    assert report.examples["near-duplicate"][0].detail == "nearly the same as line 1"


def test_no_text_at_all_has_no_faults() -> None:
    report = DataCheck().run([])
    assert (report.pairs, report.counts.total()) == (0, 0)


def test_of_each_kind_the_first_ten_are_shown() -> None:
    report = DataCheck().run([("", "x")] * 30)
    assert [each.number for each in report.examples["empty"]] == list(range(1, EXAMPLES + 1))
    assert report.counts == {"empty": 30}
    kinds = report.table()["kinds"]
    assert isinstance(kinds, dict)
    assert list(kinds) == list(KINDS)
