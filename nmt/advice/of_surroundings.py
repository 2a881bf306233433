"""What can be wrong with data, search and machine.

Each function gives what is wrong, or None. Its name is the name of the advice.
"""

from nmt.advice.case import Case, Pitfall

WIDE_BEAM = 20
MANY = 5  # hypotheses among which the shortest wins where nothing makes up for length
BACKWARD = 3  # times a forward pass: what an update costs for each token


def batch_below_longest(case: Case) -> Pitfall | None:
    """Find batches too small for a pair that may have to go into one."""
    data, encode = case.experiment.data, case.experiment.encode
    longest = encode.max_pieces + 1 if case.longest is None else case.longest
    if data.batch_tokens >= longest:
        return None
    known = f"encode.max_pieces = {encode.max_pieces:,} lets lines of {longest:,} tokens pass"
    return Pitfall(
        f"data.batch_tokens = {data.batch_tokens:,}",
        known if case.longest is None else f"the longest line to train on has {longest:,} tokens",
        "raise data.batch_tokens, or encode with a lower encode.max_pieces",
    )


def model_below_longest(case: Case) -> Pitfall | None:
    """Find lines that the model has no positions for."""
    most, encode = case.experiment.model.max_length, case.experiment.encode
    longest = encode.max_pieces + 1 if case.longest is None else case.longest
    if most >= longest:
        return None
    known = f"encode.max_pieces = {encode.max_pieces:,} lets lines of {longest:,} tokens pass"
    return Pitfall(
        f"model.max_length = {most:,}",
        known if case.longest is None else f"the longest line to train on has {longest:,} tokens",
        "raise model.max_length, or encode with a lower encode.max_pieces",
    )


def development_is_test(case: Case) -> Pitfall | None:
    """Find a best that is chosen on the test set."""
    data = case.experiment.data
    shared = sorted({data.dev_source, data.dev_target} & set(data.test) - {""})
    if not shared:
        return None
    return Pitfall(
        f"data.test and the development set both name {shared[0]}",
        "the best checkpoint is chosen on the test set, whose score then says too much",
        "set other lines apart for development (nmt split)",
    )


def overlap_allowed(case: Case) -> Pitfall | None:
    """Find test sets that training may have read."""
    data = case.experiment.data
    if not (data.test and data.allow_overlap):
        return None
    return Pitfall(
        "data.allow_overlap = true",
        "lines of the test sets may be among those to train on, which makes their scores too high",
        "drop them (nmt check data --faults, then nmt clean --faults) and set it to false",
    )


def validation_outlasts_training(case: Case) -> Pitfall | None:
    """Find validations that compute more than the updates between them.

    Search reads the set once and makes each word once for each hypothesis; steps of search are
    slower for each word than updates are, so that in truth the balance is worse.
    """
    experiment, tokens = case.experiment, case.dev_tokens
    training, beam = experiment.training, experiment.search.beam
    learnt = training.validate_every * training.accumulate * experiment.data.batch_tokens
    if not experiment.model.has_source:
        return None  # nothing is searched for
    if tokens is None or tokens * (1 + beam) <= BACKWARD * learnt:
        return None
    return Pitfall(
        f"training.validate_every = {training.validate_every:,}",
        f"a validation translates {tokens:,} tokens or more with search.beam = {beam}, and takes "
        "longer than the updates between two of them",
        "validate less often, or on fewer lines",
    )


def wide_beam(case: Case) -> Pitfall | None:
    """Find a beam so wide that translations get worse; many to list or choose among need one.

    Source: Koehn and Knowles (2017), https://arxiv.org/abs/1706.03872, section 3.6.
    """
    search = case.experiment.search
    if search.beam <= WIDE_BEAM or search.num_found > 1:
        return None
    return Pitfall(
        f"search.beam = {search.beam}",
        "time grows with it, also that of validations, and translations get worse",
        "4 to 10 is usual",
    )


def short_translations(case: Case) -> Pitfall | None:
    """Find a search that prefers short translations.

    Source: Murray and Chiang (2018), https://arxiv.org/abs/1808.10006.
    """
    search = case.experiment.search
    if search.length_alpha != 0 or search.beam <= MANY:
        return None
    return Pitfall(
        f"search.length_alpha = 0 and search.beam = {search.beam}",
        "every word costs and nothing makes up for it, so a wide beam ends too early",
        "set search.length_alpha = 1",
    )


def cut_translations(case: Case) -> Pitfall | None:
    """Find a limit below the length of the source."""
    search = case.experiment.search
    if search.limit_ratio >= 1:
        return None
    return Pitfall(
        f"search.limit_ratio = {search.limit_ratio:g}",
        "translations end after fewer pieces than their source has, finished or not",
        "set search.limit_ratio = 2",
    )


def parted_lines(case: Case) -> Pitfall | None:
    """Find lines that are learnt whole, but would be translated in parts."""
    most, encode = case.experiment.search.max_pieces, case.experiment.encode
    longest = encode.max_pieces if case.longest is None else case.longest - 1  # without its end
    if not 0 < most < longest or not case.experiment.model.has_source:
        return None
    known = f"encode.max_pieces = {encode.max_pieces:,} lets lines of {longest:,} pieces pass"
    return Pitfall(
        f"search.max_pieces = {most:,}",
        (known if case.longest is None else f"the longest line to train on has {longest:,} pieces")
        + ", and such lines are translated in parts",
        "raise search.max_pieces",
    )


def slow_bf16(case: Case) -> Pitfall | None:
    """Find bf16 on a machine that has to emulate it."""
    if case.experiment.compute.precision != "bf16" or case.has_fast_bf16 is not False:
        return None
    return Pitfall(
        'compute.precision = "bf16"',
        "this machine has no products in bfloat16 and emulates them: slower, and less precise",
        'set compute.precision = "auto"',
    )


def too_many_threads(case: Case) -> Pitfall | None:
    """Find more threads than cores."""
    threads, cores = case.experiment.compute.threads, case.cores
    if cores is None or threads <= cores:
        return None
    return Pitfall(
        f"compute.threads = {threads}",
        f"they share {cores} cores and wait for each other",
        "set compute.threads = 0, which is one for each core",
    )
