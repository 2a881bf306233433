"""Messages about lines: each line once, and not so many that they bury everything else."""

import logging
from collections import defaultdict

log = logging.getLogger(__name__)

MOST = 20


class Notices:
    """Tell about lines, the first of each kind by number, in as many messages as are allowed."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._told: dict[str, set[int]] = defaultdict(set)

    def tell(self, kind: str, number: int, message: str) -> None:
        """Say something about a line, unless it was said; with -v about all lines."""
        told = self._told[kind]
        if number in told:
            return
        if len(told) < self._most or log.isEnabledFor(logging.DEBUG):
            log.warning("line %d %s", number, message)
        elif len(told) == self._most:
            log.warning("more lines are like this; -v names all")
        else:
            return
        told.add(number)
