"""Several corpora are read as the one that all of their text would make."""

import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from nmt.corpus.batches import BatchStream, Boundaries, Position
from nmt.corpus.config import DataConfig, EncodeConfig, StageConfig
from nmt.corpus.corpora import Corpora
from nmt.corpus.encode import encode_corpus
from nmt.errors import ConfigError, DataError
from nmt.text.segmenter import Segmenter

Pairs = list[tuple[str, str]]
Encode = Callable[..., str]


@pytest.fixture
def encode(tmp_path: Path, segmenter: Segmenter) -> Encode:
    """Encode pairs to a folder of some name."""

    def make(name: str, rows: Pairs, *models: Segmenter) -> str:
        models = models or (segmenter, segmenter)
        encode_corpus(rows, list(models), tmp_path / name, EncodeConfig())
        return str(tmp_path / name)

    return make


@pytest.fixture
def parts(encode: Encode, pairs: Pairs) -> list[str]:
    return [encode("a", pairs[:2]), encode("b", pairs[2:3]), encode("c", pairs[3:])]


def test_pairs_are_numbered_through(encode: Encode, parts: list[str], pairs: Pairs) -> None:
    several, one = Corpora(parts), Corpora([encode("all", pairs)])
    assert len(several) == len(one) == len(pairs)
    assert several.sizes == [2, 1, len(pairs) - 3]
    numbers = np.array([5, 0, 3, 2, 0])
    for side in ("source", "target"):
        assert several.longest(side) == one.longest(side)
        assert several.lengths_of(side, numbers).tolist() == one.lengths_of(side, numbers).tolist()
        for number in range(len(pairs)):
            assert several.line(side, number) == one.line(side, number)
            assert several.sequence(side, number).tolist() == one.sequence(side, number).tolist()


def test_batches_are_those_of_the_corpus_of_all_text(
    encode: Encode, parts: list[str], pairs: Pairs
) -> None:
    ends = Boundaries(2, 1, 3)
    streams = (
        BatchStream(Corpora(folders), 300, 1, ends) for folders in (parts, [encode("all", pairs)])
    )
    for (batch, after), (other, same) in zip(
        *(islice(stream.from_position(Position()), 9) for stream in streams), strict=True
    ):
        assert after == same
        assert batch.source.tolist() == other.source.tolist()
        assert batch.target.tolist() == other.target.tolist()


def test_what_is_held_is_told_by_one_hash(parts: list[str]) -> None:
    alone = [Corpora([part]) for part in parts]
    assert [each.content for each in alone] == [each.first.record.content for each in alone]
    assert Corpora(parts).content == Corpora(parts).content
    assert Corpora(parts).content != Corpora(parts[::-1]).content


def test_corpora_of_other_segmenters_are_refused(
    encode: Encode, parts: list[str], pairs: Pairs, other_segmenter: Segmenter
) -> None:
    folder = encode("other", pairs, other_segmenter, other_segmenter)
    message = f"{folder} was encoded with another segmenter than {parts[0]}; encode it with those"
    with pytest.raises(DataError, match=re.escape(message)):
        Corpora([*parts, folder])


def test_a_monolingual_corpus_among_parallel_ones_is_refused(
    encode: Encode, parts: list[str], segmenter: Segmenter
) -> None:
    folder = encode("mono", [("a cat",)], segmenter)
    message = f"{folder} holds source text, but {parts[0]} source and target; train on"
    with pytest.raises(DataError, match=re.escape(message)):
        Corpora([*parts, folder])


TWO = ("a", "b")
ONE_STAGE = (StageConfig(weights=(1.0, 1.0)),)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": (1.0,)}, "data.weights has 1 shares, but data.train names 2 corpora; give"),
        ({"weights": (0.0, 0.0)}, "data.weights must be 0 or more, and one of them above, not"),
        ({"weights": (-1.0, 2.0)}, "data.weights must be 0 or more, and one of them above, not"),
        ({"weights": (float("nan"), 2.0)}, "data.weights must be 0 or more, and one of them"),
        ({"temperature": -1.0}, "data.temperature must be 0 or more, not -1.0"),
        ({"temperature": float("inf")}, "data.temperature must be 0 or more, not inf"),
        (
            {"temperature": 2.0, "weights": (1.0, 1.0)},
            "data.weights and data.temperature exclude each other",
        ),
        (
            {"stages": ONE_STAGE, "weights": (1.0, 1.0)},
            "data.stages excludes data.weights and data.temperature; say them in each stage",
        ),
        (
            {"stages": (StageConfig(pairs=9),)},
            "data.stages[0].pairs = 9, but the last stage never ends; leave it out",
        ),
        (
            {"stages": (StageConfig(), *ONE_STAGE)},
            "data.stages[0].pairs must be at least 1, not 0, as stages follow it",
        ),
        (
            {"stages": (StageConfig(weights=(1.0,)),)},
            "data.stages[0].weights has 1 shares, but data.train names 2 corpora",
        ),
        ({"sampling_alpha": -0.1}, "data.sampling_alpha must be 0 or more, not -0.1"),
        ({"bpe_dropout": 1.0}, "data.bpe_dropout must lie in [0, 1), not 1.0"),
        (
            {"bpe_dropout": 0.1, "sampling_alpha": 0.1},
            "data.sampling_alpha and data.bpe_dropout exclude each other",
        ),
    ],
)
def test_settings_that_fit_no_corpora_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        DataConfig(train=TWO, **values)  # type: ignore[arg-type]


def test_what_says_no_shares_is_not_mixed() -> None:
    assert DataConfig(train=TWO).mixtures == ()
    assert DataConfig(train=TWO, stages=ONE_STAGE).mixtures == ONE_STAGE
    assert DataConfig(train=TWO, weights=(1.0, 1.0)).mixtures == ONE_STAGE
