"""Text that is encoded comes back, and what was left out is on file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.corpus import encode as encode_module
from nmt.corpus.config import EncodeConfig
from nmt.corpus.encode import MAX_LINE_BYTES, encode_corpus
from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import ConfigError, DataError
from nmt.files import sha256
from nmt.text.segmenter import Segmenter

Encoded = Callable[..., EncodedCorpus]
Pairs = list[tuple[str, str]]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_ids_and_raw_text_come_back(encoded: Encoded, segmenter: Segmenter, pairs: Pairs) -> None:
    corpus = encoded()
    assert len(corpus) == len(pairs)
    for number, pair in enumerate(pairs):
        for side, line in zip(("source", "target"), pair, strict=True):
            assert corpus.line(side, number) == line
            assert corpus.ids[side][number].tolist() == segmenter.encode(line)
            assert corpus.lengths(side)[number] == len(segmenter.encode(line))


def test_each_side_has_its_own_segmenter(
    tmp_path: Path, segmenter: Segmenter, other_segmenter: Segmenter, pairs: Pairs
) -> None:
    encode_corpus(pairs, [segmenter, other_segmenter], tmp_path / "corpus", EncodeConfig())
    corpus = EncodedCorpus(tmp_path / "corpus")
    for side, model in (("source", segmenter), ("target", other_segmenter)):
        assert Segmenter.load(corpus.segmenter_path(side)).sha256 == model.sha256
        assert corpus.record.vocab_sizes[side] == model.vocab_size
        assert corpus.record.segmenters[side] == sha256(corpus.segmenter_path(side))
    assert corpus.ids["target"][0].tolist() == other_segmenter.encode(pairs[0][1])


def test_text_of_one_language_has_one_side(tmp_path: Path, segmenter: Segmenter) -> None:
    rows = [("the cat",), ("",), ("größe",)]
    record = encode_corpus(rows, [segmenter], tmp_path / "corpus", EncodeConfig())
    corpus = EncodedCorpus(tmp_path / "corpus")
    assert record.sides == ["source"] == list(corpus.ids)
    assert [corpus.line("source", number) for number in range(2)] == ["the cat", "größe"]
    assert record.dropped == {"empty": 1}


def test_the_record_counts_what_is_there(
    encoded: Encoded, segmenter: Segmenter, pairs: Pairs
) -> None:
    record = encoded([*pairs, ("", "x"), ("x", " \t "), ("x" * 300, "y")]).record
    assert record.lines == len(pairs)
    assert record.dropped == {"empty": 2, "too long": 1}
    assert record.pieces == {
        side: sum(len(segmenter.encode(pair[place])) for pair in pairs)
        for place, side in enumerate(("source", "target"))
    }


def test_dropped_lines_are_on_file_with_number_and_reason(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    rows = [("", "empty left"), ("kept", "kept"), ("a\tb\\", " "), ("cat cat cat cat", "x")]
    config = EncodeConfig(max_pieces=len(segmenter.encode("cat cat cat cat")) - 1)
    encode_corpus(rows, [segmenter, segmenter], tmp_path / "corpus", config)
    lines = (tmp_path / "corpus" / "dropped.tsv").read_text().split("\n")
    assert lines == [
        "1\tempty\t\tempty left",
        "3\tempty\ta\\tb\\\\\t ",
        "4\ttoo long\tcat cat cat cat\tx",
        "",
    ]


@pytest.mark.parametrize("side", [0, 1])
def test_the_longest_that_may_stay_stays(tmp_path: Path, segmenter: Segmenter, side: int) -> None:
    line = "the lazy dog"
    row = (line, "a") if side == 0 else ("a", line)
    exact = len(segmenter.encode(line))
    folder = tmp_path / "corpus"
    record = encode_corpus([row], [segmenter] * 2, folder, EncodeConfig(max_pieces=exact))
    assert record.lines == 1
    with pytest.raises(DataError, match=r"no line can be used \(1 too long\); .* is not written"):
        encode_corpus([row], [segmenter] * 2, folder, EncodeConfig(max_pieces=exact - 1))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the text is empty; .*/corpus is not written"),
        ([("", ""), (" ", "x")], r"no line can be used \(2 empty\); .*/corpus is not written"),
        (
            [("a", "b"), ("x", "y" * MAX_LINE_BYTES)],
            "line 2 of the target is 1,000,000 bytes long; a line is a sentence, of less than "
            "1,000,000 bytes: split it or remove it",
        ),
        ([("é" * (MAX_LINE_BYTES // 2), "y")], "line 1 of the source is 1,000,000 bytes long"),
    ],
    ids=["no lines", "empty lines", "absurd target", "absurd source"],
)
def test_what_cannot_be_encoded_is_refused_and_leaves_nothing(
    tmp_path: Path, segmenter: Segmenter, rows: Pairs, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        encode_corpus(rows, [segmenter] * 2, tmp_path / "corpus", EncodeConfig())
    assert list(tmp_path.iterdir()) == []


def test_a_failure_midway_leaves_the_old_corpus(
    tmp_path: Path, encoded: Encoded, segmenter: Segmenter
) -> None:
    before = contents(encoded().folder)

    def rows() -> object:
        yield ("a", "b")
        raise DataError("line 2 is damaged")

    with pytest.raises(DataError, match="line 2 is damaged"):
        encode_corpus(rows(), [segmenter] * 2, tmp_path / "corpus", EncodeConfig())
    assert contents(tmp_path / "corpus") == before
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_corpus_is_replaced_as_a_whole(encoded: Encoded) -> None:
    encoded()
    corpus = encoded([("new", "neu")])
    assert len(corpus) == 1
    assert corpus.line("target", 0) == "neu"


@pytest.mark.parametrize("lines_at_once", [1, 2, 1000])
def test_how_many_lines_are_taken_at_once_makes_no_difference(
    encoded: Encoded, pairs: Pairs, monkeypatch: pytest.MonkeyPatch, lines_at_once: int
) -> None:
    rows = [*pairs, ("", "x"), ("cat", "dog")]
    expected = contents(encoded(rows).folder)
    monkeypatch.setattr(encode_module, "LINES_AT_ONCE", lines_at_once)
    assert contents(encoded(rows).folder) == expected


def test_the_hash_of_the_content_depends_on_lines_and_their_order(
    encoded: Encoded, pairs: Pairs
) -> None:
    def content(rows: Pairs) -> str:
        return encoded(rows).record.content

    first = content(pairs)
    assert content(pairs) == first
    assert content([*pairs, ("", "")]) == first
    assert content(pairs[::-1]) != first
    assert content([*pairs[:-1], (pairs[-1][0] + " ", pairs[-1][1])]) != first
    assert content([(target, source) for source, target in pairs]) != first


class Large(Segmenter):
    """A segmenter of any size whose one piece is its last."""

    def __init__(self, small: Segmenter, vocab_size: int) -> None:
        super().__init__(small.path.read_bytes(), small.path)
        self.vocab_size = vocab_size

    def encode_lines(self, lines: object, threads: int = 1) -> list[list[int]]:
        return [[self.vocab_size - 1] * len(line) for line in lines]


@pytest.mark.parametrize(("vocab_size", "dtype"), [(2**16, "uint16"), (2**16 + 1, "uint32")])
@pytest.mark.parametrize("side", [0, 1])
def test_ids_are_stored_in_the_smallest_type_that_holds_them(
    tmp_path: Path, segmenter: Segmenter, vocab_size: int, dtype: str, side: int
) -> None:
    models = [segmenter, Large(segmenter, vocab_size)]
    models = models if side else models[::-1]
    record = encode_corpus([("ab", "ab")], models, tmp_path / "corpus", EncodeConfig())
    assert record.dtype == dtype
    ids = EncodedCorpus(tmp_path / "corpus").ids[("source", "target")[side]]
    assert ids[0].tolist() == [vocab_size - 1] * 2


def test_a_limit_below_one_piece_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"encode.max_pieces must be at least 1, not 0"):
        EncodeConfig(max_pieces=0)
