"""Settings of the search for translations."""

from dataclasses import dataclass
from typing import ClassVar

from nmt.errors import ConfigError
from nmt.settings import setting


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How translations are searched for."""

    section: ClassVar[str] = "search"

    beam: int = setting(5, "Hypotheses kept per sentence after every step; 1 is greedy search.")
    length_alpha: float = setting(
        1.0, "A hypothesis' log-probability is divided by its length to this power; 0: it is not."
    )
    nbest: int = setting(1, "Translations given for each line, best first.")
    limit_ratio: float = setting(2.0, "Most target pieces for each source piece.")
    limit_extra: int = setting(10, "Target pieces allowed beyond that.")
    batch_tokens: int = setting(4096, "Source tokens translated at once, padding included.")
    source_tag: tuple[str, ...] = setting(
        (),
        "Piece put before every source, such as <2es>, as in training; may be given repeatedly.",
    )

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise ConfigError(f"search.beam must be at least 1, not {self.beam}")
        if not 1 <= self.nbest <= self.beam:
            raise ConfigError(
                f"search.nbest must lie between 1 and search.beam = {self.beam}, not {self.nbest}"
            )
        if self.limit_ratio < 0 or self.limit_extra < 1:
            raise ConfigError(
                "search.limit_ratio must be at least 0 and search.limit_extra at least 1, "
                f"not {self.limit_ratio} and {self.limit_extra}"
            )
        if self.batch_tokens < 1:
            raise ConfigError(f"search.batch_tokens must be at least 1, not {self.batch_tokens}")

    def limit(self, source_length: int) -> int:
        """Give the most ids, end of sentence included, for a source of so many ids."""
        return int(self.limit_ratio * source_length) + self.limit_extra
