"""What training says while it runs: a bar on a terminal, lines in the log."""

import logging
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from nmt.training.update import Totals

log = logging.getLogger(__name__)


class ProgressBar:
    """A bar with speed and time left, and lines for what is worth keeping."""

    def __init__(self, total: int, done: int) -> None:
        shown = sys.stderr.isatty() and log.isEnabledFor(logging.INFO)
        self._bar = tqdm(
            total=total, initial=done, desc="train", unit=" updates", disable=not shown
        )
        self._redirect = logging_redirect_tqdm()
        self._tokens: int | None = None

    def __enter__(self) -> Self:
        self._redirect.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._bar.close()
        self._redirect.__exit__(kind, error, None)

    def advance(self, tokens: int, totals: Totals) -> None:
        """Count an update; `tokens` are all target tokens so far."""
        self._bar.update()
        first = self._tokens is None
        self._tokens = tokens if first else self._tokens
        elapsed = self._bar.format_dict["elapsed"] if not self._bar.disable else 0.0
        if elapsed and not first and self._tokens is not None and totals.tokens:
            speed = (tokens - self._tokens) / elapsed
            loss = totals.loss / totals.tokens
            self._bar.set_postfix_str(f"{speed:,.0f} tokens/s, loss {loss:.3f}", refresh=False)

    def extend(self, total: int) -> None:
        """Say that there will be so many updates in all."""
        self._bar.total = total

    def say(self, values: Mapping[str, float]) -> None:
        """Write a line of the log; a terminal that shows the bar is spared it."""
        level = logging.INFO if self._bar.disable else logging.DEBUG
        log.log(
            level,
            "update %s: loss %.4f, accuracy %.4f, %s tokens/s%s",
            f"{values['update']:,}", values["loss"], values["accuracy"],
            f"{values['tokens_per_second']:,.0f}",
            f", {values['skipped']:,} skipped" if values.get("skipped") else "",
        )  # fmt: skip
