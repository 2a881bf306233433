"""Settings of the data that a training run reads."""

import math
from dataclasses import dataclass
from typing import ClassVar

from nmt.errors import ConfigError
from nmt.settings import setting


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """How corpora are mixed for some time; with neither weights nor temperature, by their size."""

    pairs: int = setting(0, "Pairs drawn in this stage; the last has none and never ends.")
    weights: tuple[float, ...] = setting((), "Shares of the corpora, as data.weights.")
    temperature: float = setting(0.0, "As data.temperature.")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Corpora of a training run, and how they are mixed and cut."""

    section: ClassVar[str] = "data"

    train: tuple[str, ...] = setting(
        (),
        "Encoded corpora to train on, folders made by nmt encode. Several that are not mixed by "
        "weights, temperature or stages are as one. A language model learns monolingual ones, or "
        "the targets of parallel ones.",
    )
    weights: tuple[float, ...] = setting(
        (), "Shares of the corpora in the pairs that are drawn, in the order of data.train."
    )
    temperature: float = setting(
        0.0,
        "Draw from corpora by their size to the power of 1/temperature: 1 is by size, more is more "
        "evenly. 0: not mixed so.",
    )
    stages: tuple[StageConfig, ...] = setting(
        (), "Mixtures that follow one another, each a [[data.stages]] with pairs and weights."
    )
    dev_source: str = setting("", "Raw source text of the development set.")
    dev_target: str = setting(
        "", "Raw target text of the development set; a language model has no other."
    )
    test: tuple[str, ...] = setting(
        (),
        "Texts of test sets, which training never reads but checks its corpus against: raw lines "
        "of either side, or both sides with a tab between.",
    )
    allow_overlap: bool = setting(
        False, "Train although lines of the corpus are in a test set (data.test)."
    )
    batch_tokens: int = setting(
        4096, "Tokens in a batch, padding included, counted on the longer of its sides."
    )
    sampling_alpha: float = setting(
        0.0,
        "Subword regularisation with a unigram segmenter: cut each pair anew each epoch, by "
        "probabilities to this power, such as 0.2; less is more random. 0: off.",
    )
    bpe_dropout: float = setting(
        0.0, "The same with a BPE segmenter: share of merges left out, such as 0.1. 0: off."
    )

    def __post_init__(self) -> None:
        if self.batch_tokens < 1:
            raise ConfigError(f"data.batch_tokens must be at least 1, not {self.batch_tokens}")
        if not 0 <= self.sampling_alpha < math.inf:
            raise ConfigError(f"data.sampling_alpha must be 0 or more, not {self.sampling_alpha}")
        if not 0 <= self.bpe_dropout < 1:
            raise ConfigError(f"data.bpe_dropout must lie in [0, 1), not {self.bpe_dropout}")
        if self.sampling_alpha and self.bpe_dropout:
            raise ConfigError("data.sampling_alpha and data.bpe_dropout exclude each other")
        if self.stages and (self.weights or self.temperature):
            raise ConfigError(
                "data.stages excludes data.weights and data.temperature; say them in each stage"
            )
        check_mixture(self.weights, self.temperature, len(self.train), "data")
        for place, stage in enumerate(self.stages):
            where = f"data.stages[{place}]"
            check_mixture(stage.weights, stage.temperature, len(self.train), where)
            check_pairs(stage.pairs, where, last=place + 1 == len(self.stages))

    @property
    def mixtures(self) -> tuple[StageConfig, ...]:
        """Give the stages of mixing, of which there may be a single one; none: all are as one."""
        if self.weights or self.temperature:
            return (StageConfig(weights=self.weights, temperature=self.temperature),)
        return self.stages


def check_mixture(
    weights: tuple[float, ...], temperature: float, num_corpora: int, where: str
) -> None:
    """Refuse weights that fit no corpora."""
    if not 0 <= temperature < math.inf:
        raise ConfigError(f"{where}.temperature must be 0 or more, not {temperature}")
    if weights and temperature:
        raise ConfigError(f"{where}.weights and {where}.temperature exclude each other")
    if weights and len(weights) != num_corpora:
        raise ConfigError(
            f"{where}.weights has {len(weights)} shares, but data.train names {num_corpora} "
            "corpora; give one to each"
        )
    if weights and not (all(0 <= each < math.inf for each in weights) and sum(weights) > 0):
        raise ConfigError(
            f"{where}.weights must be 0 or more, and one of them above, not {list(weights)}"
        )


def check_pairs(pairs: int, where: str, *, last: bool) -> None:
    """Refuse stages of which the end is not known, or after which none follows."""
    if last and pairs:
        raise ConfigError(f"{where}.pairs = {pairs:,}, but the last stage never ends; leave it out")
    if not last and pairs < 1:
        raise ConfigError(f"{where}.pairs must be at least 1, not {pairs}, as stages follow it")


@dataclass(frozen=True, kw_only=True)
class EncodeConfig:
    """What is kept when training text is encoded."""

    section: ClassVar[str] = "encode"

    max_pieces: int = setting(256, "Drop pairs of which a side has more pieces than this.")
    source_tag: tuple[str, ...] = setting(
        (), "Piece put before every source, such as <2es> or <bt>; may be given repeatedly."
    )

    def __post_init__(self) -> None:
        if self.max_pieces < 1:
            raise ConfigError(f"encode.max_pieces must be at least 1, not {self.max_pieces}")
