"""Search among what a source suggests: against search among everything, and masks by hand.

Three sentences of 6, 2 and 4 ids; a vocabulary of 11.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import AttentionSections
from nmt.attention.rows import Rows
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.model.shortlist import Shortlist
from nmt.search.beam import beam_search
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import ModelScorer, ScoreCandidates, Source
from nmt.search.shortlist import ShortCandidates, ShortlistScorer

VOCAB = 11
ENDS = Ends(1, 2)
COMPUTE = Compute(torch.device("cpu"), torch.float32)
LENGTHS = torch.tensor([6, 2, 4])
LIMITS = [7, 4, 9]
SIZES = {"encoder_layers": 1, "decoder_layers": 2, "model_size": 8, "max_length": 12}
ARCHITECTURES: list[dict[str, object]] = [
    {"ffn_size": 12, "num_heads": 2}, {"arch": "rnn"}, {"arch": "rnn", "feeding": "bahdanau"},
]  # fmt: skip


@pytest.fixture(params=ARCHITECTURES, ids=str)
def model(request: pytest.FixtureRequest) -> EncoderDecoder:
    torch.manual_seed(1)
    config = ModelConfig(**SIZES, **request.param)
    built = build_model(config, AttentionSections(), VOCAB, VOCAB)
    for weight in built.parameters():
        weight.data += 0.4 * torch.randn_like(weight)
    return built.double().eval()


@pytest.fixture
def source() -> Source:
    ids = torch.randint(VOCAB, (3, 6), generator=torch.Generator().manual_seed(2))
    return Source(ids, LENGTHS)


def every() -> Shortlist:
    """Let every piece be used in every translation."""
    nothing = torch.zeros(0, dtype=torch.long)
    return Shortlist(torch.arange(VOCAB), torch.zeros(VOCAB + 1, dtype=torch.long), nothing)


def some(seed: int = 1, each: int = 2) -> Shortlist:
    """Let every source piece suggest two others, and the end be frequent."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randperm(VOCAB, generator=generator)[:each].sort()[0] for _ in range(VOCAB)]
    return Shortlist(torch.tensor([ENDS.end]), torch.arange(VOCAB + 1) * each, torch.cat(rows))


def all_of_them(shortlist: Shortlist) -> Shortlist:
    """Let each source piece suggest every piece, rather than have all be frequent."""
    return replace(
        shortlist,
        offsets=torch.arange(VOCAB + 1) * VOCAB,
        suggested=torch.arange(VOCAB).repeat(VOCAB),
    )


def one(source: Source, row: int) -> Source:
    length = source.lengths[row : row + 1]
    return Source(source.ids[row : row + 1, : int(length)], length)


