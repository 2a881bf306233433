"""The part of `nmt translate` that lets CTranslate2 compute."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nmt.cli.translate_models import with_own
from nmt.errors import ConfigError
from nmt.settings import Table

if TYPE_CHECKING:
    from nmt.experiment import Experiment
    from nmt.model.directory import Segmenters
    from nmt.translate import Translator


@contextmanager
def by_export(
    model: str, table: Table, details: bool
) -> Iterator[tuple["Translator", "Segmenters", "Experiment"]]:
    """Load an export, or a model of which one is made, with its own settings of search.

    CTranslate2 has rules of its own for when to stop; the rest is searched for in the same way.

    Raises:
        ConfigError: What is asked for is nothing that CTranslate2 does in the same way.
    """
    from nmt.experiment import read_experiment
    from nmt.export.engine import exported, open_engine

    asked = {name: table[name] for name in table if isinstance(table[name], dict)}
    if "precision" in asked.get("compute", {}):
        raise ConfigError(
            "compute.precision is not for --engine ctranslate2, where the weights decide: nmt "
            "export --quantization"
        )
    if details:
        raise ConfigError("--details is not for --engine ctranslate2, which does not tell them")
    with exported(model) as export:
        merged = with_own(export.settings, table)
        search = merged["search"]
        if isinstance(search, dict) and search.get("method", "beam") == "beam":
            stop = asked.get("search", {}).get("stop", "ctranslate2")
            merged["search"] = {**search, "stop": stop}
        experiment = read_experiment(merged)
        translator = open_engine(export, experiment.search, experiment.compute)
        yield translator, export.segmenters, experiment
