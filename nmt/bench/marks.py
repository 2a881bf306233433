"""The two marks of translation: exact, and fast."""

from dataclasses import dataclass, replace

import torch

from nmt.bench.translators import TimedTranslator, Way
from nmt.model.compute import Compute, has_fast_bf16
from nmt.model.directory import TranslationPackage
from nmt.search.config import SearchConfig


@dataclass(frozen=True)
class Setup:
    """What decides how, and how fast, a model translates."""

    search: SearchConfig
    compute: Compute
    way: Way

    def build(self, package: TranslationPackage) -> TimedTranslator:
        """Make what translates so."""
        return TimedTranslator(package, self.search, self.compute, self.way)

    def described(self) -> str:
        """Name the type of products, and what is scored."""
        scored = "the shortlist" if self.search.shortlist else "the whole vocabulary"
        return f"{str(self.compute.dtype).removeprefix('torch.')}, {scored}"


def exact(setup: Setup) -> Setup:
    """Score every hypothesis over the whole vocabulary, in float32."""
    return Setup(
        replace(setup.search, shortlist=False),
        replace(setup.compute, dtype=torch.float32),
        setup.way,
    )


def fast(setup: Setup, package: TranslationPackage) -> Setup:
    """Use bfloat16 where the machine is fast at it, and a shortlist where the model has one."""
    asked = replace(setup.search, shortlist=True)
    shortens = asked.can_shorten and package.model.shortlist is not None
    dtype = torch.bfloat16 if has_fast_bf16(setup.compute.device) else torch.float32
    return Setup(
        replace(setup.search, shortlist=shortens), replace(setup.compute, dtype=dtype), setup.way
    )
