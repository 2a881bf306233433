"""A segmenter that spells every character, and parallel text in several scripts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.corpus.config import EncodeConfig
from nmt.corpus.encode import encode_corpus
from nmt.corpus.encoded import EncodedCorpus
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.segmenter import Segmenter

TEXT = ["the cat sat on the mat", "a quick brown fox", "jumps over the lazy dog", "the hat"]
PAIRS = [
    ("the cat", "die Katze"),
    ("  spaces  stay  as they are ", "Größe\tund ein Tab"),
    ("日本語のテキスト", "العربية ‏والعبرية"),
    ("e\u0301 is not é", "\ufeffa mark, \u2028 no line end, \u00a0 no space"),
    ("🙂👩‍👩‍👧", "a"),
    ("a \\ backslash", "0"),
]


def learn(folder: Path, vocab_size: int) -> Segmenter:
    config = SegmentConfig(kind="bpe", vocab_size=vocab_size, byte_fallback=True)
    return learn_segmenter(TEXT, folder / "small.model", config)


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return learn(tmp_path_factory.mktemp("segmenter"), 300)


@pytest.fixture(scope="session")
def other_segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return learn(tmp_path_factory.mktemp("segmenter"), 295)


@pytest.fixture(scope="session")
def pairs() -> list[tuple[str, str]]:
    return PAIRS


@pytest.fixture
def encoded(tmp_path: Path, segmenter: Segmenter) -> Callable[..., EncodedCorpus]:
    """Encode pairs with one segmenter for both sides."""

    def encode(rows: list[tuple[str, str]] = PAIRS) -> EncodedCorpus:
        encode_corpus(rows, [segmenter, segmenter], tmp_path / "corpus", EncodeConfig())
        return EncodedCorpus(tmp_path / "corpus")

    return encode
