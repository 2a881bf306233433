"""What was measured of attention, as tables for people."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from nmt.bench.cells import BASELINE, PASS, STEP, Cell, Figures, Measured
from nmt.bench.growth import Growth
from nmt.tables import UNKNOWN, columns


def text_lines(measured: Measured, fitted: Sequence[Growth], start: int) -> Iterator[str]:
    """Write tables for people: a row for each variant, a column for each length."""
    for work, role in dict.fromkeys((cell.work, cell.role) for cell in measured):
        part = {
            cell: each for cell, each in measured.items() if (cell.work, cell.role) == (work, role)
        }
        for title, spell in TITLES[work]:
            yield title.format(role=role)
            yield from rows(by_length(part, spell))
            yield ""
        each_work = "steps" if work == STEP else "passes"
        yield f"Growth of {role} {each_work}: cost ~ length^p from {start:,} on"
        yield from rows(
            [spelled_growth(each) for each in fitted if (each.work, each.role) == (work, role)]
        )
        yield ""
    yield from cuts(measured)


def by_length(part: Measured, spell: Callable[[Cell, Figures], str]) -> list[dict[str, str]]:
    """Lay cells out, variants downwards and lengths across."""
    table: dict[str, dict[str, str]] = {}
    for cell, figures in part.items():
        row = table.setdefault(cell.variant, {"length": cell.variant})
        row[f"{cell.length:,}"] = "cut" if figures.cut else spell(cell, figures)
    return list(table.values())


def rows(table: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Align cells below the names of their columns, the first to the left."""
    names = list(table[0])
    return columns([names, *([row.get(name, UNKNOWN) for name in names] for row in table)])


def spelled_growth(fit: Growth) -> dict[str, str]:
    """Write a fit for people."""
    memory = "memory" if fit.work == PASS else "cache"
    if fit.variant == BASELINE or fit.compared_to is None:
        overtakes = "-"
    elif fit.overtakes is None:
        overtakes = f"never up to {fit.compared_to:,}"
    else:
        overtakes = f"{fit.overtakes:,.0f}"
    return {
        "variant": fit.variant,
        "time": "-" if fit.time is None else f"{fit.time:.2f}",
        memory: "-" if fit.memory is None else f"{fit.memory:.2f}",
        f"faster than {BASELINE} from": overtakes,
    }


def cuts(measured: Measured) -> Iterator[str]:
    """Say where series end, and why."""
    ended: set[tuple[str, str, str]] = set()
    for cell, figures in measured.items():
        series = (cell.work, cell.role, cell.variant)
        if figures.cut and series not in ended:
            ended.add(series)
            yield f"cut: {cell.variant}, {cell.role} {cell.work}, {cell.length:,}: {figures.cut}"


def milliseconds(_: Cell, figures: Figures) -> str:
    """Write a time."""
    return three_digits(1000 * (figures.seconds or 0.0))


def mebibytes(_: Cell, figures: Figures) -> str:
    """Write a memory."""
    return three_digits((figures.peak_bytes or 0) / 2**20)


def three_digits(value: float) -> str:
    """Write a number with three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def bytes_per_token(cell: Cell, figures: Figures) -> str:
    """Write what a cache keeps for each token that it covers."""
    return f"{(figures.cache_bytes or 0) / cell.length:,.0f}"


TITLES = {
    PASS: (
        ("Forward and backward in the role {role}, ms for a sentence and layer", milliseconds),
        ("Most memory at once in the role {role}, MiB for a sentence and layer", mebibytes),
    ),
    STEP: (
        ("One decoding step in the role {role} with so many keys, ms for a layer", milliseconds),
        ("Cache in the role {role}, bytes for a token and layer", bytes_per_token),
    ),
}
