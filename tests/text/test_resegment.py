"""What is drawn spells the same, is as probable as papers say, and depends on the seed alone."""

import itertools
import math
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.resegment import Resegmenter, draw_merges, unigram_draw
from nmt.text.segmenter import Segmenter

KINDS = ("unigram", "bpe")
NO_CHANGE = {"unigram": 1e4, "bpe": 0.0}
STRENGTH = {"unigram": 0.3, "bpe": 0.2}
DRAWS = 4000


def lines(count: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    letters = random.Random(1)
    words = ["".join(letters.choices("adehinorst", k=letters.randint(2, 6))) for _ in range(40)]
    return [" ".join(generator.choices(words, k=generator.randint(1, 6))) for _ in range(count)]


@pytest.fixture(scope="module", params=[(kind, norm) for kind in KINDS for norm in (True, False)])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    kind, normal = request.param
    config = SegmentConfig(
        kind=kind,
        vocab_size=310,
        user_symbols=("<2x>", "@"),
        normalization="nmt_nfkc" if normal else "identity",
    )
    text = lines(300, 1)
    return learn_segmenter(text, tmp_path_factory.mktemp(kind) / "m.model", config)


ODD = [
    "",
    " ",
    "an  odd   space ",
    "@",
    "<2x>hid@rose ",
    "\u65e5\u672c no \U0001f642 hid",
    "zzz qqq",
]


def test_without_chance_it_is_what_the_segmenter_cuts(model: Segmenter) -> None:
    exact = Resegmenter(model, NO_CHANGE[model.kind])
    for line in [*lines(200, 2), *ODD]:
        ids = model.encode(line)
        assert exact(ids, 1) == ids


def test_what_is_drawn_spells_the_same_and_keeps_symbols_and_bytes(model: Segmenter) -> None:
    draw = Resegmenter(model, STRENGTH[model.kind])
    for seed, line in enumerate([*lines(60, 3), *ODD]):
        ids = model.encode(line)
        drawn = draw(ids, seed)
        assert model.decode(drawn) == model.decode(ids)
        fixed = [[each for each in cut if not model.is_plain(each)] for cut in (ids, drawn)]
        assert fixed[0] == fixed[1]


def test_what_is_fixed_is_told_from_what_was_learnt(model: Segmenter) -> None:
    names = {model.texts[id_] for id_ in range(model.vocab_size) if not model.is_plain(id_)}
    special = {"<unk>", "<s>", "</s>", "<pad>", "<2x>", "@"}
    assert names == special | {f"<0x{byte:02X}>" for byte in range(256)}


def test_seeds_draw_differently_and_each_always_the_same(model: Segmenter) -> None:
    draw, ids = Resegmenter(model, STRENGTH[model.kind]), model.encode(" ".join(lines(9, 4)))
    assert draw(ids, 5) == draw(ids, 5) == Resegmenter(model, STRENGTH[model.kind])(ids, 5)
    assert len({tuple(draw(ids, seed)) for seed in range(20)}) > 3


def test_another_process_draws_the_same(model: Segmenter) -> None:
    ids, strength = model.encode(" ".join(lines(5, 6))), STRENGTH[model.kind]
    code = (
        "from nmt.text.resegment import Resegmenter; from nmt.text.segmenter import Segmenter;"
        f"print(Resegmenter(Segmenter.load({str(model.path)!r}), {strength})({ids}, 7))"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=True)
    assert found.stdout.decode().strip() == str(Resegmenter(model, strength)(ids, 7))


SCORES = {"a": -1.0, "b": -2.0, "c": -1.5, "ab": -2.2, "bc": -3.0, "abc": -3.5, "x": -0.1}


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_segmentations_are_drawn_by_their_probability(alpha: float) -> None:
    word = "abcab"
    weights = {
        cut: math.exp(alpha * sum(SCORES[piece] for piece in cut))
        for cut in segmentations(word)
        if all(piece in SCORES for piece in cut)
    }
    draw, generator = unigram_draw(SCORES, alpha), random.Random(1)
    counts = Counter(tuple(draw(word, generator)) for _ in range(DRAWS))
    for cut, weight in weights.items():
        share = weight / sum(weights.values())
        assert counts[cut] / DRAWS == pytest.approx(share, abs=4 * (share / DRAWS) ** 0.5)
    assert set(counts) <= set(weights)


def segmentations(word: str) -> list[tuple[str, ...]]:
    """List all ways to cut a word."""
    return [
        tuple(word[start:end] for start, end in itertools.pairwise([0, *cuts, len(word)]))
        for count in range(len(word))
        for cuts in itertools.combinations(range(1, len(word)), count)
    ]


def test_a_merge_is_left_out_as_often_as_was_asked_for() -> None:
    merges = {"ab": 0.0, "abc": -1.0, "bc": -2.0}
    generator = random.Random(1)
    counts = Counter(
        tuple(draw_merges("abc", generator, scores=merges, dropout=0.3)) for _ in range(DRAWS)
    )
    expected = {
        ("abc",): 0.7 * 0.7,  # a b, then ab c
        ("ab", "c"): 0.7 * 0.3,
        ("a", "bc"): 0.3 * 0.7 * 0.3,  # a bc was merged, and a bc left out
        ("a", "b", "c"): 0.3 * 0.3,
    }
    expected["abc",] += 0.3 * 0.7 * 0.7
    for cut, share in expected.items():
        assert counts[cut] / DRAWS == pytest.approx(share, abs=4 * (share / DRAWS) ** 0.5)
