"""Models and a segmenter for lines of all kinds."""

import pytest

from nmt.model.contract import EncoderDecoder
from nmt.text.segmenter import Segmenter
from nmt.translate import Translator
from tests.translation.copying import SMALL, Copier, learn, random_model, translator


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    """A segmenter that keeps every character."""
    return learn(tmp_path_factory.mktemp("segmenter"), "identity")


@pytest.fixture
def copier(segmenter: Segmenter) -> Translator:
    return translator(Copier(segmenter.vocab_size), segmenter)


@pytest.fixture(scope="session")
def transformer(segmenter: Segmenter) -> EncoderDecoder:
    return random_model(segmenter, SMALL, 0.5)
