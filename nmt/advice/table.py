"""All advice there is."""

from collections.abc import Callable, Iterator

from nmt.advice import of_models, of_surroundings, of_training
from nmt.advice.case import Case, Pitfall

PITFALLS: tuple[Callable[[Case], Pitfall | None], ...] = (
    of_models.no_positions,
    of_models.attention_dropout,
    of_models.unpaid_regulators,
    of_models.sentences_without_break,
    of_models.post_norm_without_warmup,
    of_models.high_dropout,
    of_training.warmup_outlasts_run,
    of_training.nothing_left,
    of_training.validates_only_at_end,
    of_training.averages_everything,
    of_training.idle_patience,
    of_training.no_development_set,
    of_training.high_learning_rate,
    of_training.high_label_smoothing,
    of_training.r_drop_without_dropout,
    of_training.smoothed_but_chosen_by_loss,
    of_training.unused_weight_decay,
    of_training.unused_momentum,
    of_training.average_of_the_still,
    of_training.silent_log,
    of_surroundings.batch_below_longest,
    of_surroundings.model_below_longest,
    of_surroundings.development_is_test,
    of_surroundings.overlap_allowed,
    of_surroundings.validation_outlasts_training,
    of_surroundings.wide_beam,
    of_surroundings.short_translations,
    of_surroundings.cut_translations,
    of_surroundings.parted_lines,
    of_surroundings.slow_bf16,
    of_surroundings.too_many_threads,
)


def pitfalls(case: Case) -> Iterator[tuple[str, Pitfall]]:
    """Give all that is wrong with a case, each by its name."""
    for look in PITFALLS:
        if found := look(case):
            yield name_of(look), found


def name_of(look: Callable[[Case], Pitfall | None]) -> str:
    """Name a piece of advice."""
    return look.__name__.replace("_", "-")
