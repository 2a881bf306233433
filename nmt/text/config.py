"""Settings of segmentation."""

from dataclasses import dataclass
from typing import ClassVar

from nmt.errors import ConfigError
from nmt.settings import setting


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

    def __post_init__(self) -> None:
        if self.vocab_size < 8:
            raise ConfigError(f"segment.vocab_size must be at least 8, not {self.vocab_size}")
        if not 0.9 <= self.character_coverage <= 1.0:
            raise ConfigError(
                "segment.character_coverage must lie between 0.9 and 1, "
                f"not {self.character_coverage}"
            )
