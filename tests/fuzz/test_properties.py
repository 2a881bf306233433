"""Promises of the chain, on whatever Hypothesis comes up with."""

from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import sentencepiece
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.attention.layout import Layout, Pattern
from nmt.corpus.batches import BatchStream, Boundaries, Position
from nmt.corpus.config import StageConfig
from nmt.corpus.order import InTurn, Mixed
from nmt.model.compute import Compute
from nmt.model.directory import load_package
from nmt.search.config import SearchConfig
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.lines import read_lines, write_lines
from nmt.text.segmenter import Segmenter
from nmt.training.ranks import Ranks
from nmt.translate import Translator
from tests.attention.test_layout import pairs, rendered

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\n")
ODD = (
    "\r\0\x0b\x0c\x1c\x85\u2028\u2029\ufeff\u200b\u202e\u0301\u2581 \t\ufffd"  # line ends, to some
)
LINE = st.text(CHARACTERS | st.sampled_from(ODD) | st.sampled_from("abdeiklm "), max_size=30)
SPACE = "\u2581"
NORMALISATIONS = ("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "identity")
unhurried = hypothesis.settings(derandomize=True, deadline=None, max_examples=40)


@pytest.fixture(scope="session")
def translator(trained: Path) -> Translator:
    package = load_package(trained)
    search = SearchConfig(beam=2, limit_ratio=1.0, limit_extra=3)
    compute = Compute(torch.device("cpu"), torch.float32)
    return Translator(package.model, package.segmenters, search, compute)


@unhurried
@given(lines=st.lists(LINE, max_size=6))
def test_any_unicode_in_gives_as_many_lines_out(
    translator: Translator, tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    found = list(translator.translate(lines))
    assert [each.source for each in found] == lines
    path = tmp_path_factory.getbasetemp() / "translated"
    assert write_lines(path, (each.text for each in found)) == len(lines)
    assert len(list(read_lines(path))) == path.read_bytes().count(b"\n") == len(lines)


@pytest.fixture(scope="session")
def segmenters(tmp_path_factory: pytest.TempPathFactory, toy: Path) -> dict[str, Segmenter]:
    """Learn a segmenter for each kind of normalisation."""
    lines = list(read_lines(toy / "train.src"))
    folder = tmp_path_factory.mktemp("normalising")

    def learnt(name: str) -> Segmenter:
        config = SegmentConfig(vocab_size=290, byte_fallback=True, normalization=name)
        return learn_segmenter(lines, folder / f"{name}.model", config)

    return {name: learnt(name) for name in NORMALISATIONS}


@pytest.mark.parametrize("name", NORMALISATIONS)
@unhurried
@given(line=LINE)
def test_what_is_encoded_and_decoded_is_normalised_and_no_more(
    segmenters: dict[str, Segmenter], name: str, line: str
) -> None:
    segmenter = segmenters[name]
    normaliser = sentencepiece.SentencePieceProcessor(model_file=str(segmenter.path))
    normalised = normaliser.normalize(line).replace(SPACE, " ")
    added = " " if normaliser.normalize("a").startswith(SPACE) else ""  # before the first word
    expected = normalised.removeprefix(added)
    assert segmenter.decode(segmenter.encode(line)) == expected
    if name == "identity":
        assert expected == line.replace(SPACE, " ")


class Numbered:
    """Pairs whose only piece is their number."""

    def __init__(self, lengths: list[int]) -> None:
        self._lengths = np.array(lengths)

    def __len__(self) -> int:
        return len(self._lengths)

    def lengths_of(self, side: str, numbers: Any) -> Any:
        return self._lengths[numbers]

    def longest(self, side: str) -> int:
        return int(self._lengths.max())

    def sequence(self, side: str, number: int) -> Any:
        return np.full(self._lengths[number], number)

    def num_tags(self, side: str, number: int) -> int:
        return 0

    def line(self, side: str, number: int) -> str:
        return str(number)


@unhurried
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=60),
    budget=st.integers(10, 60),
    window=st.integers(1, 70),
    size=st.integers(1, 4),
    accumulate=st.integers(1, 3),
    stops=st.sets(st.integers(1, 30), max_size=3),
    mixed=st.booleans(),
    seed=st.integers(0, 3),
)
def test_every_pair_comes_once_an_epoch_whoever_trains_and_however_often_it_stops(
    lengths: list[int], budget: int, window: int, size: int, accumulate: int, stops: set[int],
    mixed: bool, seed: int,
) -> None:  # fmt: skip
    corpus, num_epochs = Numbered(lengths), 2
    order = (
        Mixed([len(lengths)], (StageConfig(weights=(1.0,)),), seed, window)
        if mixed
        else InTurn(len(lengths), seed, window)
    )
    ends = Boundaries(len(lengths), len(lengths), len(lengths))
    stream = BatchStream(corpus, budget, seed, ends, order)
    position, batches, seen, updates = Position(), None, [Counter() for _ in range(9)], 0
    while position.epoch < num_epochs:
        if batches is None or updates in stops:  # begin, or resume from what a checkpoint holds
            batches = stream.from_position(position)
        begun = position
        used = [next(batches) for _ in range(size * accumulate)]
        position = used[-1][1]
        epochs = [begun.epoch, *(after.epoch for _, after in used)]  # of each batch used
        for rank in range(size):
            for turn in Ranks(rank, size).turns(list(zip(epochs, used, strict=False))):
                epoch, (batch, _) = turn.item
                seen[min(epoch, 8)].update(batch.source[:, 0].tolist() if turn.factor else [])
        updates += 1
    for epoch in range(num_epochs):
        assert seen[epoch] == Counter(range(len(lengths)))


LAYOUTS = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 3),
        "queries": st.integers(1, 7),
        "keys": st.integers(1, 7),
        "causal": st.booleans(),
        "offset": st.integers(0, 5),
        "padded": st.booleans(),
        "window": st.none() | st.integers(0, 4),
        "dilation": st.integers(1, 3),
        "globals": st.integers(0, 2),
        "sentences": st.booleans(),
        "seed": st.integers(0, 99),
    }
)


@unhurried
@given(LAYOUTS)
def test_masks_are_what_a_loop_over_pairs_says(drawn: dict[str, Any]) -> None:
    random = torch.Generator().manual_seed(drawn["seed"])
    batch, queries, keys = drawn["batch"], drawn["queries"], drawn["keys"]
    window = drawn["window"]
    narrow = {"dilation": drawn["dilation"], "num_globals": drawn["globals"]} if window else {}
    layout = Layout(
        num_queries=queries,
        num_keys=keys,
        key_lengths=torch.randint(keys + 1, (batch,), generator=random)
        if drawn["padded"]
        else None,
        causal=drawn["causal"],
        offset=drawn["offset"],
        query_sentences=torch.randint(3, (batch, queries), generator=random),
        key_sentences=torch.randint(3, (batch, keys), generator=random),
        pattern=Pattern(window, sentences=drawn["sentences"], **narrow),
    )
    assert torch.equal(rendered(layout, batch), pairs(layout, batch))
