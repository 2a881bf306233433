"""What can be wrong with the settings of training.

Each function gives what is wrong, or None. Its name is the name of the advice.
"""

from nmt.advice.case import Case, Pitfall
from nmt.training.config import TrainingConfig

QUICKEST = 50  # updates of warm-up from which a learning rate is still believed
MUON_BEARS = 4  # times the rate of adam
MUCH_SMOOTHING = 0.3


def warmup_outlasts_run(case: Case) -> Pitfall | None:
    """Find a learning rate that is never reached."""
    warmup, updates = case.experiment.training.warmup, case.updates
    if updates is None or warmup < updates:
        return None
    return Pitfall(
        f"training.warmup = {warmup:,} and training.max_updates = {updates:,}",
        "the run ends before its learning rate has risen, and never falls",
        "warm up over a tenth of the run or less",
    )


def nothing_left(case: Case) -> Pitfall | None:
    """Find a run that has already made as many updates as it may."""
    updates = case.updates
    if not case.resumed or updates is None or case.resumed < updates:
        return None
    return Pitfall(
        f"training.max_updates = {updates:,}",
        f"the run stands at update {case.resumed:,}, so none is left to make",
        "train further from its model, as another run: nmt train --from RUN",
    )


def validates_only_at_end(case: Case) -> Pitfall | None:
    """Find a run that leaves no checkpoint before its last update."""
    every, updates = case.experiment.training.validate_every, case.updates
    if updates is None or every <= updates:
        return None
    return Pitfall(
        f"training.validate_every = {every:,} and training.max_updates = {updates:,}",
        "there is no checkpoint before the end: a kill loses all, and no best can be chosen",
        "validate some ten times in a run",
    )


def averages_everything(case: Case) -> Pitfall | None:
    """Find an average that takes in the first checkpoints, which have learnt little."""
    training, validations = case.experiment.training, case.validations
    if not case.experiment.data.dev_target or validations is None:
        return None
    if not 1 < training.average > validations:
        return None
    return Pitfall(
        f"training.average = {training.average} and training.validate_every = "
        f"{training.validate_every:,}",
        f"the run has {counted(validations, 'validation')}, so the average takes in the first",
        "validate more often, or average fewer",
    )


def idle_patience(case: Case) -> Pitfall | None:
    """Find a patience that no run of this length can lose."""
    patience, validations = case.experiment.training.patience, case.validations
    if not patience or validations is None or patience + 1 < validations:
        return None
    return Pitfall(
        f"training.patience = {patience}",
        f"the run has {counted(validations, 'validation')}, so it never ends early",
        "validate more often, or set it to 0",
    )


def no_development_set(case: Case) -> Pitfall | None:
    """Find training in which nothing can be called best."""
    data = case.experiment.data
    if not any(data.train) or data.dev_source or data.dev_target:
        return None
    source = "--dev-source FILE " if case.experiment.model.has_source else ""
    return Pitfall(
        f'training.best_metric = "{case.experiment.training.best_metric}" without data.dev_target',
        "nothing is measured, so the last checkpoint is the best and none are averaged",
        f"name a development set: {source}--dev-target FILE",
    )


def high_learning_rate(case: Case) -> Pitfall | None:
    """Find a rate beyond what the width of the model bears.

    Rates that last grow with the inverse root of the width; this one would be reached by the
    original schedule in QUICKEST updates alone. Matrices that are moved as a whole bear more.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, equation 3.
    """
    training, width = case.experiment.training, case.experiment.model.model_size
    rate, bears = training.learning_rate, MUON_BEARS if training.optimizer == "muon" else 1
    if rate <= (limit := bears * (width * QUICKEST) ** -0.5):
        return None
    return Pitfall(
        f"training.learning_rate = {rate:g} and model.model_size = {width}",
        f"training diverges at rates above about {limit:.1g} for this width",
        f"try {limit / 8:.1g}",
    )


def high_label_smoothing(case: Case) -> Pitfall | None:
    """Find targets of which too little is left."""
    smoothing = case.experiment.training.label_smoothing
    if smoothing <= MUCH_SMOOTHING:
        return None
    return Pitfall(
        f"training.label_smoothing = {smoothing:g}",
        "the model learns to be unsure of all words, and search goes astray",
        "0.1 is usual",
    )


def r_drop_without_dropout(case: Case) -> Pitfall | None:
    """Find two passes that nothing tells apart."""
    strength, model = case.experiment.training.r_drop, case.experiment.model
    if not strength or model.dropout or model.ffn_dropout:
        return None
    return Pitfall(
        f"training.r_drop = {strength:g} and model.dropout = 0",
        "both passes over a pair are the same, so an update takes twice the time for nothing",
        "set model.dropout to 0.1 to 0.3",
    )


def smoothed_but_chosen_by_loss(case: Case) -> Pitfall | None:
    """Find a best that is chosen by what training does not minimise.

    Source: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 5.4.
    """
    training = case.experiment.training
    if training.best_metric not in ("loss", "perplexity") or not training.label_smoothing:
        return None
    return Pitfall(
        f'training.best_metric = "{training.best_metric}" and training.label_smoothing = '
        f"{training.label_smoothing:g}",
        "it is measured without smoothing, which raises it"
        + (" while translations get better" if case.experiment.model.has_source else ""),
        "set training.label_smoothing = 0"
        + (', or choose by "bleu" or "chrf"' if case.experiment.model.has_source else ""),
    )


def unused_weight_decay(case: Case) -> Pitfall | None:
    """Find decay that was asked for of an optimizer without any."""
    training = case.experiment.training
    if training.optimizer != "adam":
        return None
    if training.weight_decay in (0.0, TrainingConfig.weight_decay):
        return None
    return Pitfall(
        f'training.optimizer = "adam" and training.weight_decay = {training.weight_decay:g}',
        "adam has no decay here, so the setting is not used",
        'set training.optimizer = "adamw"',
    )


def unused_momentum(case: Case) -> Pitfall | None:
    """Find momentum that was asked for of an optimizer without any."""
    training = case.experiment.training
    if training.optimizer == "muon" or training.momentum == TrainingConfig.momentum:
        return None
    return Pitfall(
        f'training.optimizer = "{training.optimizer}" and training.momentum = '
        f"{training.momentum:g}",
        "only muon has momentum; the others have training.beta1",
        'set training.optimizer = "muon", or training.beta1',
    )


def average_of_the_still(case: Case) -> Pitfall | None:
    """Find a moving average beside a schedule that lets the weights come to rest anyway."""
    training = case.experiment.training
    if not training.ema or training.schedule == "inverse-sqrt":
        return None
    return Pitfall(
        f'training.ema = {training.ema:g} and training.schedule = "{training.schedule}"',
        "the rate ends at zero, so the weights come to rest and their average gains nothing",
        'set training.ema = 0, or training.schedule = "inverse-sqrt"',
    )


def silent_log(case: Case) -> Pitfall | None:
    """Find a run whose log says nothing of its training."""
    every, updates = case.experiment.training.log_every, case.updates
    if updates is None or every <= updates:
        return None
    return Pitfall(
        f"training.log_every = {every:,} and training.max_updates = {updates:,}",
        "the log and the learning curves hold nothing of training",
        "log at least ten times in a run",
    )


def counted(number: int, noun: str) -> str:
    """Spell a number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
