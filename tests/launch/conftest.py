"""Where runs go, what they never do, and a corpus with two segmenters."""

from pathlib import Path

import pytest

from nmt.corpus.config import EncodeConfig
from nmt.corpus.encode import encode_corpus
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.lines import read_lines, read_pairs
from nmt.training.loop import Trainer
from tests.launch.killing import killed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name a run that is not there yet."""
    return tmp_path / "new"


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no update take place."""
    monkeypatch.setattr(Trainer, "_one_update", killed)


@pytest.fixture(scope="session")
def apart(tmp_path_factory: pytest.TempPathFactory, toy: Path) -> Path:
    """Encode the toy corpus with a segmenter for each side."""
    folder = tmp_path_factory.mktemp("apart")
    config = SegmentConfig(vocab_size=30, byte_fallback=False, normalization="identity")
    texts = [toy / "train.src", toy / "train.tgt"]
    models = [
        learn_segmenter(read_lines(text), folder / f"{text.suffix[1:]}.model", config)
        for text in texts
    ]
    encode_corpus(read_pairs(*texts), models, folder / "corpus", EncodeConfig())
    return folder / "corpus"
