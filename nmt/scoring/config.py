"""Settings of scoring."""

from dataclasses import dataclass
from typing import ClassVar

from nmt.settings import check_choice, setting

# All that sacreBLEU knows but `spm`, its deprecated name for flores101.
TOKENIZERS = (
    "13a", "intl", "char", "zh", "ja-mecab", "ko-mecab",
    "flores101", "flores200", "spBLEU-1K", "none",
)  # fmt: skip

TESTS = {"bootstrap": "bs", "randomisation": "ar"}  # of a difference; sacreBLEU's names for them
NO_TEST = "none"


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """What counts as equal when a translation is compared with a reference."""

    section: ClassVar[str] = "score"

    lowercase: bool = setting(False, "Compare lower-cased text (TER always does).")
    tokenize: str = setting(
        "13a",
        "How BLEU cuts text into words; sacreBLEU's names. Other metrics cut it in their own way.",
        choices=TOKENIZERS,
    )

    def __post_init__(self) -> None:
        check_choice(self.tokenize, TOKENIZERS, "score.tokenize")
