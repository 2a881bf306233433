"""Small models of every shape, whose weights all matter, with real segmenters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.attention.config import AttentionSections
from nmt.model.config import ModelConfig
from nmt.model.directory import Package, Segmenters, model_for
from nmt.settings import build, to_table
from nmt.text.segmenter import Segmenter

SMALL = {
    "encoder_layers": 2, "decoder_layers": 3, "model_size": 16, "num_heads": 4, "ffn_size": 24,
    "max_length": 40,
}  # fmt: skip
SEARCH = {"beam": 3, "length_alpha": 0.7, "limit_ratio": 1.0, "limit_extra": 4}

MakePackage = Callable[..., Package]


@pytest.fixture(scope="session")
def segmenters(toy: Path) -> Segmenters:
    """Load the toy's, one for both sides."""
    joint = Segmenter.load(toy / "joint.model")
    return Segmenters(joint, joint)


@pytest.fixture(scope="session")
def make_package(segmenters: Segmenters) -> MakePackage:
    """Pack a random model, with settings of attention by role, and settings of the model."""

    def make(attention: dict[str, Any] | None = None, **settings: Any) -> Package:
        own = {**SMALL, **settings}
        if own.get("arch") == "rnn":
            del own["ffn_size"]
        sections = build(AttentionSections, attention or {}, "attention")
        config = ModelConfig(**own)
        torch.manual_seed(1)
        model = model_for(config, sections, segmenters)
        for weight in model.parameters():
            weight.data += 0.3 * torch.randn_like(weight)
        table = {"model": own, "attention": to_table(sections), "search": SEARCH}
        return Package(model.eval(), segmenters, table, {"update": 7, "weights": "0" * 64})

    return make


@pytest.fixture(scope="session")
def lines(toy: Path) -> list[str]:
    """Read what is to be translated; one line is empty."""
    return (toy / "dev.src").read_text().split("\n")[:-1]
