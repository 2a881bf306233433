"""Subword regularisation on the fly: text cut anew for each batch, the same whenever it is asked.

Source: Kudo (2018), https://arxiv.org/abs/1804.10959 (unigram); Provilkov et al. (2020),
https://arxiv.org/abs/1910.13267 (BPE-dropout).
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from nmt.corpus.config import DataConfig
from nmt.corpus.corpora import Pairs
from nmt.corpus.encoded import SIDES
from nmt.corpus.store import Array
from nmt.errors import ConfigError
from nmt.text.resegment import Resegmenter
from nmt.text.segmenter import Segmenter

LINES_TRIED = 500  # to see how much longer text becomes
SLACK = 1.5  # beyond that; a line that grows more stays as the segmenter cuts it by itself
SETTINGS = {"unigram": "sampling_alpha", "bpe": "bpe_dropout"}


class Sampling:
    """Cut lines at random, by random numbers of the seed, the moment and the pair alone.

    Args:
        segmenters: Of each side.
        room: The most pieces that a model reads.

    Attributes:
        growth: How many pieces come for one, on the side where it is more.
    """

    def __init__(
        self,
        corpus: Pairs,
        segmenters: Mapping[str, Segmenter],
        strength: float,
        seed: int,
        room: int,
    ) -> None:
        self._corpus, self._seed, self._room = corpus, seed, room
        self._cut_anew = {
            side: Resegmenter(segmenter, strength) for side, segmenter in segmenters.items()
        }
        self.growth = max(1.0, *map(self._growth, SIDES))

    def _growth(self, side: str) -> float:
        step = -(-len(self._corpus) // LINES_TRIED)
        tried = range(0, len(self._corpus), step)
        before = sum(len(self._corpus.sequence(side, number)) for number in tried)
        after = sum(len(self._sampled(side, number, ())) for number in tried)
        return after / before if before else 1.0  # nothing stands where there is no source

    def cut(self, side: str, numbers: Array, moment: tuple[int, ...]) -> list[Array]:
        """Cut the lines of a batch; none becomes much longer than others do on average.

        Args:
            moment: Tells this time from others at which the same pair comes.
        """
        longest = max(len(self._corpus.sequence(each, n)) for each in SIDES for n in numbers)
        limit = min(self._room, int(SLACK * self.growth * longest))
        kept = []
        for number in numbers:
            sampled = self._sampled(side, number, moment)
            usual = self._corpus.sequence(side, number)
            kept.append(sampled if len(sampled) <= max(limit, len(usual)) else usual)
        return kept

    def _sampled(self, side: str, number: int, moment: tuple[int, ...]) -> Array:
        """Cut a line behind its tags."""
        usual, tags = self._corpus.sequence(side, number), self._corpus.num_tags(side, number)
        key = random_number(self._seed, side, int(number), *moment)
        ids = self._cut_anew[side](usual[tags:].tolist(), key)
        return np.array([*usual[:tags], *ids], usual.dtype)


def random_number(*key: object) -> int:
    """Turn a key into random bits."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def sampling_of(
    corpus: Pairs, segmenters: Mapping[str, Segmenter], data: DataConfig, seed: int, room: int
) -> Sampling | None:
    """Make what the settings ask for; None where text is to stay as it is cut.

    Raises:
        ConfigError: The setting is not for segmenters of this kind.
    """
    refuse_unfit(segmenters.values(), data)
    strength = data.sampling_alpha or data.bpe_dropout
    return Sampling(corpus, segmenters, strength, seed, room) if strength else None


def refuse_unfit(segmenters: Iterable[Segmenter], data: DataConfig) -> None:
    """Refuse the setting of another kind of segmenter: the same number would mean another thing."""
    for segmenter in segmenters:
        for kind, name in SETTINGS.items():
            if getattr(data, name) and kind != segmenter.kind:
                raise ConfigError(
                    f"data.{name} is for {kind} segmenters, but {segmenter.path} is "
                    f"{segmenter.kind}; set data.{SETTINGS[segmenter.kind]} instead"
                )
