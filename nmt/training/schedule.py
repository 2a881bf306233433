"""Learning rates as pure functions of the update."""

import math
from collections.abc import Callable

from nmt.training.config import TrainingConfig

Schedule = Callable[[int], float]


def inverse_sqrt(update: int, warmup: int, max_updates: int) -> float:
    """Fall with the inverse square root of the update; independent of how long training is.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, equation 3.
    """
    return math.sqrt(max(warmup, 1) / update)


def cosine(update: int, warmup: int, max_updates: int) -> float:
    """Fall to zero along half a cosine.

    Source: Loshchilov and Hutter (2017), https://arxiv.org/abs/1608.03983, equation 5.
    """
    return 0.5 * (1.0 + math.cos(math.pi * progress(update, warmup, max_updates)))


def linear(update: int, warmup: int, max_updates: int) -> float:
    """Fall to zero along a straight line."""
    return 1.0 - progress(update, warmup, max_updates)


def progress(update: int, warmup: int, max_updates: int) -> float:
    """Tell how much of the way from the end of the warm-up to the last update is done.

    The rate of the last update is a small step above zero, so that no update is wasted.
    """
    return min(1.0, (update - warmup) / max(1, max_updates + 1 - warmup))


SCHEDULES = {"inverse-sqrt": inverse_sqrt, "cosine": cosine, "linear": linear}


def make_schedule(config: TrainingConfig) -> Schedule:
    """Give the learning rate of every update, counted from 1: up in a line, then down."""
    fall = SCHEDULES[config.schedule]

    def rate(update: int) -> float:
        if update < config.warmup:
            return config.learning_rate * update / config.warmup
        return config.learning_rate * fall(update, config.warmup, config.max_updates)

    return rate
