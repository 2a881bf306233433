"""What is known of an experiment before it runs: from its files, as far as they are there."""

import os
from pathlib import Path

from nmt.advice.case import Case
from nmt.errors import ConfigError
from nmt.experiment import Experiment


def case_of(experiment: Experiment) -> Case:
    """Look at the data and the machine; what is not there is not known."""
    return Case(
        experiment=experiment,
        longest=longest_line(experiment.data.train, experiment.model.has_source),
        dev_tokens=count_tokens(experiment.data.dev_target),
        has_fast_bf16=has_fast_bf16(experiment),
        cores=usable_cores(),
    )


def longest_line(folders: tuple[str, ...], has_source: bool = True) -> int | None:
    """Give the tokens of the longest line in some corpora, None if one is not encoded yet.

    Raises:
        DataError: A corpus is damaged.
    """
    from nmt.corpus.encoded import EncodedCorpus
    from nmt.corpus.texts import sides_learnt

    if not any(folders) or not all((Path(each) / "corpus.json").is_file() for each in folders):
        return None
    parts = [EncodedCorpus(folder) for folder in folders]
    return max(part.longest(side) for part in parts for side in sides_learnt(part, has_source)) + 1


def count_tokens(path: str) -> int | None:
    """Count the words of a text and the ends of its lines, which is fewer than its tokens.

    Raises:
        DataError: It is no text.
    """
    from nmt.text.lines import read_lines

    if not path or not Path(path).is_file():
        return None
    return sum(len(line.split()) + 1 for line in read_lines(path))


def has_fast_bf16(experiment: Experiment) -> bool | None:
    """Tell whether the device is made for bf16, if that was asked for and the device is here."""
    from nmt.model import compute

    if experiment.compute.precision != "bf16":
        return None
    try:
        return compute.has_fast_bf16(compute.choose_device(experiment.compute.device))
    except ConfigError:
        return None  # settings for another machine


def usable_cores() -> int | None:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()
