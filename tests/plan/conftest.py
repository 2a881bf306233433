"""One core, and a corpus of lines of many lengths."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nmt.corpus.config import EncodeConfig
from nmt.corpus.encode import encode_corpus
from nmt.experiment import Experiment
from nmt.text.lines import read_lines
from nmt.text.segmenter import Segmenter


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Compute on one core."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def lengthy(
    tmp_path_factory: pytest.TempPathFactory, toy: Path, experiment: Callable[..., Experiment]
) -> Callable[..., Experiment]:
    """Make the toy's settings for a corpus of longer lines and an empty one, without dev set."""
    draw = random.Random(2)
    words = " ".join(read_lines(toy / "train.src")).split()
    lines = [" ".join(draw.choices(words, k=draw.randint(1, 12))) for _ in range(160)]
    joint = Segmenter.load(toy / "joint.model")
    folder = tmp_path_factory.mktemp("lengthy") / "corpus"
    rows = [(line, line) for line in lines]
    encode_corpus([*rows, ("", "x")], [joint, joint], folder, EncodeConfig())
    changes = (f"data.train={folder}", "data.dev_source=", "data.dev_target=")
    return lambda *more: experiment(*changes, *more)
