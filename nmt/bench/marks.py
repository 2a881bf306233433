"""The two marks of translation: exact, and fast."""

from dataclasses import dataclass, replace

import torch

from nmt.bench.translators import TimedTranslator, Way
from nmt.model.compute import Compute, has_fast_bf16, has_fast_int8
from nmt.model.directory import TranslationPackage
from nmt.search.config import SearchConfig

TYPES = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}  # by the name in settings


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
        """Name the type of products."""
        return TYPES[self.compute.precision]


def exact(setup: Setup) -> Setup:
    """Score every hypothesis over the whole vocabulary, in float32."""
    return Setup(
        replace(setup.search, shortlist=False, prune=0.0),
        replace(setup.compute, dtype=torch.float32, int8=False),
        setup.way,
    )


def fast(setup: Setup) -> Setup:
    """Use int8, or else bfloat16, where the machine is fast at it, and all else as by default."""
    int8 = has_fast_int8(setup.compute.device)
    lower = has_fast_bf16(setup.compute.device) and not int8
    dtype = torch.bfloat16 if lower else torch.float32
    compute = replace(setup.compute, dtype=dtype, int8=int8)
    return Setup(replace(setup.search, shortlist=False, prune=0.0), compute, setup.way)
