"""What can be wrong with a model and its attention.

Each function gives what is wrong, or None. Its name is the name of the advice.
"""

import dataclasses

from nmt.advice.case import Case, Pitfall
from nmt.attention.config import ROLES, AttentionConfig
from nmt.attention.refusals import refuse
from nmt.attention.variants import COMPOSED, VARIANTS
from nmt.errors import ConfigError
from nmt.experiment import Experiment

SHORT_WARMUP = 100  # updates; below, a post-norm Transformer seldom gets going
HIGH_DROPOUT = 0.5


def no_positions(case: Case) -> Pitfall | None:
    """Find an encoder that is never told the order of words.

    A decoder without positions learns them from what each of its positions may see.
    """
    model, encoder = case.experiment.model, case.experiment.attention.encoder
    if model.arch != "transformer" or model.positions != "none":
        return None
    if encoder.positions != "none" or ":" in encoder.variant:
        return None
    return Pitfall(
        'model.positions = "none" and attention.encoder.positions = "none"',
        "the encoder is not told the order of words",
        'set model.positions = "sinusoidal" or attention.encoder.variant = "rotary"',
    )


def attention_dropout(case: Case) -> Pitfall | None:
    """Find dropout on weights where a fused kernel would else compute them."""
    roles = [
        role
        for role, section in sections(case.experiment)
        if section.dropout and section.kernel == "auto" and could_be_fused(role, section)
    ]
    if not roles:
        return None
    return Pitfall(
        named(roles, "dropout", case.experiment),
        "training cannot use the fused kernel, and takes memory by the square of the length",
        "leave it at 0 and raise model.dropout",
    )


def could_be_fused(role: str, section: AttentionConfig) -> bool:
    """Tell whether the fused kernel would do, were there no dropout on weights."""
    variant = VARIANTS.get(section.variant)
    if variant is None or variant.mechanism != COMPOSED:
        return False
    try:
        refuse(role, dataclasses.replace(section, dropout=0.0, kernel="fused"))
    except ConfigError:
        return False
    return True


def unpaid_regulators(case: Case) -> Pitfall | None:
    """Find gates or spans that nothing pulls shut."""
    roles = [
        role
        for role, section in sections(case.experiment)
        if (section.gates or section.pattern == "span") and not section.penalty
    ]
    if not roles:
        return None
    return Pitfall(
        named(roles, "penalty", case.experiment),
        "nothing pulls the gates or spans of this attention shut, so no head or key is saved",
        "give them a price, such as penalty = 1e-3",
    )


def sentences_without_break(case: Case) -> Pitfall | None:
    """Find attention that keeps to sentences where no piece ends one."""
    roles = [role for role, each in sections(case.experiment) if each.pattern == "sentence"]
    if not roles or case.experiment.model.sentence_break:
        return None
    return Pitfall(
        f"{named(roles, 'pattern', case.experiment)} without model.sentence_break",
        "a line is one sentence, so this is full attention",
        "name the piece that ends a sentence, one of segment.user_symbols",
    )


def post_norm_without_warmup(case: Case) -> Pitfall | None:
    """Find a post-norm Transformer that meets its full learning rate at once.

    Source: Xiong et al. (2020), https://arxiv.org/abs/2002.04745, section 3.
    """
    model, warmup = case.experiment.model, case.experiment.training.warmup
    if model.arch == "rnn" or model.norm != "post" or warmup >= SHORT_WARMUP:
        return None
    return Pitfall(
        f'model.norm = "post" and training.warmup = {warmup}',
        "gradients near the output are large at first, and training diverges or stands still",
        'set model.norm = "pre", or a warm-up of some hundred updates',
    )


def high_dropout(case: Case) -> Pitfall | None:
    """Find dropout that leaves too little to learn from."""
    model = case.experiment.model
    names = [name for name in ("dropout", "ffn_dropout") if getattr(model, name) > HIGH_DROPOUT]
    if not names:
        return None
    return Pitfall(
        " and ".join(f"model.{name} = {getattr(model, name):g}" for name in names),
        "more than half of the values are dropped, and the model learns little",
        "0.1 is usual, and 0.3 where data are few",
    )


def sections(experiment: Experiment) -> list[tuple[str, AttentionConfig]]:
    """Give the attention of each role."""
    return [(role, getattr(experiment.attention, role)) for role in ROLES]


def named(roles: list[str], name: str, experiment: Experiment) -> str:
    """Spell one setting of some roles as a file of settings does."""
    values = {role: getattr(getattr(experiment.attention, role), name) for role in roles}
    return " and ".join(
        f"attention.{role}.{name} = " + (f'"{value}"' if isinstance(value, str) else f"{value:g}")
        for role, value in values.items()
    )
