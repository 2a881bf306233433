"""Settings of which translations are suspect, and what becomes of them."""

from dataclasses import dataclass
from typing import ClassVar

from nmt.errors import ConfigError
from nmt.settings import nearest, setting
from nmt.text.config import check_scripts

KINDS = ("repetition", "copy", "short", "long", "number", "url", "script", "confidence")


@dataclass(frozen=True, kw_only=True)
class SuspectConfig:
    """When a translation is suspect, and what becomes of it."""

    section: ClassVar[str] = "suspect"

    on_suspect: str = setting(
        "off",
        "What becomes of a suspect translation: warn marks it, retry searches again by other "
        "means, source writes the source line in its place, fail ends with an error.",
        choices=("off", "warn", "retry", "source", "fail"),
    )
    kinds: tuple[str, ...] = setting(
        KINDS, "What is looked for: " + ", ".join(KINDS[:-1]) + f" and {KINDS[-1]}."
    )
    repeated_words: int = setting(
        2,
        "repetition: so many words, more than in the source, say again what stands just before "
        "them; of letters within a word, four times as many.",
    )
    copied_share: float = setting(
        0.75, "copy: smallest share of words of a translation that are words of its source."
    )
    copied_words: int = setting(
        4, "copy: fewest words of one, numbers not counted; shorter ones are often names."
    )
    length_ratio: float = setting(
        1.0, "short, long: pieces of a translation that are usual for each piece of the source."
    )
    short_limit: float = setting(
        2.5,
        "short: so far below usual, counted in square roots of pieces, so that short lines may "
        "differ by more.",
    )
    long_limit: float = setting(3.5, "long: so far above usual.")
    target_script: tuple[str, ...] = setting(
        (),
        "script: Unicode scripts of translations, such as Cyrillic; none: those of the model's "
        "clean.target_script, or else of its target vocabulary.",
    )
    min_script_share: float = setting(
        0.5, "script: smallest share of letters in them, words of the source not counted."
    )
    min_probability: float = setting(
        0.4, "confidence: smallest probability of a piece, the geometric mean of a translation."
    )

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigError(
                    f"suspect.kinds: no kind is called {kind!r}; {nearest(kind, KINDS)}"
                )
        for name in ("repeated_words", "copied_words"):
            if getattr(self, name) < 1:
                raise ConfigError(f"suspect.{name} must be at least 1, not {getattr(self, name)}")
        for name in ("length_ratio", "short_limit", "long_limit"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"suspect.{name} must be above 0, not {getattr(self, name)}")
        for name in ("copied_share", "min_script_share", "min_probability"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(
                    f"suspect.{name} must be above 0 and at most 1, not {getattr(self, name)}; "
                    "suspect.kinds says what is looked for at all"
                )
        check_scripts(self.target_script, "suspect.target_script")
