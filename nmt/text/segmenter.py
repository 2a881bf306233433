"""Subword segmentation by a SentencePiece model: lines to pieces or ids, and back."""

import functools
import hashlib
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece

from nmt.errors import DataError
from nmt.files import atomic_write, read_bounded

ALL_CORES = -1
ABSENT = -1  # how SentencePiece says that a model lacks a special piece
LOG_ERRORS_ONLY = 2
SPACE = "\u2581"  # how SentencePiece spells one
MAX_BYTES = 2**28  # of a model; one of a million pieces has some 20 million

sentencepiece.set_min_log_level(LOG_ERRORS_ONLY)


@dataclass(frozen=True)
class Cut:
    """A text in pieces.

    Attributes:
        text: As it was given, or as the pieces spell it.
        spans: The characters of the text that each piece stands for, from the first to the one
            after the last; none for a piece that normalisation has put in.
    """

    text: str
    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    def first(self, count: int) -> "Cut":
        """Keep so many pieces; the text stays whole."""
        return Cut(self.text, self.ids[:count], self.pieces[:count], self.spans[:count])


class Segmenter:
    """A loaded SentencePiece model.

    Special ids are what the model says. SentencePiece spells a space U+2581, so that this one
    character cannot be told from a space: `decode` returns it as one.

    Attributes:
        path: Where the model was read.
        sha256: Hash of the model file.
        unknown_id: Stands for what the vocabulary cannot spell.
        eos_id: Ends every sequence.
        start_id: Starts a target: the model's `<s>`, or its end of sentence if it has none.
        pad_id: The model's padding piece; None where it has none.
    """

    def __init__(self, model: bytes, path: Path) -> None:
        self.path = path
        self.sha256 = hashlib.sha256(model).hexdigest()
        self._model = model
        self._processor = processor(model, path)
        self.vocab_size: int = self._processor.get_piece_size()
        self.unknown_id: int = self._processor.unk_id()
        self.eos_id: int = self._processor.eos_id()
        if self.eos_id == ABSENT:
            raise DataError(
                f"{path} has no piece that ends a sentence, which translation needs; "
                "learn a model with nmt segment learn"
            )
        start, pad = self._processor.bos_id(), self._processor.pad_id()
        self.start_id: int = self.eos_id if start == ABSENT else start
        self.pad_id: int | None = None if pad == ABSENT else pad

    @classmethod
    def load(cls, path: str | Path) -> "Segmenter":
        """Read a `.model` file.

        Raises:
            DataError: The file is missing, is no SentencePiece model, or has no end of sentence.
        """
        try:
            model = read_bounded(path, MAX_BYTES)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None
        return cls(model, Path(path))

    def save(self, path: str | Path) -> None:
        """Write the model as it was read, byte for byte."""
        with atomic_write(path) as stream:
            stream.write(self._model)

    def id_of(self, piece: str) -> int | None:
        """Find a piece's id; None where the vocabulary lacks it."""
        found: int = self._processor.piece_to_id(piece)
        return None if found == self.unknown_id else found

    def encode(self, line: str) -> list[int]:
        """Turn a line into ids, without special ones."""
        ids: list[int] = self._processor.encode(line, return_type=int)
        return ids

    def encode_lines(self, lines: Iterable[str], threads: int = ALL_CORES) -> list[list[int]]:
        """Turn lines into ids, by default on all cores; the same as `encode` of each."""
        ids: list[list[int]] = self._processor.encode(
            list(lines), return_type=int, num_threads=threads
        )
        return ids

    def tag_ids(self, tags: Iterable[str]) -> list[int]:
        """Find the ids of tags.

        Raises:
            DataError: One is no piece, or a special one.
        """
        return [self._tag_id(tag) for tag in tags]

    def _tag_id(self, tag: str) -> int:
        found = self.id_of(tag)
        special = found is not None and (
            self._processor.is_control(found) or self._processor.is_byte(found)
        )
        if found is None or special:
            state = "a special piece" if special else "no piece"
            raise DataError(
                f"the tag {tag!r} is {state} of {self.path}; learn a segmenter that has it: "
                f"nmt segment learn --user-symbols {shlex.quote(tag or '<tag>')}"
            )
        return found

    @functools.cached_property
    def kind(self) -> str:
        """Tell by which algorithm pieces are chosen: "unigram", or "bpe" for any other."""
        try:
            self._processor.nbest_encode("a", nbest_size=1, return_type=int)
        except RuntimeError:
            return "bpe"
        return "unigram"

    def knows_none(self, ids: Sequence[int]) -> bool:
        """Tell whether ids stand for characters that have no piece, spaces apart, and no others."""
        return bool(ids) and all(map(self._is_makeshift, ids)) and any(map(self._stands_for, ids))

    def _is_makeshift(self, id_: int) -> bool:
        """Tell what stands for a character without a piece, or is a space."""
        return self._stands_for(id_) or not self._processor.id_to_piece(id_).strip(SPACE)

    def _stands_for(self, id_: int) -> bool:
        """Tell what stands for a character without a piece: the unknown piece, or a byte."""
        return id_ == self.unknown_id or bool(self._processor.is_byte(id_))

    @functools.cached_property
    def texts(self) -> list[str]:
        """List all pieces by id."""
        return [self._processor.id_to_piece(id_) for id_ in range(self.vocab_size)]

    @functools.cached_property
    def surfaces(self) -> list[str | int | None]:
        """List what each piece adds to a text: characters, a byte, or None where it adds nothing.

        `decode` gives these one after another; it leaves out spaces at the start, and has a
        replacement character for bytes that make none.
        """
        return [self._surface(id_, piece) for id_, piece in enumerate(self.texts)]

    def _surface(self, id_: int, piece: str) -> str | int | None:
        if self._processor.is_control(id_):
            return None
        if self._processor.is_byte(id_):
            return int(piece[1:-1], 16)  # <0xE2>
        return self.decode([id_]) if id_ == self.unknown_id else piece.replace(SPACE, " ")

    def score(self, id_: int) -> float:
        """Give the rank of a piece, as the model has it: higher is better."""
        score: float = self._processor.get_score(id_)
        return score

    def is_plain(self, id_: int) -> bool:
        """Tell whether a piece was learnt from text: no byte, no special piece, no user symbol."""
        model = self._processor
        special = model.is_control(id_) or model.is_unknown(id_) or model.is_byte(id_)
        # The score of a user symbol is 0; that of the first merge of BPE is -0.
        symbol = math.copysign(1, self.score(id_)) > 0
        return not (special or symbol or model.is_unused(id_))

    def __reduce__(self) -> tuple[type["Segmenter"], tuple[bytes, Path]]:
        return Segmenter, (self._model, self.path)

    def pieces(self, line: str) -> list[str]:
        """Cut a line into pieces, none of which holds a space."""
        pieces: list[str] = self._processor.encode(line, return_type=str)
        return pieces

    def cut_lines(self, lines: Sequence[str], threads: int = ALL_CORES) -> list[Cut]:
        """Cut lines into the pieces of `encode`, and say where each piece stands."""
        found: list[dict[str, Any]] = self._processor.encode(
            list(lines), return_type="offset_mapping", num_threads=threads
        )
        return [as_cut(line, each) for line, each in zip(lines, found, strict=True)]

    def cut_ids(self, ids: Iterable[int]) -> Cut:
        """Say where in the text of `decode` each piece stands."""
        found: dict[str, Any] = self._processor.decode(list(ids), return_type="offset_mapping")
        return as_cut(found["text"], found)

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into text; special ids other than the unknown one leave no trace."""
        text: str = self._processor.decode(list(ids))
        return text

    def join(self, pieces: Sequence[str]) -> str:
        """Undo `pieces`; a piece that the model does not know stands for itself."""
        text: str = self._processor.decode(list(pieces))
        return text


def as_cut(text: str, found: Mapping[str, Any]) -> Cut:
    """Take what the library says of a text's pieces."""
    return Cut(text, *(tuple(found[name]) for name in ("ids", "pieces", "offsets")))


def processor(model: bytes, path: Path) -> sentencepiece.SentencePieceProcessor:
    """Load a serialized model, or say that it is none."""
    loaded = sentencepiece.SentencePieceProcessor()
    try:
        loaded.load_from_serialized_proto(model)
    except RuntimeError:
        raise DataError(
            f"{path} is not a SentencePiece model; nmt segment learn makes one"
        ) from None
    return loaded
