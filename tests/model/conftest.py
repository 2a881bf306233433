"""Small models whose weights all matter."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from nmt.attention.config import AttentionSections
from nmt.model.build import build_model
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder
from nmt.model.directory import Package, Segmenters
from nmt.settings import build, to_table

SMALL = {
    "encoder_layers": 2,
    "decoder_layers": 2,
    "model_size": 8,
    "num_heads": 2,
    "max_length": 12,
}
OF_TRANSFORMERS = {"ffn_size": 12}
VOCAB = 11

MakeModel = Callable[..., EncoderDecoder]


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """Build a model in float64 for evaluation, biases and norms drawn like all weights."""

    def make(attention: AttentionSections | None = None, **settings: Any) -> EncoderDecoder:
        own = {} if settings.get("arch") == "rnn" else OF_TRANSFORMERS
        config = ModelConfig(**{**SMALL, **own, **settings})
        torch.manual_seed(1)
        target_vocab = VOCAB if config.tie == "all" else VOCAB - 2
        model = build_model(config, attention or AttentionSections(), VOCAB, target_vocab)
        for weight in model.parameters():
            weight.data += 0.3 * torch.randn_like(weight)
        return model.double().eval()

    return make


@pytest.fixture(scope="session")
def make_package(make_model: MakeModel) -> Callable[..., Package]:
    """Pack such a model, with its settings of attention by role."""

    def make(attention: dict[str, Any] | None = None, **settings: Any) -> Package:
        sections = build(AttentionSections, attention or {}, "attention")
        model = {**SMALL, **OF_TRANSFORMERS, "tie": "none", **settings}
        sizes = SimpleNamespace(vocab_size=VOCAB), SimpleNamespace(vocab_size=VOCAB - 2)
        segmenters = cast(Segmenters, SimpleNamespace(source=sizes[0], target=sizes[1]))
        table = {"model": model, "attention": to_table(sections)}
        return Package(make_model(sections, **model), segmenters, table, {"update": 7})

    return make


@pytest.fixture(scope="session")
def outputs() -> Callable[[EncoderDecoder], dict[str, Tensor]]:
    """Compute what a model says of two pairs, the second padded: at once, and step by step."""

    def compute(model: EncoderDecoder) -> dict[str, Tensor]:
        ids = torch.randint(VOCAB - 2, (2, 6), generator=torch.Generator().manual_seed(2))
        lengths, beam = torch.tensor([6, 3]), torch.zeros(2, 1, dtype=torch.long)
        with torch.inference_mode():
            memory = model.encode(ids, lengths)
            at_once = model.decode(memory, ids, lengths)
            state, steps = model.start(memory, 1, 6), []
            for position in range(6):
                states, state = model.step(state, ids[:, position : position + 1], beam)
                steps.append(states[:, 0])
        return {"at once": at_once, "stepwise": torch.stack(steps, dim=1)}

    return compute
