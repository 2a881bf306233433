"""Proof that an export translates as the model does that it was made from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nmt.errors import CheckpointError, DataError
from nmt.export.folder import Export, read_export
from nmt.export.grouped import ExportedTranslator
from nmt.export.limits import CTRANSLATE2
from nmt.model.compute import Compute, ComputeConfig, prepare
from nmt.model.directory import TranslationPackage
from nmt.search.config import SearchConfig
from nmt.settings import Table, build
from nmt.text.lines import read_lines
from nmt.translate import Translation, Translator

ALWAYS = ("limit_ratio", "limit_extra", "max_pieces", "batch_tokens", "source_tag")
OF_BEAM = ("beam", "length_alpha")


@dataclass(frozen=True)
class Difference:
    """What differs between the translations of two programs.

    Attributes:
        lines: How many were translated.
        identical: How many came out the same.
        score: The largest difference between the scores of what came out the same.
        first: Number of the first line that did not, from 1; None where all did.
    """

    lines: int
    identical: int
    score: float
    first: int | None

    @property
    def share(self) -> float:
        """Give the share of lines that came out the same."""
        return self.identical / self.lines


def verify(
    package: TranslationPackage,
    folder: Path,
    text: str,
    search: SearchConfig,
    compute: ComputeConfig,
) -> Difference:
    """Translate a text by a model and by its export, both by the same rules.

    Raises:
        DataError: The text has no lines, or cannot be read.
    """
    lines = list(read_lines(text))
    if not lines:
        raise DataError(f"{text} has no lines to verify an export with")
    exact = prepare(replace(compute, precision="fp32"), training=False)
    own = translations(package, lines, search, exact)
    other = open_exported(read_export(folder), search, compute)
    return compare(own, list(other.translate(lines)), other.cuts_alike(lines))


def comparable(own: Table) -> SearchConfig:
    """Take from search settings what other programs do as well; the rest as by default."""
    search = build(SearchConfig, own, "search")
    names = [*ALWAYS, *(OF_BEAM if search.method == "beam" else ())]
    return SearchConfig(stop="ctranslate2", **{name: getattr(search, name) for name in names})


def translations(
    package: TranslationPackage, lines: Sequence[str], search: SearchConfig, compute: Compute
) -> list[Translation]:
    """Translate by the model itself, in float32."""
    translator = Translator(package.model.to(compute.device), package.segmenters, search, compute)
    return list(translator.translate(lines))


def open_exported(
    export: Export, search: SearchConfig, compute: ComputeConfig
) -> ExportedTranslator:
    """Load an export, whatever it is."""
    if export.record["to"] == CTRANSLATE2:
        from nmt.export.engine import open_engine

        return open_engine(export, search, compute)
    from nmt.export.generation import GeneratingTranslator

    return GeneratingTranslator(export, search)


def compare(
    own: Sequence[Translation], other: Sequence[Translation], cut_alike: Sequence[bool]
) -> Difference:
    """Count the lines of which both translations are the same."""
    triples = list(zip(own, other, cut_alike, strict=True))
    same = [alike and mine.text == theirs.text for mine, theirs, alike in triples]
    differences = [
        abs(mine.candidates[0].score - theirs.candidates[0].score)
        for (mine, theirs, _), is_same in zip(triples, same, strict=True)
        if is_same
    ]
    first = None if all(same) else same.index(False) + 1
    return Difference(len(same), sum(same), max(differences, default=math.nan), first)


def refuse_difference(found: Difference, least: float) -> None:
    """Refuse an export that translates too few lines as its model does.

    Raises:
        CheckpointError: Fewer than the share `least`.
    """
    if found.share < least:
        raise CheckpointError(
            f"only {found.identical:,} of {found.lines:,} lines came out the same "
            f"({found.share:.2%}), but --least is {least:.2%}; the first that did not is line "
            f"{found.first}; nothing was written"
        )
