"""The models of `nmt translate`: loaded, put together, with their own settings of search."""

import dataclasses
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nmt.errors import ConfigError
from nmt.search.config import SPACES, inherited
from nmt.settings import Table, load_table

if TYPE_CHECKING:
    from nmt.ensemble import Ensemble, Fusion, Member
    from nmt.experiment import Experiment
    from nmt.model.compute import Compute
    from nmt.model.directory import TranslationPackage
    from nmt.search.fusion import LanguagePrior
    from nmt.suspect.guard import Guard
    from nmt.text.segmenter import Segmenter
    from nmt.translate import Translator

log = logging.getLogger(__name__)


def native(
    ensemble: "Ensemble", asked: "Experiment", prior: "LanguagePrior | None"
) -> "Translator":
    """Make models translate lines."""
    from nmt.translate import Translator  # deferred once more: what is refused needs no torch

    return Translator.of(ensemble, asked.search, prior)


def load_parts(model: str, table: Table) -> tuple["TranslationPackage", "Experiment", "Compute"]:
    """Load a model, where it computes, with its own settings of search, overridden by those given.

    Returns:
        The model, all settings, and where and how precisely it computes.
    """
    from nmt.experiment import read_experiment
    from nmt.model.compute import prepare
    from nmt.model.directory import load_package, resolve

    package = load_package(model)
    asked = read_experiment(with_own(load_table(resolve(model) / "config.toml"), table))
    if asked.search.shortlist and package.model.shortlist is None:
        log.warning(
            "%s has no shortlist, so all pieces are searched; nmt shortlist gives it one", model
        )
    compute = prepare(asked.compute, training=False)
    package.model.to(compute.device)
    return package, asked, compute


def fusion(others: tuple[str, ...], weights: str | None, space: str | None) -> "Fusion":
    """Read how models become one."""
    from nmt.ensemble import Fusion

    for flag, value in (("--weights", weights), ("--ensemble-space", space)):
        if value is not None and not others:
            raise ConfigError(f"{flag} needs another model; give it with --with")
    try:
        numbers = tuple(float(each) for each in weights.split(",")) if weights is not None else ()
    except ValueError:
        raise ConfigError(
            f"--weights must be numbers separated by commas, not {weights!r}"
        ) from None
    return Fusion(numbers, space or SPACES[0])


def assembled(
    model: str,
    loaded: tuple["TranslationPackage", "Experiment", "Compute"],
    others: tuple[Sequence[str], Table],
    how: "Fusion",
) -> "Ensemble":
    """Put a model that is loaded together with others, each with its own precision and tags.

    Args:
        others: Their names, and the settings that are asked for.
    """
    from nmt.ensemble import Ensemble

    table = tags_alone(others[1])
    rest = [member_of(each, load_parts(each, table)) for each in others[0]]
    return Ensemble([member_of(model, loaded), *rest], how)


def member_of(model: str, loaded: tuple["TranslationPackage", "Experiment", "Compute"]) -> "Member":
    """Make a member of a model that is loaded."""
    from nmt.ensemble import Member

    package, asked, compute = loaded
    tags = asked.search.source_tag
    return Member(model, package.model, package.segmenters, compute, tags)


def tags_alone(table: Table) -> Table:
    """Leave out how to search, which the first of several models decides."""
    return {
        name: {key: each for key, each in values.items() if key == "source_tag"}
        if name == "search"
        else values
        for name, values in table.items()
    }


def prior_for(
    package: "TranslationPackage", model: str, language: tuple[str, float], compute: "Compute"
) -> "LanguagePrior":
    """Load a language model that writes the pieces of a model that translates.

    Raises:
        ConfigError: It was trained with another segmenter, or the weight is below 0.
        CheckpointError: It is no language model.
    """
    from nmt.model.directory import load_language_package, resolve
    from nmt.search.fusion import LanguagePrior

    path, weight = language
    helper = load_language_package(path)
    own, other = package.segmenters.target.sha256, helper.segmenters.target.sha256
    if own != other:
        raise ConfigError(
            f"--lm {path} was trained with another segmenter ({other[:12]}) than the target of "
            f"{model} ({own[:12]}); train one on text encoded with {resolve(model)}/target.model"
        )
    return LanguagePrior(helper.model.to(compute.device), weight)


def guarded(translator: "Translator", target: "Segmenter", asked: "Experiment") -> "Guard | None":
    """Look at translations, whose scripts are those that the segmenter knows if none are named.

    Returns:
        None where nothing is looked for.
    """
    if asked.suspect.on_suspect == "off":
        return None
    from nmt.suspect.guard import Guard
    from nmt.text.scripts import scripts_known

    scripts = asked.suspect.target_script or scripts_known(target.texts)
    config = dataclasses.replace(asked.suspect, target_script=scripts)
    return Guard(translator, asked.search, config)


def with_own(own: Table, table: Table) -> Table:
    """Put settings that the model was trained with under those that are asked for."""
    precision = {"precision": own.get("compute", {}).get("precision", "auto")}
    merged, search, suspect = dict(table), own.get("search", {}), dict(own.get("suspect", {}))
    suspect["target_script"] = suspect.get("target_script") or cleaned_script(own)
    if isinstance(table.get("search", {}), dict):
        search = inherited(search, table.get("search", {}))
    for name, values in (("search", search), ("suspect", suspect), ("compute", precision)):
        given = table.get(name, {})
        merged[name] = {**values, **given} if isinstance(given, dict) else given
    return merged


def cleaned_script(own: Table) -> list[str]:
    """Give the scripts that the targets of a model's training were to be in, if they were named."""
    named: list[str] = own.get("clean", {}).get("target_script", [])
    return named
