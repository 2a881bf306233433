"""What a model makes of a pair: pieces, their log-probabilities, links between words."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.alignment.attended import Words, source_places, word_links
from nmt.alignment.head import Head, default_head
from nmt.alignment.links import Links
from nmt.errors import ConfigError
from nmt.forced.reader import Pair, Reader
from nmt.search.coverage import whole_penalty
from nmt.search.forced import Forced
from nmt.text.words import words_of
from nmt.translate import Translation

NO_WEIGHTS = "alignment needs weights of attention, but attention.cross of this model gives none"


@dataclass(frozen=True)
class Reading:
    """What was made of one pair; of an empty one, nothing.

    Attributes:
        source_pieces: As read: with tags and the end.
        pieces: Of the target, with the end.
        log_probs: Of each of these.
        score: What search ranks a hypothesis by.
        links: None where they were not asked for.
    """

    source_pieces: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    log_probs: tuple[float, ...] = ()
    log_prob: float = 0.0
    score: float = 0.0
    links: Links | None = None


@dataclass(frozen=True)
class Details:
    """What there is to tell of translations.

    Attributes:
        head: Tells which words go with which; None where none can.
    """

    reader: Reader
    head: Head | None

    def of(self, found: Sequence[Translation], first_number: int) -> list[list[Reading]]:
        """Read again what was found for lines, of which the first has the given number."""
        pairs = self.reader.found(found, first_number)
        flat = iter(read_pairs(self.reader, [pair for some in pairs for pair in some], self.head))
        return [[next(flat) for _ in some] for some in pairs]


def read_pairs(reader: Reader, pairs: Sequence[Pair], head: Head | None) -> list[Reading]:
    """Read pairs, in order, and link their words by a head, if any."""
    readings = [Reading(links=None if head is None else frozenset())] * len(pairs)
    filled = [place for place, pair in enumerate(pairs) if not pair.is_empty]
    batch = [pairs[place] for place in filled]
    for number, result in reader.read(batch, need_weights=head is not None):
        readings[filled[number]] = reading_of(reader, batch[number], result, head)
    return readings


def reading_of(reader: Reader, pair: Pair, result: Forced, head: Head | None) -> Reading:
    """Put together what was made of one pair."""
    both, log_prob = reader.segmenters, sum(result.log_probs)
    ends = both.source.texts[both.source.eos_id], both.target.texts[both.target.eos_id]
    tags = (both.source.texts[id_] for id_ in reader.tags)
    score = reader.search.score(log_prob, len(result.log_probs))
    if beta := reader.search.coverage_beta:
        score += whole_penalty(result.weights, beta)
    return Reading(
        (*tags, *pair.source.pieces, ends[0]),
        (*pair.target.pieces, ends[1]),
        result.log_probs,
        log_prob,
        score,
        None if head is None else links_of(pair, result, head, len(reader.tags)),
    )


def links_of(pair: Pair, result: Forced, head: Head, tags: int) -> Links:
    """Link the words of a pair by what a head looks at."""
    words = words_in(pair, tags)
    return word_links(source_places(result.weights, head, words), words)


def words_in(pair: Pair, tags: int) -> Words:
    """Number the words that each piece stands for, on both sides."""
    source, target = (words_of(side.text, side.spans) for side in (pair.source, pair.target))
    return Words(source, target, tags)


def check_head(head: Head | None, heads: Sequence[int | None]) -> Head:
    """Give a head that the model has, or by default one of its own.

    Args:
        heads: How many each layer has; None where it gives no weights.

    Raises:
        ConfigError: There is no such head, or none gives weights.
    """
    if all(each is None for each in heads):
        raise ConfigError(NO_WEIGHTS)
    if head is None:
        return default_head(heads)
    if head.layer not in range(len(heads)):
        raise ConfigError(
            f"layer {head.layer} is asked for alignment, but those of this model's cross-attention "
            f"are 0 to {len(heads) - 1}"
        )
    count = heads[head.layer]
    if count is None:
        raise ConfigError(f"layer {head.layer} of this model's cross-attention gives no weights")
    if head.head is not None and head.head not in range(count):
        raise ConfigError(
            f"head {head.head} is asked for alignment, but those of layer {head.layer} are 0 to "
            f"{count - 1}"
        )
    return head
