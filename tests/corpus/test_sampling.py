"""Text is cut anew each epoch, the same whenever it is asked, within bounds."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from nmt.corpus.batches import Batch, BatchStream, Boundaries, Position
from nmt.corpus.config import DataConfig, EncodeConfig, StageConfig
from nmt.corpus.corpora import Corpora
from nmt.corpus.encode import encode_corpus
from nmt.corpus.order import InTurn, Mixed
from nmt.corpus.sampling import SLACK, Sampling, sampling_of
from nmt.errors import ConfigError
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.segmenter import Segmenter

LETTERS = random.Random(1)
WORDS = ["".join(LETTERS.choices("adehinorst", k=LETTERS.randint(2, 6))) for _ in range(40)]
ENDS = Boundaries(2, 1, 2)
BUDGET = 96
KINDS = ("unigram", "bpe")
STRENGTH = {"unigram": 0.2, "bpe": 0.2}
Make = Callable[..., BatchStream]


def lines(count: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=generator.randint(1, 6))) for _ in range(count)]


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    folder = tmp_path_factory.mktemp(request.param)
    config = SegmentConfig(
        kind=request.param, vocab_size=50, byte_fallback=False, user_symbols=("<2x>",)
    )
    return learn_segmenter(lines(200, 1), folder / "m.model", config)


@pytest.fixture
def corpus(tmp_path: Path, model: Segmenter) -> Corpora:
    pairs = list(zip(lines(60, 2), lines(60, 3), strict=True))
    encode_corpus(pairs, [model] * 2, tmp_path / "c", EncodeConfig(source_tag=("<2x>",)))
    return Corpora([str(tmp_path / "c")])


def sampling(corpus: Corpora, model: Segmenter, seed: int = 1, room: int = 99) -> Sampling:
    sides = {"source": model, "target": model}
    return Sampling(corpus, sides, STRENGTH[model.kind], seed, room)


def stream(corpus: Corpora, model: Segmenter, *, mixed: bool = False) -> BatchStream:
    order = InTurn(len(corpus), 1, 16)
    if mixed:
        order = Mixed([8, 52], (StageConfig(weights=(1.0, 1.0)),), 1, 16)
    return BatchStream(corpus, BUDGET, 1, ENDS, order, sampling(corpus, model))


def taken(batches: BatchStream, count: int, position: Position) -> list[object]:
    found = islice(batches.from_position(position), count)
    return [(batch.source.tolist(), batch.target.tolist(), after) for batch, after in found]


@pytest.mark.parametrize("mixed", [False, True])
def test_a_stream_that_cuts_anew_goes_on_from_every_position(
    corpus: Corpora, model: Segmenter, mixed: bool
) -> None:
    whole = list(islice(stream(corpus, model, mixed=mixed).from_position(Position()), 24))
    seen = taken(stream(corpus, model, mixed=mixed), 24, Position())
    for done in range(1, 24, 4):
        again = stream(corpus, model, mixed=mixed)
        assert taken(again, 24 - done, whole[done - 1][1]) == seen[done:]


def test_text_is_what_it_was_and_its_tags_stand(corpus: Corpora, model: Segmenter) -> None:
    tag = model.id_of("<2x>")
    numbers = np.arange(len(corpus))
    for side in ("source", "target"):
        for number, ids in enumerate(sampling(corpus, model).cut(side, numbers, (0,))):
            assert (ids[0] == tag) == (side == "source")
            own = ids[1:] if side == "source" else ids
            assert tag not in own
            assert model.decode(own.tolist()) == corpus.line(side, number)


def test_epochs_seeds_and_sides_cut_differently(corpus: Corpora, model: Segmenter) -> None:
    numbers = np.arange(len(corpus))

    def cut(seed: int, epoch: int) -> list[list[int]]:
        return [
            ids.tolist() for ids in sampling(corpus, model, seed).cut("source", numbers, (epoch,))
        ]

    usual = [corpus.sequence("source", number).tolist() for number in numbers]
    assert cut(1, 0) == cut(1, 0)
    assert len({str(each) for each in (cut(1, 0), cut(1, 1), cut(2, 0), usual)}) == 4


def test_a_cut_depends_on_the_pair_and_not_on_its_batch(corpus: Corpora, model: Segmenter) -> None:
    whole = sampling(corpus, model, room=10**6)
    numbers = np.arange(len(corpus))
    whole.growth = 10**6
    together = whole.cut("target", numbers, (3,))
    alone = [whole.cut("target", numbers[at : at + 1], (3,))[0] for at in numbers]
    assert [ids.tolist() for ids in together] == [ids.tolist() for ids in alone]


def test_a_pair_that_comes_twice_in_an_epoch_is_cut_twice(
    corpus: Corpora, model: Segmenter
) -> None:
    batches = stream(corpus, model, mixed=True)
    numbers = np.arange(8)
    cuts = [batches.batch(numbers, Position(0, batch, 1)) for batch in (0, 1)]
    assert cuts[0].source.tolist() != cuts[1].source.tolist()


def test_batches_are_about_as_large_as_was_asked_for(corpus: Corpora, model: Segmenter) -> None:
    batches: list[Batch] = [
        batch for batch, _ in islice(stream(corpus, model).from_position(Position()), 60)
    ]
    sizes = [max(batch.source.size, batch.target[:, 1:].size) for batch in batches]
    assert max(sizes) <= SLACK * BUDGET + max(len(batch.source) for batch in batches)
    assert sampling(corpus, model).growth > 1


def test_no_line_becomes_longer_than_a_model_reads(corpus: Corpora, model: Segmenter) -> None:
    room = max(corpus.longest(side) for side in ("source", "target"))
    numbers = np.arange(len(corpus))
    for side in ("source", "target"):
        for epoch in range(5):
            cut = sampling(corpus, model, room=room).cut(side, numbers, (epoch,))
            assert max(map(len, cut)) <= room


def test_the_setting_must_be_that_of_the_segmenters_kind(corpus: Corpora, model: Segmenter) -> None:
    sides = {"source": model, "target": model}
    right, wrong = (
        {"unigram": DataConfig(sampling_alpha=0.2), "bpe": DataConfig(bpe_dropout=0.2)}[kind]
        for kind in sorted(KINDS, key=lambda kind: kind != model.kind)
    )
    assert sampling_of(corpus, sides, replace(right), 1, 99) is not None
    assert sampling_of(corpus, sides, DataConfig(), 1, 99) is None
    names = ("bpe_dropout", "sampling_alpha")
    other, own = names if model.kind == "unigram" else names[::-1]
    message = f"is {model.kind}; set data.{own} instead"
    with pytest.raises(ConfigError, match=rf"data.{other} is for .*{re.escape(message)}"):
        sampling_of(corpus, sides, wrong, 1, 99)
