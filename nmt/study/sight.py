"""What a model attends to while it reads one pair of lines.

H heads, T queries, S keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nmt.attention.config import ROLES
from nmt.errors import ConfigError, DataError
from nmt.experiment import read_experiment
from nmt.model.compute import Compute
from nmt.model.directory import TranslationPackage
from nmt.model.weights import Weighed, attention_weights
from nmt.study.weights import forced, single_batches
from nmt.text.segmenter import Segmenter
from nmt.translate import Translator

START, END = "<s>", "</s>"


@dataclass(frozen=True)
class Sight:
    """The pieces of a pair, and the weights of each layer.

    Attributes:
        source: S pieces, the end among them.
        target: T pieces that are predicted, the end among them.
        layers: Weights are (1, H, T, S).
    """

    source: list[str]
    target: list[str]
    layers: list[Weighed]

    def columns(self, role: str) -> list[str]:
        """Name the keys of a role."""
        return [START, *self.target[:-1]] if role == "decoder" else self.source

    def rows(self, role: str) -> list[str]:
        """Name the queries of a role; in the decoder, by the piece that each predicts."""
        return self.source if role == "encoder" else self.target


def look(package: TranslationPackage, pair: tuple[str, str | None], compute: Compute) -> Sight:
    """Let a model read a pair; without a target, its own best translation.

    Raises:
        DataError: There is nothing to read on a side.
    """
    model, segmenters = package.model.to(compute.device), package.segmenters
    source, given = pair
    target = translation(package, source, compute) if given is None else given
    batch = next(single_batches(model, segmenters, [(source, target)]), None)
    if batch is None:
        side = "the translation" if source.strip() and given is None else "a side of the pair"
        raise DataError(f"there is nothing to draw: {side} is empty")
    with compute.autocast():
        heard = attention_weights(model, *forced(batch, compute.device))
    return Sight(
        pieces(segmenters.source, source, int(batch.source_lengths[0])),
        pieces(segmenters.target, target, int(batch.target_lengths[0])),
        list(heard.values()),
    )


def translation(package: TranslationPackage, source: str, compute: Compute) -> str:
    """Translate a line as the model does by itself."""
    search = read_experiment(package.settings).search
    (found,) = Translator(package.model, package.segmenters, search, compute).translate([source])
    return found.text


def pieces(segmenter: Segmenter, line: str, size: int) -> list[str]:
    """Cut a line into as many pieces as the model has read, its end among them."""
    return [*segmenter.pieces(line)[: size - 1], END]


def chosen(sight: Sight, roles: Sequence[str], layer: int | None, head: int | None) -> Sight:
    """Keep some layers, and of each some heads.

    Raises:
        ConfigError: There are no such layers or heads, or they give no weights.
    """
    layers = [each for each in sight.layers if each.role in (roles or ROLES)]
    if not layers:
        known = ", ".join(dict.fromkeys(each.role for each in sight.layers))
        raise ConfigError(f"--roles {','.join(roles)}: this model attends only as {known}")
    kept = [each for each in layers if layer in (None, each.layer)]
    if not kept:
        last = max(each.layer for each in layers)
        raise ConfigError(f"--layer {layer}: the layers of this model are 0 to {last}")
    if all(each.weights is None for each in kept):
        names = ", ".join(f"{each.role} layer {each.layer}" for each in kept)
        raise ConfigError(
            f"there is nothing to draw: the attention of {names} gives no weights: it "
            "never weighs keys one by one, or has no heads left"
        )
    return replace(sight, layers=[of_head(each, head) for each in kept])


def of_head(each: Weighed, head: int | None) -> Weighed:
    """Keep one head of a layer, or all."""
    if head is None or each.weights is None:
        return each
    count = each.weights.size(1)
    if not 0 <= head < count:
        raise ConfigError(
            f"--head {head}: the heads of {each.role} layer {each.layer} are 0 to {count - 1}"
        )
    return replace(each, weights=each.weights[:, head : head + 1])
