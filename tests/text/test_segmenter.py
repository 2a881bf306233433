"""Lines come back from their pieces and ids; special ids are what the model says."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.segmenter import Segmenter

KINDS = ("unigram", "bpe")
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\n\u2581")
TEXT = st.text(CHARACTERS | st.sampled_from(" abtu19<>_\t"), max_size=20)


@pytest.fixture
def make(tmp_path: Path, corpus: list[str]) -> Any:
    """Train a model as other tools do, with any special pieces."""

    def made(**options: Any) -> Path:
        path = tmp_path / "other.model"
        with path.open("wb") as stream:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(corpus),
                model_writer=stream,
                vocab_size=40,
                minloglevel=2,
                **options,
            )
        return path

    return made


@pytest.mark.parametrize("kind", KINDS)
@given(line=TEXT)
def test_identity_gives_back_every_line(learn: Any, kind: str, line: str) -> None:
    segmenter = learn(kind=kind, normalization="identity")
    assert segmenter.decode(segmenter.encode(line)) == line
    assert segmenter.join(segmenter.pieces(line)) == line


@given(line=TEXT)
def test_text_that_was_normalised_once_comes_back(learn: Any, line: str) -> None:
    segmenter = learn()
    once = segmenter.decode(segmenter.encode(line))
    assert segmenter.decode(segmenter.encode(once)) == once


@given(line=TEXT)
def test_bytes_cover_unseen_characters_and_no_piece_holds_a_space(learn: Any, line: str) -> None:
    segmenter = learn(normalization="identity")
    assert segmenter.unknown_id not in segmenter.encode(line)
    assert not any(" " in piece for piece in segmenter.pieces(line))


def test_without_bytes_an_unseen_character_is_unknown(learn: Any) -> None:
    segmenter = learn(byte_fallback=False, vocab_size=40)
    assert segmenter.unknown_id in segmenter.encode("cat 日本")
    assert segmenter.join(segmenter.pieces("cat 日本")) == "cat 日本"


@given(lines=st.lists(TEXT, max_size=5))
def test_lines_encode_together_as_alone(learn: Any, lines: list[str]) -> None:
    segmenter = learn()
    assert segmenter.encode_lines(iter(lines)) == [segmenter.encode(line) for line in lines]


def test_the_space_mark_alone_comes_back_as_a_space(learn: Any) -> None:
    segmenter = learn(normalization="identity")
    assert segmenter.decode(segmenter.encode("a\u2581b")) == "a b"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("symbol", ["<2de>", "a,b", '"q"', "ﬁ", "ÄÖ"])
def test_a_user_symbol_is_one_piece(learn: Any, kind: str, symbol: str) -> None:
    segmenter = learn(kind=kind, user_symbols=("<2de>", "a,b", '"q"', "ﬁ", "ÄÖ"))
    assert symbol in segmenter.pieces(f"the cat{symbol}sat")


def test_special_ids_are_distinct_and_leave_no_trace(learn: Any) -> None:
    segmenter = learn()
    special = [segmenter.unknown_id, segmenter.start_id, segmenter.eos_id, segmenter.pad_id]
    assert special == [0, 1, 2, 3]
    ids = segmenter.encode("the cat")
    assert not set(special) & set(segmenter.encode("<unk> <s> </s> <pad>"))
    assert segmenter.decode([3, 1, *ids, 2, 3]) == segmenter.decode(ids) == "the cat"
    assert segmenter.decode([]) == segmenter.decode([2]) == ""


def test_special_ids_are_read_from_the_model(make: Any) -> None:
    segmenter = Segmenter.load(make(bos_id=-1, eos_id=0, unk_id=5, pad_id=-1))
    assert (segmenter.eos_id, segmenter.start_id, segmenter.unknown_id) == (0, 0, 5)
    assert segmenter.pad_id is None
    assert segmenter.vocab_size == 40


def test_a_model_without_an_end_of_sentence_is_refused(make: Any) -> None:
    with pytest.raises(DataError, match=r"other\.model has no piece that ends a sentence"):
        Segmenter.load(make(eos_id=-1))


@pytest.mark.parametrize("content", [b"", b"the cat\n", bytes(range(256))])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.model").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.model is not a SentencePiece model; nmt segment"):
        Segmenter.load(tmp_path / "bad.model")


def test_a_truncated_model_is_refused(tmp_path: Path, learn: Any) -> None:
    (tmp_path / "bad.model").write_bytes(learn().path.read_bytes()[:-7])
    with pytest.raises(DataError, match="is not a SentencePiece model"):
        Segmenter.load(tmp_path / "bad.model")


def test_a_missing_model_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*none\.model: No such file"):
        Segmenter.load(tmp_path / "none.model")
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        Segmenter.load(tmp_path)


def test_a_model_is_saved_byte_for_byte(tmp_path: Path, learn: Any) -> None:
    segmenter = learn()
    segmenter.save(tmp_path / "copy.model")
    content = segmenter.path.read_bytes()
    assert (tmp_path / "copy.model").read_bytes() == content
    assert segmenter.sha256 == hashlib.sha256(content).hexdigest()
    assert Segmenter.load(tmp_path / "copy.model").sha256 == segmenter.sha256


def test_settings_are_read_without_the_libraries() -> None:
    code = (
        "import sys, nmt.text.config\n"
        "assert not {'sentencepiece', 'regex', 'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("byte_fallback", [False, True])
def test_lines_of_characters_without_a_piece_are_told_from_others(
    tmp_path: Path, byte_fallback: bool
) -> None:
    size = 290 if byte_fallback else 40
    config = SegmentConfig(kind="bpe", vocab_size=size, byte_fallback=byte_fallback)
    lines = [f"{'abcdefghij'[each % 7 :]} {'klmno'[each % 5 :]} {each:b}" for each in range(200)]
    segmenter = learn_segmenter(lines, tmp_path / "model", config)
    for line, expected in {"日本 Ω": True, "日": True, "日a": False, "a": False, "": False}.items():
        assert segmenter.knows_none(segmenter.encode(line)) == expected, line
    assert not segmenter.knows_none([]), "nothing is nothing that it does not know"


@pytest.mark.parametrize("kind", KINDS)
@given(line=TEXT)
def test_cut_lines_say_where_the_pieces_of_encode_stand(learn: Any, kind: str, line: str) -> None:
    segmenter = learn(kind=kind, normalization="identity")
    (cut,) = segmenter.cut_lines([line])
    assert cut.text == line
    assert list(cut.ids) == segmenter.encode(line)
    assert [segmenter.id_of(piece) for piece in cut.pieces] == list(cut.ids)
    assert "".join(line[begin:end] for begin, end in cut.spans) == line
    again = segmenter.cut_ids(cut.ids)
    assert (again.text, again.ids, again.spans) == (line, cut.ids, cut.spans)


def test_pieces_of_normalised_text_stand_in_the_line_as_given(learn: Any) -> None:
    line = "  the  cat ﬁn "
    (cut,) = learn().cut_lines([line])
    ends = [end for _, end in cut.spans]
    assert ends == sorted(ends)
    assert "".join(line[begin:end] for begin, end in cut.spans).strip() == line.strip()
    assert learn().cut_ids(cut.ids).text == "the cat fin"
