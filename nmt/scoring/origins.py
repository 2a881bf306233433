"""Which model made the translations that are scored, as far as they have records."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.errors import DataError
from nmt.provenance import read_record, record_path

log = logging.getLogger(__name__)


def origins_of(
    hypotheses: Mapping[str, Path], hashes: Mapping[str, str | None]
) -> dict[str, dict[str, Any]]:
    """Say what made each hypothesis that has a record beside it.

    A record that is damaged, or of a file that has changed since, is told of and left out.

    Args:
        hashes: Of the hypotheses, by the same names.
    """
    found = {name: origin_of(path, hashes.get(name)) for name, path in hypotheses.items()}
    return {name: each for name, each in found.items() if each}


def origin_of(path: Path, digest: str | None) -> dict[str, Any]:
    """Say what made a hypothesis, if that is known."""
    beside = record_path(path)
    if beside is None or not beside.is_file():
        return {}
    try:
        record = read_record(beside)
    except DataError as error:
        log.warning("which model made %s is not known: %s", path, error)
        return {}
    if record["output"].get("sha256") != digest:
        log.warning(
            "%s has changed since %s was written, which says what made it; its score is not that "
            "of the model named there",
            path, beside,
        )  # fmt: skip
        return {}
    return {name: record[name] for name in ("command", "paths", "inputs", "requested")}
