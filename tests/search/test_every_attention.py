"""The search over models with every attention: as it would be without caches, beams or batches.

Three sentences of 6, 2 and 4 ids; a vocabulary of 5; targets of at most 3 ids and their end.
"""

import contextlib
import functools
import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from nmt.attention.config import ROLES, AttentionSections
from nmt.attention.rows import Rows
from nmt.attention.variants import VARIANTS
from nmt.checks.case import small
from nmt.model.build import build_model
from nmt.model.cells import CELLS
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder, Memory
from nmt.model.recurrent_decoder import DECODERS
from nmt.model.sentences import Breaks
from nmt.search.beam import beam_search
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import ModelScorer, ScoreCandidates, Source

VOCAB, BREAK = 5, 4
ENDS = Ends(1, 2)
WORDS = [id_ for id_ in range(VOCAB) if id_ != ENDS.end]
LENGTHS = [6, 2, 4]
LIMITS = [6, 3, 5]
SHORT = 4  # ids that exhaustive search writes, the end included
SIZES = {"encoder_layers": 2, "decoder_layers": 2, "model_size": 8, "max_length": 12}
OF_TRANSFORMERS = {"ffn_size": 12, "num_heads": 2}


class Kind(NamedTuple):
    """A model: a mechanism in one role, `feeding` and `cell` of a recurrent one."""

    variant: str
    role: str
    feeding: str = ""
    cell: str = "lstm"

    def __str__(self) -> str:
        return "-".join(filter(None, (self.feeding and self.cell, *self[:3])))


TRANSFORMERS = [
    Kind(name, role) for name, each in VARIANTS.items() for role in ROLES if role in each.roles
]
RECURRENT = [
    *(Kind("multi-head", "cross", feeding, cell) for feeding in DECODERS for cell in CELLS),
    *(
        Kind(name, "cross", feeding)
        for name, each in VARIANTS.items()
        if "cross" in each.roles and "share" not in each.settings
        for feeding in DECODERS
    ),
]


def is_quick(kind: Kind) -> bool:
    """Choose one model for each mechanism, where caches and beams matter most."""
    if kind.feeding:
        return kind.variant in ("multi-head", "additive")
    return kind.role == ("decoder" if "decoder" in VARIANTS[kind.variant].roles else "cross")


every_attention = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, id=str(kind), marks=[] if is_quick(kind) else pytest.mark.slow)
        for kind in dict.fromkeys([*TRANSFORMERS, *RECURRENT])
    ],
)


class Exact(Compute):
    """Compute in float64."""

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext()


COMPUTE = Exact(torch.device("cpu"), torch.float64)


@functools.cache
def make(kind: Kind) -> EncoderDecoder:
    """Build a model whose scores are far apart and whose sentences have breaks within."""
    own = {"arch": "rnn", "feeding": kind.feeding, "cell": kind.cell}
    config = ModelConfig(**SIZES, **(own if kind.feeding else OF_TRANSFORMERS))
    torch.manual_seed(1)
    sections = AttentionSections(**{kind.role: small(kind.variant)})
    model = build_model(config, sections, VOCAB, VOCAB)
    for weight in model.parameters():
        weight.data += 0.4 * torch.randn_like(weight)
    if kind.variant == "sentence-local":
        model.breaks = Breaks(BREAK, BREAK)
    return model.double().eval()


def sentence(row: int) -> Source:
    """Take one sentence out of the batch, without its padding."""
    length = LENGTHS[row]
    return Source(batch().ids[row : row + 1, :length], torch.tensor([length]))


def batch() -> Source:
    ids = torch.randint(VOCAB, (3, 6), generator=torch.Generator().manual_seed(5))
    return Source(ids, torch.tensor(LENGTHS))


def full_scores(model: EncoderDecoder, source: Source, targets: Tensor) -> Tensor:
    """Score what follows each id of targets (N, T) of one sentence by full passes, (N, T, V)."""
    size, length = targets.shape
    one = model.encode(source.ids, source.lengths)
    numbers = None if one.sentences is None else one.sentences.repeat(size, 1)
    memory = Memory(one.states.repeat(size, 1, 1), one.lengths.repeat(size), numbers)
    states = model.decode(memory, targets, torch.full((size,), length))
    return states @ model.output_weight().mT


@dataclass(frozen=True)
class Past:
    """Sentences by number, and all that their hypotheses have written, (B, beam, T)."""

    sentences: list[int]
    ids: Tensor


