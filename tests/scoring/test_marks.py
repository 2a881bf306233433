"""Pieces are refused, the same signs in plain text are not."""

import logging
import re
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.scoring.marks import refuse_segmented
from nmt.scoring.texts import Text

PLAIN = ["Das ist gut.", "", "Das Wetter ist schön."]
PIECES = {
    "SentencePiece pieces (marked '▁')": ["▁Da s ▁ist ▁gut .", "", "▁Das ▁We tter ▁ist ▁sch ön ."],
    "BPE pieces (marked '@@')": ["Da@@ s ist gut .", "", "Das We@@ tter ist sch@@ ön ."],
    "byte pieces (marked '<0x')": ["Das ist gut<0x2E>", "", "Das Wetter ist sch<0xC3><0xB6>n."],
}


@pytest.mark.parametrize(("kind", "lines"), PIECES.items(), ids=["sentencepiece", "bpe", "bytes"])
def test_pieces_are_refused_with_file_line_count_and_remedy(kind: str, lines: list[str]) -> None:
    message = (
        f"hyp.de, line 1: {kind} on 2 of 3 lines; "
        "scores compare plain text: run nmt segment undo on it first"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        refuse_segmented(Text("hyp.de", lines), [Text("ref.de", PLAIN)])


@pytest.mark.parametrize(
    "line", ["▁", "x ▁", "ein Wort@@", "Wo@@ rt", "<0x0A>", "a<0xE2>b", "\t▁a", "▁a▁b"]
)
def test_one_mark_is_enough_in_a_small_text(line: str) -> None:
    with pytest.raises(DataError, match=r"h, line 2: .* on 1 of 2 lines"):
        refuse_segmented(Text("h", ["gut", line]), [Text("r", ["gut", "gut"])])


@pytest.mark.parametrize(
    "line",
    [
        "The load was ▁▂▃▅▇ today",  # a bar chart of block elements
        "@@ -1,7 +1,6 @@ def main():",  # the head of a diff's hunk
        "@@@ -1 -1 +1 @@@",  # the same of a merge
        "write to me @ home, x@y.org",
        "the value 0xE2 or <0xzz> or <0xe2>",
        "a_b __init__ ## head",
        "5▁ is an odd unit",  # SentencePiece marks the start of a word, never its end
    ],
)
def test_plain_text_that_looks_alike_is_accepted(line: str) -> None:
    refuse_segmented(Text("h", [line]), [Text("r", ["something else"])])


@pytest.mark.parametrize(
    "line", ["Pieces start with ▁ here", "BPE writes Wo@@ rt", "the byte <0xE2> is first"]
)
def test_a_mark_that_a_reference_holds_is_legitimate(line: str) -> None:
    plain = Text("r1", ["no mark", "x"])
    refuse_segmented(Text("h", [line, "x"]), [plain, Text("r2", [line, "x"])])
    refuse_segmented(Text("h", [line]), [Text("r", [line])])
    with pytest.raises(DataError, match="h, line 1"):
        refuse_segmented(Text("h", [line, "x"]), [plain])
    with pytest.raises(DataError, match="h, line 1"):  # the mark is on another line
        refuse_segmented(Text("h", [line, "x"]), [Text("r", ["x", line])])


@pytest.mark.parametrize("lines", PIECES.values(), ids=["sentencepiece", "bpe", "bytes"])
def test_a_reference_in_pieces_makes_nothing_legitimate(lines: list[str]) -> None:
    reference = Text("ref.de", lines * 2)
    for hypothesis in (lines, PLAIN):
        with pytest.raises(DataError, match=r"^ref\.de, line 1: .* on 4 of 6 lines; .* undo"):
            refuse_segmented(Text("hyp.de", hypothesis * 2), [reference])


def test_a_few_marks_in_a_long_text_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    lines = ["plain"] * 299 + ["the sign ▁ is rare"]
    with caplog.at_level(logging.WARNING):
        refuse_segmented(Text("h", lines), [Text("r", ["plain"] * 300)])
    assert caplog.messages == [
        "h, line 300: SentencePiece pieces (marked '▁') on 1 of 300 lines; scored as they are"
    ]
    with pytest.raises(DataError, match="on 4 of 303 lines"):
        refuse_segmented(Text("h", lines + lines[-1:] * 3), [Text("r", ["plain"] * 303)])


@given(st.lists(st.text(alphabet="abc ▁@<0xE2>.", max_size=12), min_size=1, max_size=5))
def test_a_text_is_never_refused_against_itself_unless_the_reference_is(lines: list[str]) -> None:
    try:
        refuse_segmented(Text("h", lines), [Text("r", lines)])
    except DataError as error:
        assert str(error).startswith("r, line ")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_what_sentencepiece_writes_is_refused_and_what_it_decodes_is_not(
    tmp_path: Path, kind: str
) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(PLAIN * 3), model_prefix=str(tmp_path / "m"), vocab_size=290,
        model_type=kind, byte_fallback=True, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    model = sentencepiece.SentencePieceProcessor(str(tmp_path / "m.model"))
    lines = ["Das ist Q!", "Das Wetter"]
    pieces = [model.encode(line, out_type=str) for line in lines]
    with pytest.raises(DataError, match="SentencePiece pieces"):
        refuse_segmented(Text("h", [" ".join(line) for line in pieces]), [Text("r", lines)])
    refuse_segmented(Text("h", [model.decode(line) for line in pieces]), [Text("r", lines)])
