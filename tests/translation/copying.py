"""A model that writes what it reads, lines for it, and ways to search."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.config import AttentionSections
from nmt.attention.rows import Rows
from nmt.model.build import build_model
from nmt.model.compute import Compute
from nmt.model.config import ModelConfig
from nmt.model.contract import EncoderDecoder, Memory
from nmt.model.directory import Segmenters
from nmt.search.config import SearchConfig
from nmt.text.config import SegmentConfig
from nmt.text.learning import learn_segmenter
from nmt.text.segmenter import Segmenter
from nmt.translate import Translator

COMPUTE = Compute(torch.device("cpu"), torch.float32)

LINES = [
    "the cat", "", "a quick brown fox jumps", "dog", "", "the cat", "größe 🙂", "x y z", " ",
    "over the lazy dog and the cat",
]  # fmt: skip

SMALL = ModelConfig(
    encoder_layers=1, decoder_layers=1, model_size=8, ffn_size=12, num_heads=2, max_length=16
)

SEARCHES = [
    {"method": "sample", "beam": 1, "nbest": 2, "top_p": 0.9}, {"beam": 4, "groups": 2, "nbest": 4},
    {"coverage_beta": 0.2}, {"stop": "bound", "no_repeat_ngram": 2},
]  # fmt: skip


@dataclass(frozen=True)
class CopyState:
    """The source as one-hot states, and how much of it is written."""

    states: Tensor
    step: int

    def select(self, sentences: Tensor) -> "CopyState":
        return replace(self, states=self.states[sentences])


class Copier(EncoderDecoder):
    """A model that writes its source, end of sentence included."""

    def __init__(self, vocab_size: int, max_length: int = 1000) -> None:
        super().__init__()
        self.vocab_size, self.max_length = vocab_size, max_length

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        assert source.size(1) <= self.max_length
        return Memory(F.one_hot(source, self.vocab_size).float(), lengths)

    def decode(self, memory: Memory, target: Tensor, lengths: Tensor) -> Tensor:
        raise NotImplementedError

    def output_weight(self) -> Tensor:
        return 30.0 * torch.eye(self.vocab_size)

    def start(self, memory: Memory, beam: int, limit: int) -> CopyState:
        assert limit <= self.max_length
        return CopyState(memory.states, 0)

    def step(
        self, state: CopyState, ids: Tensor, parents: Tensor, rows: Rows | None = None
    ) -> tuple[Tensor, CopyState]:
        place = min(state.step, state.states.size(1) - 1)
        states = state.states[:, place].unsqueeze(1).expand(-1, ids.size(1), -1)
        states = states if rows is None else rows.pack(states)
        return states, replace(state, step=state.step + 1)


def learn(folder: Path, normalization: str) -> Segmenter:
    config = SegmentConfig(kind="bpe", vocab_size=300, normalization=normalization)
    return learn_segmenter([line for line in LINES if line.strip()], folder / "model", config)


def translator(model: EncoderDecoder, segmenter: Segmenter, **search: Any) -> Translator:
    config = SearchConfig(**{"beam": 2, **search})
    return Translator(model, Segmenters(segmenter, segmenter), config, COMPUTE)


def random_model(segmenter: Segmenter, config: ModelConfig, spread: float) -> EncoderDecoder:
    """Make the same model every time, its weights so far from where they begin."""
    torch.manual_seed(1)
    size = segmenter.vocab_size
    model = build_model(config, AttentionSections(), size, size).eval()
    for weight in model.parameters():
        weight.data += spread * torch.randn_like(weight)
    assert isinstance(model, EncoderDecoder)
    return model
