"""Settings of segmentation, of cleaning and of splitting."""

import re
from dataclasses import dataclass
from typing import ClassVar

from nmt.errors import ConfigError
from nmt.settings import setting

SPECIAL_PIECE = re.compile(r"<unk>|<s>|</s>|<pad>|<0x[0-9A-F]{2}>")


@dataclass(frozen=True, kw_only=True)
class SegmentConfig:
    """How text is cut into subword pieces."""

    section: ClassVar[str] = "segment"

    kind: str = setting("unigram", "Algorithm that learns the pieces.", choices=("unigram", "bpe"))
    vocab_size: int = setting(8000, "Pieces in the vocabulary, special ones included.")
    byte_fallback: bool = setting(
        True, "Spell characters that the vocabulary lacks as UTF-8 bytes, so that none is unknown."
    )
    user_symbols: tuple[str, ...] = setting((), "Strings that are always one piece.")
    normalization: str = setting(
        "nmt_nfkc",
        "Rule applied to text before it is cut; identity keeps every character and space.",
        choices=("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"),
    )
    character_coverage: float = setting(
        1.0, "Share of the characters of the text that get a piece of their own."
    )
    max_lines: int = setting(5_000_000, "Lines sampled from larger texts when pieces are learnt.")
    seed: int = setting(1, "Chooses the lines that are sampled from a larger text.")

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"segment.seed must be 0 or more, not {self.seed}")
        if self.vocab_size < 8:
            raise ConfigError(f"segment.vocab_size must be at least 8, not {self.vocab_size}")
        if not 0.9 <= self.character_coverage <= 1.0:
            raise ConfigError(
                "segment.character_coverage must lie between 0.9 and 1, "
                f"not {self.character_coverage}"
            )
        if self.max_lines < 1:
            raise ConfigError(f"segment.max_lines must be at least 1, not {self.max_lines}")
        for place, symbol in enumerate(self.user_symbols):
            check_symbol(symbol, self.user_symbols[:place])


def check_symbol(symbol: str, earlier: tuple[str, ...]) -> None:
    """Refuse a user symbol that could never be one piece."""
    if symbol in earlier:
        raise ConfigError(f"segment.user_symbols: {symbol!r} is given twice")
    if SPECIAL_PIECE.fullmatch(symbol):
        raise ConfigError(f"segment.user_symbols: {symbol!r} is a special piece already")
    # U+2581 is how SentencePiece spells a space inside pieces.
    if not symbol or "\u2581" in symbol or any(character.isspace() for character in symbol):
        raise ConfigError(
            f"segment.user_symbols: {symbol!r} is empty or holds a space; "
            "a symbol is one run of other characters"
        )


@dataclass(frozen=True, kw_only=True)
class CleanConfig:
    """Which pairs of parallel text are damaged or unlikely. A limit of 0 is no limit."""

    section: ClassVar[str] = "clean"

    drop_control: bool = setting(
        True, "Drop pairs that hold control characters, U+FFFD or a byte order mark."
    )
    drop_mojibake: bool = setting(
        True, "Drop pairs that were read in another encoding than they were written in."
    )
    drop_identical: bool = setting(True, "Drop pairs whose two sides are the same.")
    min_words: int = setting(1, "Fewest words of a side.")
    max_words: int = setting(
        250, "Most words of a side; each letter of a script without spaces counts as one."
    )
    max_characters: int = setting(2500, "Most characters of a side.")
    max_word_ratio: float = setting(9.0, "Most words of the longer side for one of the shorter.")
    max_character_ratio: float = setting(
        9.0, "Most characters of the longer side for one of the shorter."
    )
    source_script: tuple[str, ...] = setting(
        (), "Unicode script of the source, such as Latin or Han; several are alternatives."
    )
    target_script: tuple[str, ...] = setting(
        (), "Unicode script of the target, such as Cyrillic; several are alternatives."
    )
    min_script_share: float = setting(0.5, "Smallest share of letters in the script of the side.")
    drop_duplicates: bool = setting(True, "Drop pairs that were kept before, letter for letter.")

    def __post_init__(self) -> None:
        for name in ("min_words", "max_words", "max_characters"):
            if getattr(self, name) < 0:
                raise ConfigError(f"clean.{name} must be at least 0, not {getattr(self, name)}")
        if 0 < self.max_words < self.min_words:
            raise ConfigError(
                f"clean.max_words = {self.max_words} is below clean.min_words = {self.min_words}"
            )
        for name in ("max_word_ratio", "max_character_ratio"):
            if not (getattr(self, name) == 0 or getattr(self, name) >= 1):
                raise ConfigError(
                    f"clean.{name} must be 0 or at least 1, not {getattr(self, name)}"
                )
        if not 0 <= self.min_script_share <= 1:
            raise ConfigError(
                f"clean.min_script_share must lie between 0 and 1, not {self.min_script_share}"
            )
        for name in ("source_script", "target_script"):
            check_scripts(getattr(self, name), f"clean.{name}")


def check_scripts(names: tuple[str, ...], where: str) -> None:
    """Refuse a name that is no Unicode script."""
    if not names:
        return
    import regex  # deferred: few runs name a script, and every command reads this module

    for name in names:
        try:
            regex.compile(rf"\p{{Script={name}}}" if re.fullmatch("[A-Za-z_]+", name) else "[")
        except regex.error:
            raise ConfigError(
                f"{where}: {name!r} is no Unicode script; write for example Latin, Cyrillic or Han"
            ) from None


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How many pairs are set apart from training."""

    section: ClassVar[str] = "split"

    dev: int = setting(500, "Pairs of the development set; 0 makes none.")
    test: int = setting(1000, "Pairs of the test set; 0 makes none.")
    seed: int = setting(1, "Chooses the pairs that are set apart.")

    def __post_init__(self) -> None:
        for name in ("dev", "test", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"split.{name} must be 0 or more, not {getattr(self, name)}")
        if not self.dev + self.test:
            raise ConfigError("split.dev and split.test are both 0; at least one must be above")
