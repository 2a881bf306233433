"""How `nmt translate` spells what it has found: text, TSV or JSON."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

    def shown(self, translation: "Translation", number: int) -> list[str]:
        """Spell a translation, one line for each of its candidates, or one object.

        As text, a line with fewer candidates than were asked for, such as an empty one, is filled
        up, so that the n-th line of the output is known to be of the n-th line of the input.
        """
        candidates = translation.candidates
        if self.style == "text":
            return [each.text for each in candidates] + [""] * (self.nbest - len(candidates))
        if self.style == "tsv":
            return ["\t".join(self._columns(each, number)) for each in candidates]
        best = list(map(self._record, candidates))
        record = {"line": number, "source": translation.source, "translations": best}
        return [json.dumps(record, ensure_ascii=False)]

    def _columns(self, each: "Candidate", number: int) -> list[str]:
        """Give a row; a tab within a translation would begin a column of its own."""
        marks = [",".join(each.suspect)] if self.marked else []
        return [str(number), f"{each.score:.6f}", each.text.replace("\t", " "), *marks]

    def _record(self, each: "Candidate") -> dict[str, object]:
        """Give a translation as an object."""
        marks = {"suspect": list(each.suspect)} if self.marked else {}
        return {"text": each.text, "score": each.score, "log_prob": each.log_prob, **marks}
