"""What single changes cost and bring in translation: the same text by turns, with and without."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from nmt.bench.marks import Setup
from nmt.bench.translators import TimedTranslator
from nmt.bench.turns import Work, by_turns
from nmt.model.compute import has_fast_bf16
from nmt.model.directory import TranslationPackage
from nmt.search.config import SearchConfig

PRUNE = 2.0  # gives up a third of what would be computed; docs/translating.md has what it costs
Change = Callable[[Setup], Setup]


@dataclass(frozen=True)
class Brought:
    """What a change brings.

    Attributes:
        sentences_per_second: Median over the turns with it.
        ratio: Median of its speed over that without it.
    """

    name: str
    sentences_per_second: float
    ratio: float


def searching(**settings: Any) -> Change:
    """Change settings of the search."""
    return lambda setup: replace(setup, search=replace(setup.search, **settings))


def going(**way: Any) -> Change:
    """Change what no setting says."""
    return lambda setup: replace(setup, way=replace(setup.way, **way))


def in_float32(setup: Setup) -> Setup:
    """Compute products in float32."""
    return replace(setup, compute=replace(setup.compute, dtype=torch.float32, int8=False))


def in_bfloat16(setup: Setup) -> Setup:
    """Compute products in bfloat16 where the machine is fast at it, and int8 is faster still."""
    if not setup.compute.int8 or not has_fast_bf16(setup.compute.device):
        return setup
    return replace(setup, compute=replace(setup.compute, dtype=torch.bfloat16, int8=False))


def pruned(setup: Setup) -> Setup:
    """Prune the beam; translations of a fixed length are to cost the same for all weights."""
    search = setup.search
    if setup.way.length or search.beam == 1 or search.cuts or not search.is_plain:
        return setup
    return replace(setup, search=replace(search, prune=PRUNE))


def by_pytorch(setup: Setup) -> Setup:
    """Let PyTorch take the steps."""
    return replace(setup, compute=replace(setup.compute, steps="torch"))


CHANGES: Mapping[str, Change] = {
    "float32 products": in_float32,
    "bfloat16 products": in_bfloat16,
    "a shortlist in place of the whole vocabulary": searching(shortlist=True),
    f"a beam pruned at {PRUNE:g}": pruned,
    "PyTorch's steps in place of compiled ones": by_pytorch,
    "one search at a time, by all threads": going(side_by_side=False),
    "batches of 512 tokens": searching(batch_tokens=512),
    "batches of 1,024 tokens": searching(batch_tokens=1024),
    "batches of 4,096 tokens": searching(batch_tokens=4096),
    "batches in the order of the text, not by length": going(by_length=False),
    "the same in every batch (batch_invariant)": searching(batch_invariant=True),
    "greedy search (a beam of one)": searching(
        beam=1, nbest=1, groups=1, diversity=SearchConfig().diversity
    ),
}


def measure_changes(
    package: TranslationPackage, setup: Setup, lines: Sequence[str], turns: int
) -> Iterator[Brought]:
    """Yield what each change brings; one that changes nothing here is left out."""
    plain = text(setup.build(package), lines)
    if setup.compute.device.type != "cpu" or torch.get_num_threads() == 1:
        setup = going(side_by_side=False)(setup)  # as it is anyway
    for name, change in CHANGES.items():
        changed = change(setup)
        shortens = not changed.search.shortlist or (
            changed.search.can_shorten and package.model.shortlist is not None
        )
        if changed != setup and shortens:
            speed, ratio = by_turns(text(changed.build(package), lines), plain, turns)
            yield Brought(name, speed, ratio)


def text(translator: TimedTranslator, lines: Sequence[str]) -> Work:
    """Prepare a turn: the whole text."""

    def translate(_: int) -> float:
        return len(list(translator.translate(lines)))

    return translate
