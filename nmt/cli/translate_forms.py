"""How `nmt translate` spells what it has found: text, TSV or JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nmt.cli.details import in_columns, in_object

if TYPE_CHECKING:
    from nmt.forced.reading import Reading
    from nmt.translate import Candidate, Translation


@dataclass(frozen=True)
class Form:
    """The form of the output.

    Attributes:
        style: `text`, `tsv` or `json`.
        nbest: How many translations of each line were asked for.
        marked: Whether suspect translations are marked as such.
    """

    style: str
    nbest: int
    marked: bool = False

    def shown(
        self,
        translation: "Translation",
        number: int,
        readings: "Sequence[Reading] | None" = None,
    ) -> list[str]:
        """Spell a translation, one line for each of its candidates, or one object.

        As text, a line with fewer candidates than were asked for, such as an empty one, is filled
        up, so that the n-th line of the output is known to be of the n-th line of the input.

        Args:
            readings: Details of each candidate, where they are asked for.
        """
        candidates = translation.candidates
        if self.style == "text":
            return [each.text for each in candidates] + [""] * (self.nbest - len(candidates))
        none: list[Reading | None] = [None] * len(candidates)
        told = list(zip(candidates, readings or none, strict=True))
        if self.style == "tsv":
            return ["\t".join(self._columns(*each, number)) for each in told]
        record: dict[str, Any] = {"line": number, "source": translation.source}
        if readings:
            record["source_pieces"] = readings[0].source_pieces
        best = [self._record(*each) for each in told]
        return [json.dumps({**record, "translations": best}, ensure_ascii=False)]

    def _columns(self, each: "Candidate", reading: "Reading | None", number: int) -> list[str]:
        """Give a row; a tab within a translation would begin a column of its own."""
        row = [str(number), f"{each.score:.6f}", each.text]
        row += in_columns(each.log_prob, reading) if reading else []
        row += [",".join(each.suspect)] if self.marked else []
        return [cell.replace("\t", " ") for cell in row]

    def _record(self, each: "Candidate", reading: "Reading | None") -> dict[str, object]:
        """Give a translation as an object."""
        marks = {"suspect": list(each.suspect)} if self.marked else {}
        record = {"text": each.text, "score": each.score, "log_prob": each.log_prob}
        return {**record, **in_object(reading), **marks}
