"""Both marks of a model, and another program that runs the same weights, in one process."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from nmt.bench.against import opened
from nmt.bench.marks import Setup, exact, fast
from nmt.bench.translation import Ratio, Speeds, ratios
from nmt.model.directory import TranslationPackage
from nmt.translate import Translator

EXACT, FAST = "exact", "fast"
OURS = (EXACT, FAST)


@dataclass(frozen=True)
class Contest:
    """All that translate by turns.

    Attributes:
        ways: How each translates.
    """

    translators: dict[str, Translator]
    ways: dict[str, str]

    def ratios(self, speeds: Speeds) -> list[Ratio]:
        """Compare ours with the others; where there are none, fast with exact."""
        others = [name for name in self.translators if name not in OURS]
        return ratios(speeds, OURS, others) if others else ratios(speeds, [FAST], [EXACT])


@contextmanager
def contest(
    model: str, package: TranslationPackage, setup: Setup, quantizations: Sequence[str], alone: bool
) -> Iterator[Contest]:
    """Make all ready to translate.

    Args:
        quantizations: Types of the weights that CTranslate2 runs; none, and it does not run.
        alone: One line at a time, so that all threads serve one search.

    Raises:
        ConfigError: CTranslate2 cannot hold the model, does not search so, or is not installed.
    """
    marks = {EXACT: exact(setup), FAST: fast(setup)}
    translators: dict[str, Translator] = {name: mark.build(package) for name, mark in marks.items()}
    ways = {name: mark.described() for name, mark in marks.items()}
    with ExitStack() as stack:
        for each in quantizations:
            name = f"ctranslate2 {each}"
            translators[name] = other = stack.enter_context(opened(model, setup, each, alone))
            ways[name] = f"version {other.version}"
        yield Contest(translators, ways)
