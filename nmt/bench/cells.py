"""What a measurement of attention consists of: a variant in a role, at a length, at some work."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nmt.attention.config import ROLES, AttentionConfig, refuse_undone
from nmt.attention.refusals import refuse
from nmt.attention.variants import VARIANTS
from nmt.errors import ConfigError
from nmt.settings import Table, build, parse_assignment

BASELINE = "multi-head"
LENGTHS = tuple(2**power for power in range(4, 14))
PASS, STEP = "forward-backward", "step"
ALONE_FROM = 1024  # tokens; from here on a batch is one sentence
HIGHEST_EXPONENT = 2.0  # of a cost; taken where a single length is known


@dataclass(frozen=True)
class Cell:
    """One measurement; the variant perhaps with settings, as `config_of` reads it."""

    work: str
    role: str
    length: int
    variant: str


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What all measurements have in common.

    Attributes:
        what: "mechanism", or "kernel": every linear projection is replaced by a copy.
        batch_tokens: Sentences shorter than `ALONE_FROM` come so many tokens at a time.
        repeats: Timed after one pass that is not; fewer where half of the limit is used up.
        limit_seconds: A measurement that takes longer is cut off.
    """

    what: str = "mechanism"
    model_size: int = 256
    num_heads: int = 4
    batch_tokens: int = 8192
    repeats: int = 5
    limit_seconds: float = 20.0

    def __post_init__(self) -> None:
        for name in ("model_size", "num_heads", "batch_tokens", "repeats"):
            if getattr(self, name) < 1:
                flag = f"--{name.replace('_', '-')}"
                raise ConfigError(f"{flag} must be at least 1, not {getattr(self, name)}")
        if not self.limit_seconds > 0:
            raise ConfigError(f"--limit-seconds must be above 0, not {self.limit_seconds}")

    def sentences(self, cell: Cell) -> int:
        """Give the sentences of a batch; steps are one sentence's."""
        if cell.work == STEP or cell.length >= ALONE_FROM:
            return 1
        return max(1, self.batch_tokens // cell.length)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured in a cell; for one sentence and one layer.

    Attributes:
        seconds: Median of a pass, or of a step after `length` steps (cross: beside a source of
            `length`); None where it was cut off.
        peak_bytes: Most that a pass allocates at once, above its inputs and weights; gradients
            count.
        cache_bytes: What a decoder keeps.
        repeats: How often it was timed.
        sentences, layers: How many there were together; more layers than one share.
        needed_seconds: What the whole cell cannot do without, to foresee longer ones.
        cut: Why it was cut off.
    """

    seconds: float | None = None
    peak_bytes: int | None = None
    cache_bytes: int | None = None
    repeats: int = 0
    sentences: int = 1
    layers: int = 1
    needed_seconds: float = 0.0
    cut: str = ""


Measured = dict[Cell, Figures]


def config_of(variant: str) -> AttentionConfig:
    """Read NAME, or NAME with settings beside it: NAME+KEY=VALUE+...

    Raises:
        ConfigError: A setting is unknown, or wrong.
    """
    name, *settings = variant.split("+")
    table: Table = {"variant": name}
    for each in settings:
        key, value = parse_assignment(f"attention.{each}")
        table[key.removeprefix("attention.")] = value
    refuse_undone({"decoder": table})
    return build(AttentionConfig, table, variant)


def choose_roles(variant: str, wanted: Sequence[str]) -> list[str]:
    """Give the roles to measure a variant in: of those wanted, or the decoder, else its only one.

    Raises:
        ConfigError: The variant is unknown or serves none of them.
    """
    config = config_of(variant)
    known = VARIANTS.get(config.variant)
    if known is None:
        refuse("decoder", config)  # all but MODULE:CLASS
        return list(wanted) or ["decoder"]
    if not wanted:
        return ["decoder" if "decoder" in known.roles else min(known.roles)]
    chosen = [role for role in wanted if role in known.roles]
    if not chosen:
        raise ConfigError(
            f"{variant!r} serves {' and '.join(sorted(known.roles))} only, "
            f"not {' or '.join(wanted)}; change --roles or --variants"
        )
    return chosen


def plan(
    variants: Sequence[str], roles: Sequence[str], lengths: Iterable[int], works: Sequence[str]
) -> list[Cell]:
    """List the cells, all variants of a length after multi-head attention, which comes along.

    Without variants, all that serve a role are measured.

    Raises:
        ConfigError: A variant is unknown or serves none of the roles, or there is nothing to
            measure.
    """
    names = variants or [
        name for name, known in VARIANTS.items() if not roles or known.roles & {*roles}
    ]
    in_role: dict[str, list[str]] = {}
    for name in names:
        for role in choose_roles(name, roles):
            in_role.setdefault(role, []).append(name)
    cells = [
        Cell(work, role, length, name)
        for work in works
        for role in sorted(in_role, key=ROLES.index)
        if work != STEP or role != "encoder"
        for length in sorted(set(lengths))
        for name in dict.fromkeys([BASELINE, *in_role[role]])
    ]
    if not cells:
        raise ConfigError("an encoder makes no decoding steps; change --roles or --pass")
    return cells


def foresee(cell: Cell, measured: Measured, scale: Scale) -> str:
    """Say why a cell will not be measured, from the shorter ones; nothing where it may be."""
    before = list(shorter(cell, measured))
    if not before:
        return ""
    if before[-1][1].cut:
        return "a shorter one was cut off"
    known = {each.length: figures.needed_seconds / figures.sentences for each, figures in before}
    if expected(known, cell.length) * scale.sentences(cell) > scale.limit_seconds:
        return f"would take longer than {scale.limit_seconds:g} s"
    return ""


def shorter(cell: Cell, measured: Measured) -> Iterator[tuple[Cell, Figures]]:
    """List what was measured of the same at shorter lengths, in their order."""
    for each, figures in sorted(measured.items(), key=lambda item: item[0].length):
        same = (each.work, each.role, each.variant) == (cell.work, cell.role, cell.variant)
        if same and each.length < cell.length:
            yield each, figures


def expected(known: dict[int, float], length: int) -> float:
    """Carry a cost on to a greater length, by the last two that are known."""
    *others, (last, cost) = known.items()
    power = HIGHEST_EXPONENT
    if others:
        power = math.log(cost / others[-1][1]) / math.log(last / others[-1][0])
    return cost * math.pow(length / last, min(max(power, 1.0), HIGHEST_EXPONENT))
