"""How translations are written, with all that can be told of them where it is asked for."""

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.alignment.head import Head
    from nmt.forced.reader import Reader
    from nmt.forced.reading import Details, Reading
    from nmt.model.compute import Compute
    from nmt.model.directory import Package
    from nmt.search.config import SearchConfig
    from nmt.translate import Translation

log = logging.getLogger(__name__)


def refuse_without_columns(details: bool, style: str) -> None:
    """Refuse details where a line is a translation and nothing else."""
    if details and style == "text":
        raise ConfigError("--details needs --format json or tsv, not text")


def teller(model: str, package: "Package", search: "SearchConfig", compute: "Compute") -> "Details":
    """Make what tells details, with the head that tells which words go with which."""
    from nmt.forced.reader import Reader
    from nmt.forced.reading import Details

    reader = Reader(package.model, package.segmenters, search, compute)
    heads = reader.heads()
    if all(each is None for each in heads):
        log.warning("attention.cross of this model gives no weights, so there is no alignment")
        return Details(reader, None)
    return Details(reader, own_head(model, reader))


def own_head(model: str, reader: "Reader", asked: "Head | None" = None) -> "Head":
    """Give the head that is asked for, else the one chosen for a model, else its default.

    Raises:
        ConfigError: The model has no such head, or none that gives weights.
    """
    from nmt.alignment.head import load_choice
    from nmt.forced.reading import check_head
    from nmt.model.directory import resolve

    choice = None if asked else load_choice(resolve(model))
    head = check_head(asked or (choice.head if choice else None), reader.heads())
    reason = "asked for" if asked else choice.told if choice else "the default: none was chosen"
    log.info("alignment by %s of %s (%s)", head, model, reason)
    return head


def shown(
    translation: "Translation",
    style: str,
    number: int,
    nbest: int,
    readings: "Sequence[Reading] | None" = None,
) -> list[str]:
    """Spell a translation, one line for each of its candidates, or one object.

    As text, a line with fewer candidates than were asked for, such as an empty one, is filled
    up, so that the n-th line of the output is known to be of the n-th line of the input.
    """
    candidates = translation.candidates
    if style == "text":
        return [each.text for each in candidates] + [""] * (nbest - len(candidates))
    told = [None] * len(candidates) if readings is None else readings
    if style == "tsv":
        rows = [[str(number), f"{each.score:.6f}", each.text] for each in candidates]
        for row, each, reading in zip(rows, candidates, told, strict=True):
            row += [] if reading is None else in_columns(each.log_prob, reading)
        return ["\t".join(cell.replace("\t", " ") for cell in row) for row in rows]
    best = [{"text": c.text, "score": c.score, "log_prob": c.log_prob} for c in candidates]
    best = [one | in_object(each) for one, each in zip(best, told, strict=True)]
    record: dict[str, Any] = {"line": number, "source": translation.source}
    if readings:
        record["source_pieces"] = readings[0].source_pieces
    return [json.dumps({**record, "translations": best}, ensure_ascii=False)]


def in_columns(log_prob: float, reading: "Reading") -> list[str]:
    """Spell details as columns: log-probability, pieces, that of each, and links."""
    from nmt.alignment.links import spell

    each = " ".join(f"{value:.6f}" for value in reading.log_probs)
    return [f"{log_prob:.6f}", " ".join(reading.pieces), each, spell(reading.links or ())]


def in_object(reading: "Reading | None") -> dict[str, Any]:
    """Give details by name; links are null where the model cannot tell."""
    if reading is None:
        return {}
    links = reading.links
    return {
        "pieces": reading.pieces,
        "log_probs": [round(value, 6) for value in reading.log_probs],
        "alignment": None if links is None else sorted(links, key=lambda link: link[::-1]),
    }