def check_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [each.ids for each in found] == [each.ids for each in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.log_prob == pytest.approx(theirs.log_prob, abs=1e-9)
        assert mine.score == pytest.approx(theirs.score, abs=1e-9)


@pytest.mark.parametrize(
    "config",
    [SearchConfig(beam=1), SearchConfig(beam=4, nbest=4), SearchConfig(beam=3, stop="bound")],
    ids=["greedy", "beam", "bound"],
)
@pytest.mark.parametrize("shortlist", [every(), all_of_them(some())], ids=["frequent", "suggested"])
def test_a_shortlist_of_everything_is_none(
    model: EncoderDecoder, source: Source, config: SearchConfig, shortlist: Shortlist
) -> None:
    scorer = ModelScorer(model, COMPUTE)
    short = beam_search(ShortlistScorer(scorer, shortlist), source, ENDS, LIMITS, config)
    full = beam_search(scorer, source, ENDS, LIMITS, config)
    for found, expected in zip(short, full, strict=True):
        check_same(found, expected)


class Masked:
    """Score the whole vocabulary, and make what a sentence may not use impossible."""

    def __init__(self, scorer: ModelScorer, shortlist: Shortlist) -> None:
        self.scorer, self.shortlist = scorer, shortlist

    def start(self, source: Source, beam: int, limit: int) -> tuple[object, Tensor]:
        allowed = self.shortlist.allowed(source.ids, source.lengths, VOCAB)
        return self.scorer.start(source, beam, limit), allowed

    def step(
        self, state: tuple[object, Tensor], ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[ScoreCandidates, tuple[object, Tensor]]:
        candidates, after = self.scorer.step(state[0], ids, parents)  # type: ignore[arg-type]
        scores = candidates.scores.masked_fill(~state[1].unsqueeze(1), -torch.inf)
        return ScoreCandidates(scores), (after, state[1])

    def select(self, state: tuple[object, Tensor], sentences: Tensor) -> tuple[object, Tensor]:
        decoding = self.scorer.select(state[0], sentences)  # type: ignore[arg-type]
        return decoding, state[1][sentences]


@pytest.mark.parametrize("seed", range(3))
def test_a_shortlist_is_a_mask_over_the_vocabulary(
    model: EncoderDecoder, source: Source, seed: int
) -> None:
    """Sentences end at different steps, so those that go on are selected several times."""
    scorer, config = ModelScorer(model, COMPUTE), SearchConfig(beam=4, nbest=4)
    short = beam_search(ShortlistScorer(scorer, some(seed)), source, ENDS, LIMITS, config)
    masked = beam_search(Masked(scorer, some(seed)), source, ENDS, LIMITS, config)
    for found, expected in zip(short, masked, strict=True):
        assert found
        check_same(found, expected)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_written_that_a_sentence_may_not_use_and_neighbours_have_no_say(
    model: EncoderDecoder, source: Source, seed: int
) -> None:
    scorer = ShortlistScorer(ModelScorer(model, COMPUTE), some(seed))
    config = SearchConfig(beam=5, nbest=5)
    together = beam_search(scorer, source, ENDS, LIMITS, config)
    allowed = some(seed).allowed(source.ids, source.lengths, VOCAB)
    differ = False
    for row, limit in enumerate(LIMITS):
        (alone,) = beam_search(scorer, one(source, row), ENDS, [limit], config)
        check_same(together[row], alone)
        for each in alone:
            assert all(allowed[row, id_] for id_ in each.ids)
        free = beam_search(scorer.scorer, one(source, row), ENDS, [limit], config)[0]
        differ = differ or [each.ids for each in free] != [each.ids for each in alone]
    assert differ


def test_where_nothing_but_the_end_is_possible_translations_are_empty(
    model: EncoderDecoder, source: Source
) -> None:
    only = replace(some(each=1), suggested=torch.full((VOCAB,), ENDS.end))
    scorer = ShortlistScorer(ModelScorer(model, COMPUTE), only)
    for limits in (LIMITS, [1, 1, 1]):
        for found in beam_search(scorer, source, ENDS, limits, SearchConfig(beam=4, nbest=4)):
            assert [each.ids for each in found] == [()]
            assert found[0].log_prob == 0.0


def test_candidates_are_those_of_masked_scores() -> None:
    pieces = torch.tensor([1, 2, 5, 8])
    few = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)).double()
    few[0, :, 1] = -torch.inf
    whole = torch.full((2, 3, VOCAB), -torch.inf).double().index_copy(-1, pieces, few)
    short, full = ShortCandidates(few, pieces, VOCAB), ScoreCandidates(whole)
    assert_close(short.log_probs(), full.log_probs())
    for width in (1, 3, 4, 20):
        (mine, ids), (theirs, expected) = short.top(width), full.top(width)
        size, possible = mine.size(-1), mine.isfinite()
        assert_close(mine, theirs[..., :size])
        assert torch.equal(ids[possible], expected[..., :size][possible])
    assert short.bonus() is None


def test_in_bfloat16_scores_are_float32_and_nearly_the_same(source: Source) -> None:
    torch.manual_seed(1)
    sizes = ModelConfig(**SIZES, ffn_size=12, num_heads=2)
    built = build_model(sizes, AttentionSections(), VOCAB, VOCAB).eval()
    low = Compute(torch.device("cpu"), torch.bfloat16)
    ids, parents = torch.full((3, 1), ENDS.start), torch.zeros(3, 1, dtype=torch.long)
    with torch.inference_mode():
        found = []
        for compute in (COMPUTE, low):
            scorer = ShortlistScorer(ModelScorer(built, compute), some())
            candidates, _ = scorer.step(scorer.start(source, 1, 2), ids, parents)
            found.append(candidates.log_probs())
    assert found[1].dtype == torch.float32
    assert_close(found[1], found[0], rtol=0.1, atol=0.1)


def test_only_a_plain_beam_is_shortened() -> None:
    assert SearchConfig(shortlist=True).can_shorten
    assert SearchConfig(shortlist=True, beam=4, nbest=4, stop="bound").can_shorten
    assert not SearchConfig().can_shorten
    for other in (
        {"beam": 4, "groups": 2}, {"coverage_beta": 0.2}, {"no_repeat_ngram": 3},
        {"method": "sample", "beam": 1},
    ):  # fmt: skip
        config = SearchConfig(**{"shortlist": True, **other})
        assert config.can_shorten is False
