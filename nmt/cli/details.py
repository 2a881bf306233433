"""What `--details` tells of translations, and how it is written."""

import logging
from typing import TYPE_CHECKING, Any

from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.alignment.head import Head
    from nmt.forced.reader import Reader
    from nmt.forced.reading import Details, Reading
    from nmt.model.compute import Compute
    from nmt.model.directory import TranslationPackage
    from nmt.search.config import SearchConfig

log = logging.getLogger(__name__)


def refuse_without_columns(details: bool, style: str) -> None:
    """Refuse details where a line is a translation and nothing else."""
    if details and style == "text":
        raise ConfigError("--details needs --format json or tsv, not text")


def teller(
    model: str, package: "TranslationPackage", search: "SearchConfig", compute: "Compute"
) -> "Details":
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
