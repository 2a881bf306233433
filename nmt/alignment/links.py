"""Links between the words of a pair: their Pharaoh format, two directions made one, errors.

A link is the number of a source word and that of a target word, both from 0.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from nmt.errors import DataError

Link = tuple[int, int]
Links = frozenset[Link]

LINK = re.compile("([0-9]{1,9})([-p])([0-9]{1,9})")
NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
WAYS = ("grow-diag", "grow-diag-final-and", "intersection", "union")


def spell(links: Iterable[Link]) -> str:
    """Write links as `0-0 1-2`, source before target, in the order of the target words."""
    ordered = sorted(links, key=lambda link: (link[1], link[0]))
    return " ".join(f"{source}-{target}" for source, target in ordered)


@dataclass(frozen=True)
class Gold:
    """Links that people have drawn: those that must be there, and those that may."""

    sure: Links
    possible: Links


def parse_gold(line: str, where: str, sizes: tuple[int, int]) -> Gold:
    """Read `0-0 1p2`: a link with `-` is sure, one with `p` only possible.

    Args:
        sizes: Numbers of source and target words.

    Raises:
        DataError: Something is no link, or is a link to a word that is not there.
    """
    sure, possible = set(), set()
    for word in line.split():
        found = LINK.fullmatch(word)
        if found is None:
            raise DataError(
                f"{where}: {word!r} is no link; write 0-0, or 0p0 if it is only possible"
            )
        link = int(found[1]), int(found[3])
        if link[0] >= sizes[0] or link[1] >= sizes[1]:
            raise DataError(
                f"{where}: {word} points beyond the {sizes[0]} source and {sizes[1]} target words, "
                "which are numbered from 0"
            )
        possible.add(link)
        if found[2] == "-":
            sure.add(link)
    return Gold(frozenset(sure), frozenset(possible))


@dataclass
class Errors:
    """The alignment error rate of many pairs, summed up as they come.

    Source: Och & Ney (2003), https://aclanthology.org/J03-1002, section 5.2.
    """

    found: int = 0
    sure: int = 0
    hits: dict[str, int] = field(default_factory=lambda: {"sure": 0, "possible": 0})

    def add(self, links: Links, gold: Gold) -> None:
        """Add a pair."""
        self.found += len(links)
        self.sure += len(gold.sure)
        self.hits["sure"] += len(links & gold.sure)
        self.hits["possible"] += len(links & gold.possible)

    @property
    def rate(self) -> float:
        """Give the error rate: 0 is perfect, 1 is all wrong."""
        everything = self.found + self.sure
        return 1 - sum(self.hits.values()) / everything if everything else 0.0

    @property
    def precision(self) -> float:
        """Give the share of links found that are possible."""
        return self.hits["possible"] / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Give the share of sure links that were found."""
        return self.hits["sure"] / self.sure if self.sure else 1.0


def turned(links: Iterable[Link]) -> Links:
    """Turn the links of a pair that was read the other way round."""
    return frozenset((target, source) for source, target in links)


def symmetrise(forward: Links, backward: Links, way: str) -> Links:
    """Make the links of two directions one.

    Args:
        backward: Turned: source words first.
        way: One of `WAYS`.

    Source: Koehn et al. (2005), https://aclanthology.org/2005.iwslt-1.8, section 2.
    """
    assert way in WAYS
    if way == "union":
        return forward | backward
    links = set(forward & backward)
    if way == "intersection":
        return frozenset(links)
    grow(links, forward | backward)
    if way == "grow-diag-final-and":
        for each in (forward, backward):
            add_lonely(links, each)
    return frozenset(links)


def grow(links: set[Link], union: Links) -> None:
    """Add links beside those that are there, diagonally too, to words that have none yet."""
    sources, targets = ({link[side] for link in links} for side in (0, 1))
    waiting = sorted(links)
    while waiting:
        following = []
        for source, target in waiting:
            for down, right in NEIGHBOURS:
                link = source + down, target + right
                is_new = link[0] not in sources or link[1] not in targets
                if is_new and link in union and link not in links:
                    links.add(link)
                    sources.add(link[0])
                    targets.add(link[1])
                    following.append(link)
        waiting = following


def add_lonely(links: set[Link], candidates: Links) -> None:
    """Add links between words of which neither has one."""
    sources, targets = ({link[side] for link in links} for side in (0, 1))
    for source, target in sorted(candidates):
        if source not in sources and target not in targets:
            links.add((source, target))
            sources.add(source)
            targets.add(target)
