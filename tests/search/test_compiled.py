"""Who is served: every variant either gives what its modules give, or is told why not."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.config import ROLES, AttentionConfig, AttentionSections
from nmt.attention.variants import VARIANTS
from nmt.checks.case import small
from nmt.errors import ConfigError
from nmt.model.build import build_model
from nmt.model.compiled import NativeTransformer
from nmt.model.compiled_for import why_not
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import SequenceModel
from nmt.model.sentences import Breaks
from nmt.native.compiler import unavailable
from nmt.search.beam import beam_search
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Ends
from nmt.search.scorer import ModelScorer, Source

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

VOCAB, BREAK, ENDS = 7, 4, Ends(1, 2)
COMPUTE = Compute(torch.device("cpu"), torch.float32)
SIZES = {"encoder_layers": 2, "decoder_layers": 2, "model_size": 8, "max_length": 12}
SOURCE = Source(torch.tensor([[3, 6, 5, 3, 6, 2], [6, 2, 0, 0, 0, 0]]), torch.tensor([6, 2]))


def build(sections: AttentionSections, **settings: Any) -> SequenceModel:
    torch.manual_seed(1)
    own = {} if settings.get("arch") == "rnn" else {"ffn_size": 12, "num_heads": 2}
    made = build_model(ModelConfig(**{**SIZES, **own, **settings}), sections, VOCAB, VOCAB)
    made.breaks = Breaks(BREAK, BREAK)
    for weight in made.parameters():
        weight.data += 0.4 * torch.randn_like(weight)
    return made.eval()


def found(model: SequenceModel, steps: str) -> Tensor:
    scorer = ModelScorer(model, replace(COMPUTE, steps=steps))
    best = beam_search(scorer, SOURCE, ENDS, [8, 5], SearchConfig(beam=3, nbest=3))
    return torch.tensor([each.log_prob for one in best for each in one])


@pytest.mark.parametrize(
    ("role", "variant"),
    [(role, name) for name, each in VARIANTS.items() for role in ROLES if role in each.roles],
)
def test_every_variant_is_searched_as_by_its_modules(role: str, variant: str) -> None:
    model = build(AttentionSections(**{role: small(variant)}))
    reason = why_not(model, COMPUTE)
    scorer = ModelScorer(model, COMPUTE)
    assert isinstance(scorer._engine, NativeTransformer) == (not reason)
    assert_close(found(model, "auto"), found(model, "torch"), rtol=1e-5, atol=1e-5)
    if not reason:
        assert_close(found(model, "compiled"), found(model, "torch"), rtol=1e-5, atol=1e-5)
        return
    with pytest.raises(ConfigError, match=r"^compute.steps = 'compiled' does not serve this model"):
        ModelScorer(model, replace(COMPUTE, steps="compiled"))


def test_the_plainest_are_served() -> None:
    for settings in ({}, {"key_value_heads": 1}, {"score": "dot"}):
        config = AttentionConfig(**settings)
        assert not why_not(
            build(AttentionSections(encoder=config, decoder=config, cross=config)), COMPUTE
        )
    rotary = AttentionConfig(positions="rotary")
    assert not why_not(build(AttentionSections(encoder=rotary, decoder=rotary)), COMPUTE)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"score": "cosine"}, "no attention with score = 'cosine'"),
        ({"normaliser": "entmax"}, "no attention with normaliser = 'entmax'"),
        ({"talking": True}, "no attention with talking = True"),
        ({"kernel": "dense"}, "no attention with kernel = 'dense'"),
        ({"heads": ("2", "0")}, "a layer has no heads left"),
        ({"variant": "average"}, "no AverageAttention"),
    ],
)
def test_the_reason_names_what_is_lacking(settings: dict[str, Any], reason: str) -> None:
    model = build(AttentionSections(decoder=AttentionConfig(**settings)))
    assert reason in why_not(model, COMPUTE)


def test_other_models_types_and_devices_are_not_served() -> None:
    plain = AttentionSections()
    assert "Transformer alone" in why_not(build(plain, arch="rnn"), COMPUTE)
    assert "float32" in why_not(build(plain).double(), COMPUTE)
    model = build(plain)
    assert "bfloat16" in why_not(model, replace(COMPUTE, dtype=torch.bfloat16))
    assert "cuda" in why_not(model, replace(COMPUTE, device=torch.device("cuda")))
    assert "compute.steps" in why_not(model, replace(COMPUTE, steps="torch"))


def test_integers_need_their_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.native.compiler.lacks_bytes", lambda: "the processor lacks AVX2")
    model = build(AttentionSections())
    assert "AVX2" in why_not(model, replace(COMPUTE, int8=True))
    assert not why_not(model, COMPUTE)


@pytest.mark.parametrize("beam", [5, 7, 12])
@pytest.mark.parametrize("prune", [0.0, 1.0])
def test_more_rows_than_ids_to_go_on_with_find_the_same(
    beam: int, prune: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that nothing fills are left out of a step, and may be followed all the same."""

    def poisoned(*size: Any, dtype: torch.dtype = torch.float32) -> Tensor:
        shape = size[0] if isinstance(size[0], tuple) else size
        return torch.full(shape, torch.nan if dtype.is_floating_point else 2**30, dtype=dtype)

    model = build(AttentionSections())
    search = SearchConfig(beam=beam, nbest=beam, prune=prune)
    found = []
    for steps in ("torch", "compiled"):
        scorer = ModelScorer(model, replace(COMPUTE, steps=steps))
        if steps == "compiled":
            monkeypatch.setattr("nmt.model.compiled.torch.empty", poisoned)
        found.append(beam_search(scorer, SOURCE, ENDS, [8, 5], search))
    for one, other in zip(*found, strict=True):
        assert [each.ids for each in one] == [each.ids for each in other]
        log_probs = [[each.log_prob for each in each_one] for each_one in (one, other)]
        assert log_probs[0] == pytest.approx(log_probs[1], abs=1e-5)
