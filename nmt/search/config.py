"""Settings of the search for translations."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from nmt.errors import ConfigError
from nmt.settings import setting
from nmt.text.phrases import Phrases, phrases_of

OF_BEAM = ("stop", "groups", "coverage_beta", "prune")
OF_SAMPLING = ("temperature", "top_k", "top_p", "epsilon", "mbr_samples")
OF_METHOD = ("method", "beam", "nbest", "mbr", "diversity", *OF_BEAM, *OF_SAMPLING)
NO_RISK = "none"
SPACES = ("prob", "log")  # in which an ensemble takes averages


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How translations are searched for."""

    section: ClassVar[str] = "search"

    method: str = setting(
        "beam", "Search for the best translations, or draw them at random.",
        choices=("beam", "sample"),
    )  # fmt: skip
    beam: int = setting(5, "Hypotheses kept per sentence after every step; 1 is greedy search.")
    length_alpha: float = setting(
        1.0, "A hypothesis' log-probability is divided by its length to this power; 0: it is not."
    )
    length_penalty: str = setting(
        "power",
        "What is raised to it: power, the length; gnmt, (5 + length) / 6.",
        choices=("power", "gnmt"),
    )
    coverage_beta: float = setting(
        0.0, "Weight of the penalty for source pieces that get little attention; 0 is none."
    )
    stop: str = setting(
        "beam",
        "A sentence is done: beam, when as many hypotheses have ended as the beam is wide; bound, "
        "when no other can become one of the n best; ctranslate2, by that library's rules.",
        choices=("beam", "bound", "ctranslate2"),
    )
    prune: float = setting(
        0.0,
        "Faster: a hypothesis is given up when its log-probability lies further than this below "
        "the best of its sentence; 0: none is.",
    )
    nbest: int = setting(1, "Translations given for each line, best first; samples as drawn.")
    groups: int = setting(1, "Parts of the beam that avoid each other's words (diverse beam).")
    diversity: float = setting(
        0.5, "What a word costs a group, in log-probability, each time an earlier one takes it."
    )
    temperature: float = setting(
        1.0, "Sampling divides log-probabilities by this: below 1 it is bolder, above 1 wilder."
    )
    top_k: int = setting(0, "Sampling draws from so many of the most probable pieces; 0: from all.")
    top_p: float = setting(
        1.0, "Sampling draws from the fewest pieces that together are this probable; 1: from all."
    )
    epsilon: float = setting(
        0.0, "Sampling draws only pieces at least this probable, or the most probable one."
    )
    mbr: str = setting(
        NO_RISK,
        "Of all that is found, give what agrees best with the rest by this metric (minimum Bayes "
        "risk); its expected value is the score.",
        choices=(NO_RISK, "chrf", "bleu"),
    )
    mbr_samples: int = setting(
        32, "Samples among which mbr chooses; with a beam it chooses among all of that."
    )
    must: tuple[str, ...] = setting(
        (), "Phrase that every translation must hold; may be given repeatedly."
    )
    must_not: tuple[str, ...] = setting(
        (), "Phrase that no translation may hold; may be given repeatedly."
    )
    whole_words: bool = setting(
        True, "Phrases appear as whole words only, not as parts of longer ones."
    )
    no_repeat_ngram: int = setting(
        0, "No so many pieces in a row stand twice in a translation; 0: they may."
    )
    shortlist: bool = setting(
        False,
        "Faster: search by a beam only among the target pieces that the source suggests, where the "
        "model has learnt which; other searches, and what is asked of their words, need all.",
    )
    limit_ratio: float = setting(2.0, "Most target pieces for each source piece.")
    limit_extra: int = setting(10, "Target pieces allowed beyond that.")
    max_pieces: int = setting(
        256,
        "Most pieces of a line that are read at once; a longer line is cut where sentences end and "
        "translated in parts. 0: as many as the model can read.",
    )
    limit_pieces: int = setting(
        100, "Most pieces that a language model writes behind its prompt, end included."
    )
    batch_tokens: int = setting(
        2048,
        "Source tokens translated at once, padding included; a processor, which is slower with "
        "more, takes 1,536 at most.",
    )
    batch_invariant: bool = setting(
        False,
        "No other line, order or number of threads has a say in the last digit; what compiled "
        "steps do not serve searches for every line alone and on one thread, which is slow.",
    )
    source_tag: tuple[str, ...] = setting(
        (),
        "Piece put before every source, such as <2es>, as in training; may be given repeatedly.",
    )

    def __post_init__(self) -> None:
        self._refuse_idle()
        assert self.phrases is not None  # or it is refused
        if self.beam < 1:
            raise ConfigError(f"search.beam must be at least 1, not {self.beam}")
        self._check_beam() if self.method == "beam" else self._check_sampling()
        if self.limit_ratio < 0 or self.limit_extra < 1:
            raise ConfigError(
                "search.limit_ratio must be at least 0 and search.limit_extra at least 1, "
                f"not {self.limit_ratio} and {self.limit_extra}"
            )
        least_of = {"batch_tokens": 1, "no_repeat_ngram": 0, "max_pieces": 0, "limit_pieces": 1}
        for name, least in least_of.items():
            if getattr(self, name) < least:
                raise ConfigError(
                    f"search.{name} must be at least {least}, not {getattr(self, name)}"
                )

    def _refuse_idle(self) -> None:
        """Refuse what would have no effect beside the rest."""
        idle = OF_SAMPLING if self.method == "beam" else (*OF_BEAM, "diversity")
        method = "sample" if self.method == "beam" else "beam"
        defaults = {field.name: field.default for field in fields(self)}
        for name in idle:
            if (value := getattr(self, name)) != defaults[name]:
                raise ConfigError(
                    f"search.{name} = {value!r} needs search.method = {method!r}, "
                    f"not {self.method!r}"
                )
        if self.diversity != defaults["diversity"] and self.groups == 1:
            raise ConfigError(
                f"search.diversity = {self.diversity} needs search.groups of at least 2, not 1"
            )
        if self.mbr_samples != defaults["mbr_samples"] and self.mbr == NO_RISK:
            raise ConfigError(
                f"search.mbr_samples = {self.mbr_samples} needs search.mbr, such as 'chrf'"
            )

    def _check_beam(self) -> None:
        if not 1 <= self.nbest <= self.beam:
            raise ConfigError(
                f"search.nbest must lie between 1 and search.beam = {self.beam}, not {self.nbest}"
            )
        if self.groups < 1 or self.beam % self.groups:
            raise ConfigError(
                f"search.groups must be at least 1 and divide search.beam = {self.beam}, "
                f"not {self.groups}"
            )
        if self.mbr != NO_RISK and self.beam < 2:
            raise ConfigError(
                f"search.mbr = {self.mbr!r} chooses among the beam: search.beam must be at least "
                f"2, not {self.beam}"
            )
        for name in ("diversity", "coverage_beta", "prune"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(
                    f"search.{name} must be finite and at least 0, not {getattr(self, name)}"
                )
        if self.prune and self.must:
            raise ConfigError(
                f"search.prune = {self.prune} excludes search.must: what has yet to say a phrase "
                "is less probable, and would be given up"
            )
        if self.cuts:
            self._refuse_unlike_ctranslate2()

    def _refuse_unlike_ctranslate2(self) -> None:
        """Refuse what that library has not, or does in another way."""
        plain = {"groups": 1, "coverage_beta": 0.0, "prune": 0.0, "length_penalty": "power"}
        if self.length_alpha == 0:
            plain["nbest"] = 1  # it then stops at whichever ends as the best of all
        for name, usual in plain.items():
            if (value := getattr(self, name)) != usual:
                raise ConfigError(
                    f"search.stop = 'ctranslate2' excludes search.{name} = {value!r}, which "
                    f"CTranslate2 does not do in the same way; it needs {usual!r}"
                )

    def _check_sampling(self) -> None:
        if self.beam != 1:
            raise ConfigError(
                f"search.method = 'sample' keeps no beam: search.beam must be 1, not {self.beam}; "
                "search.nbest says how many are drawn"
            )
        if self.mbr != NO_RISK and not 1 <= self.nbest <= self.mbr_samples:
            raise ConfigError(
                f"search.nbest must lie between 1 and search.mbr_samples = {self.mbr_samples}, "
                f"not {self.nbest}"
            )
        for name, least in (("nbest", 1), ("top_k", 0), ("mbr_samples", 2)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"search.{name} must be at least {least}, not {getattr(self, name)}"
                )
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"search.temperature must be above 0, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"search.top_p must be above 0 and at most 1, not {self.top_p}")
        if not 0 <= self.epsilon < 1:
            raise ConfigError(f"search.epsilon must be at least 0 and below 1, not {self.epsilon}")

    @property
    def cuts(self) -> bool:
        """Tell whether hypotheses at the limit are cut off, not ended."""
        return self.stop == "ctranslate2"

    @property
    def can_shorten(self) -> bool:
        """Tell whether a shortlist is asked for and may serve."""
        return self.shortlist and self.is_plain

    @property
    def is_plain(self) -> bool:
        """Tell whether it is a beam of which nothing more is asked."""
        extras = self.groups > 1 or self.coverage_beta or self.no_repeat_ngram
        asked = self.must or self.must_not or self.mbr != NO_RISK
        return self.method == "beam" and not extras and not asked

    @property
    def phrases(self) -> Phrases:
        """Give what every translation must and must not hold.

        Raises:
            DataError: No text can do it.
        """
        asked = self.must, self.must_not, "search.must and must_not"
        return phrases_of(*asked, whole_words=self.whole_words)

    @property
    def num_found(self) -> int:
        """Give how many translations of a sentence are searched for, to choose among."""
        if self.mbr == NO_RISK:
            return self.nbest
        return self.beam if self.method == "beam" else self.mbr_samples

    def limit(self, source_length: int) -> int:
        """Give the most ids, end of sentence included, for a source of so many ids."""
        return int(self.limit_ratio * source_length) + self.limit_extra

    def score(self, log_prob: float, length: int) -> float:
        """Turn a log-probability into the score of a hypothesis of so many ids, end included.

        Source: Wu et al. (2016), https://arxiv.org/abs/1609.08144, equation 14, for `gnmt`.
        """
        base = float(length) if self.length_penalty == "power" else (5 + length) / 6
        penalty: float = base**self.length_alpha
        return log_prob / penalty


def inherited(own: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Give what stays of a model's own settings beside those that are asked for.

    Another method than its own keeps nothing that belongs to a method.
    """
    default = SearchConfig().method
    before = own.get("method", default)
    method = asked.get("method", before)
    if method == before:
        return dict(own)
    kept = {name: value for name, value in own.items() if name not in OF_METHOD}
    return {**kept, "beam": 1} if method == "sample" else kept