class Recomputing:
    """Score by full passes over each sentence alone; nothing is kept but ids."""

    def __init__(self, model: EncoderDecoder) -> None:
        self.model = model

    def start(self, source: Source, beam: int, limit: int) -> Past:
        return Past(list(range(len(source.ids))), torch.zeros(len(source.ids), beam, 0).long())

    def step(
        self, state: Past, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[ScoreCandidates, Past]:
        past = state.ids.gather(1, parents.unsqueeze(-1).expand_as(state.ids))
        past = torch.cat([past, ids.unsqueeze(-1)], dim=-1)
        scores = [
            full_scores(self.model, sentence(number), beam)[:, -1]
            for number, beam in zip(state.sentences, past, strict=True)
        ]
        return ScoreCandidates(torch.stack(scores)), replace(state, ids=past)

    def select(self, state: Past, sentences: Tensor) -> Past:
        return Past([state.sentences[row] for row in sentences.tolist()], state.ids[sentences])


def check_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [each.ids for each in found] == [each.ids for each in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.log_prob == pytest.approx(theirs.log_prob, abs=1e-9)
        assert mine.score == pytest.approx(theirs.score, abs=1e-9)


@pytest.mark.sampled(2)
@every_attention
@torch.inference_mode()
def test_with_caches_a_search_finds_what_it_finds_by_full_passes(kind: Kind) -> None:
    model, config = make(kind), SearchConfig(beam=3, nbest=3)
    for pruned in (config, replace(config, prune=0.5)):
        cached = beam_search(ModelScorer(model, COMPUTE), batch(), ENDS, LIMITS, pruned)
        uncached = beam_search(Recomputing(model), batch(), ENDS, LIMITS, pruned)
        for found, expected in zip(cached, uncached, strict=True):
            assert len(found) == 3 or pruned.prune
            check_same(found, expected)


@pytest.mark.sampled(2)
@every_attention
@torch.inference_mode()
def test_a_beam_of_one_is_a_greedy_loop_of_full_passes(kind: Kind) -> None:
    model = make(kind)
    together = beam_search(ModelScorer(model, COMPUTE), batch(), ENDS, LIMITS, SearchConfig(beam=1))
    for row, ((best,), limit) in enumerate(zip(together, LIMITS, strict=True)):
        history = [ENDS.start]
        while len(history) < limit:
            id_ = int(full_scores(model, sentence(row), torch.tensor([history]))[0, -1].argmax())
            if id_ == ENDS.end:
                break
            history.append(id_)
        assert best.ids == tuple(history[1:])


@pytest.mark.sampled(2)
@every_attention
@torch.inference_mode()
def test_a_wide_beam_is_an_exhaustive_search(kind: Kind) -> None:
    model, row = make(kind), 2
    config = SearchConfig(beam=85, nbest=85, length_alpha=0.6)  # 85 = 1 + 4 + 16 + 64
    scorer = ModelScorer(model, COMPUTE)
    (found,) = beam_search(scorer, sentence(row), ENDS, [SHORT], config)
    check_same(found, exhaustive(model, sentence(row), config))


def exhaustive(model: EncoderDecoder, source: Source, config: SearchConfig) -> list[Hypothesis]:
    """Score every translation that the limit allows by full passes, best first."""
    found = []
    for length in range(SHORT):
        targets = list(itertools.product(WORDS, repeat=length))
        histories = torch.tensor([[ENDS.start, *each] for each in targets])
        following = torch.tensor([[*each, ENDS.end] for each in targets])
        log_probs = full_scores(model, source, histories).log_softmax(-1)
        totals = log_probs.gather(-1, following.unsqueeze(-1)).sum((1, 2)).tolist()
        found += [
            Hypothesis(ids, total, config.score(total, length + 1))
            for ids, total in zip(targets, totals, strict=True)
        ]
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


@torch.inference_mode()
def test_models_tell_targets_and_sources_apart() -> None:
    """What is compared above would be of no worth for models that say the same of everything."""
    firsts = set()
    for kind in (Kind("multi-head", "cross"), Kind("multi-head", "cross", "luong")):
        scorer = ModelScorer(make(kind), COMPUTE)
        found = beam_search(scorer, batch(), ENDS, LIMITS, SearchConfig(beam=3, nbest=3))
        firsts |= {hypotheses[0].ids for hypotheses in found}
        assert len({each.ids for hypotheses in found for each in hypotheses}) > 4
    assert len(firsts) > 2
