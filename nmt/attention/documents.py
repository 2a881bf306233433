"""Attention to the sentences before: to the words of each, then to the sentences.

B batch, T positions, N sentences of context, S words of the longest, D model size.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.attention.build import build_attention
from nmt.attention.config import AttentionConfig
from nmt.attention.contract import Cache, Place
from nmt.attention.layout import Layout


@dataclass(frozen=True)
class Context:
    """Encoded sentences that stand before the lines of a batch.

    Attributes:
        sentences: (B, N, S, D).
        lengths: (B, N) words of each; 0: there is no such sentence.
    """

    sentences: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Remembered:
    """A context as the words' attention knows it, for all steps of decoding a line.

    Attributes:
        words: The cache of B * N sentences.
        lengths: (B, N), sentences that are there before those that are not.
        size: S.
    """

    words: Cache
    lengths: Tensor
    size: int

    def select(self, lines: Tensor) -> "Remembered":
        """Keep some lines, given by index."""
        places = torch.arange(self.lengths.size(1), device=lines.device)
        chosen = lines.unsqueeze(-1) * len(places) + places
        words = self.words.select(chosen.flatten())
        return replace(self, words=words, lengths=self.lengths[lines])


class HierarchicalContext(nn.Module):
    """Mix into each state what it finds in the sentences before its own.

    A state attends to the words of each sentence, then to what that gave for each sentence; a
    gate mixes the result with the state: s_j = MHA(f_w(h), H_j); c = FFN(MHA(f_s(h), {s_j}));
    g = sigmoid(W_h h + W_c c); g h + (1 - g) c. A line without context keeps its states, and
    the order of the sentences does not matter.

    Source: Miculicich et al. (2018), https://arxiv.org/abs/1809.01576, section 2.
    """

    def __init__(self, place: Place, config: AttentionConfig, ffn_size: int) -> None:
        super().__init__()
        assert place.is_cross, "a context is another sequence than the line"
        size = place.model_size
        self.word_query, self.sentence_query = nn.Linear(size, size), nn.Linear(size, size)
        self.words = build_attention(place, config)
        self.sentences = build_attention(place, config)
        self.inner, self.outer = nn.Linear(size, ffn_size), nn.Linear(ffn_size, size)
        self.gate = nn.Linear(2 * size, size)
        for each in (self.word_query, self.sentence_query, self.inner, self.outer, self.gate):
            nn.init.xavier_uniform_(each.weight)
            nn.init.zeros_(each.bias)

    def remember(self, context: Context) -> Remembered:
        """Project the words of a context once for all steps and hypotheses."""
        order = (context.lengths == 0).to(torch.int8).argsort(dim=1, stable=True)
        lengths = context.lengths.gather(1, order)
        lines = torch.arange(len(order), device=order.device).unsqueeze(-1)
        words = context.sentences[lines, order].flatten(0, 1)  # (B N, S, D)
        return Remembered(self.words.remember(words, lengths.flatten()), lengths, words.size(1))

    def forward(self, states: Tensor, context: Context | Remembered | None) -> Tensor:
        """Transform (B, T, D): positions of a line, or hypotheses in a decoding step."""
        if isinstance(context, Context):
            context = self.remember(context) if context.sentences.numel() else None
        if context is None:
            return states
        found = self._among_sentences(states, self._among_words(states, context), context.lengths)
        gate = torch.sigmoid(self.gate(torch.cat([states, found], -1)))
        mixed = gate * states + (1.0 - gate) * found
        has_context = (context.lengths > 0).any(1)
        return torch.where(has_context[:, None, None], mixed, states)

    def _among_words(self, states: Tensor, context: Remembered) -> Tensor:
        """Attend to the words of each sentence; give (B, N, T, D)."""
        batch_size, num_sentences = context.lengths.shape
        layout = Layout(
            num_queries=states.size(1),
            num_keys=context.size,
            key_lengths=context.lengths.flatten(),
            device=states.device,
        )
        queries = self.word_query(states).unsqueeze(1).expand(-1, num_sentences, -1, -1)
        attended = self.words(queries.flatten(0, 1), None, layout, cache=context.words)
        found: Tensor = attended.output.view(batch_size, num_sentences, *states.shape[1:])
        return found

    def _among_sentences(self, states: Tensor, found: Tensor, lengths: Tensor) -> Tensor:
        """Attend to what (B, N, T, D) each sentence gave; give (B, T, D)."""
        batch_size, num_sentences, size, _ = found.shape
        numbers = (lengths > 0).sum(1).repeat_interleave(size)  # (B T,)
        layout = Layout(
            num_queries=1, num_keys=num_sentences, key_lengths=numbers, device=states.device
        )
        queries = self.sentence_query(states).flatten(0, 1).unsqueeze(1)  # (B T, 1, D)
        memory = found.transpose(1, 2).flatten(0, 1)  # (B T, N, D)
        attended = self.sentences(queries, memory, layout).output.view(batch_size, size, -1)
        joined: Tensor = self.outer(F.relu(self.inner(attended)))
        return joined


@dataclass(frozen=True)
class SentenceQueue:
    """The last sentences of documents that are decoded side by side, one line each at a time.

    Attributes:
        limit: N.
        sentences: States (B, S, D) and lengths (B,) of each, the oldest first.
    """

    limit: int
    sentences: tuple[tuple[Tensor, Tensor], ...] = ()

    def push(self, states: Tensor, lengths: Tensor) -> "SentenceQueue":
        """Add the sentence just done, and forget what is too far back."""
        longer = (*self.sentences, (states, lengths))
        return replace(self, sentences=longer[max(0, len(longer) - self.limit) :])

    def restart(self, begins: Tensor) -> "SentenceQueue":
        """Forget what stands before a document's first line, where (B,) says that one begins."""
        kept = tuple((states, lengths * ~begins) for states, lengths in self.sentences)
        return replace(self, sentences=kept)

    def select(self, documents: Tensor) -> "SentenceQueue":
        """Keep some documents, given by index."""
        kept = tuple((states[documents], lengths[documents]) for states, lengths in self.sentences)
        return replace(self, sentences=kept)

    def context(self) -> Context | None:
        """Give what stands before the next line; None where nothing does."""
        if not self.sentences:
            return None
        longest = max(states.size(1) for states, _ in self.sentences)
        padded = [F.pad(each, (0, 0, 0, longest - each.size(1))) for each, _ in self.sentences]
        lengths = [lengths for _, lengths in self.sentences]
        return Context(torch.stack(padded, 1), torch.stack(lengths, 1))


def follow(
    mechanism: HierarchicalContext, lines: Iterable[tuple[Tensor, Tensor]], limit: int
) -> Iterator[Tensor]:
    """Run through documents side by side, line by line, each with the `limit` lines before it.

    Args:
        lines: States (B, T, D) and lengths (B,) of a line of each document; a document that has
            ended goes on with lines of length 0.
    """
    queue = SentenceQueue(limit)
    for states, lengths in lines:
        yield mechanism(states, queue.context())
        queue = queue.push(states, lengths)


def preceding(states: Tensor, lengths: Tensor, documents: Tensor, limit: int) -> Context:
    """Give each line of a batch the lines before it in its own document.

    Args:
        states: (B, S, D) of lines in the order of their documents.
        lengths: (B,)
        documents: (B,) number of each line's document.
        limit: N.
    """
    line = torch.arange(len(lengths), device=lengths.device).unsqueeze(-1)
    before = line - torch.arange(limit, 0, -1, device=lengths.device)  # (B, N)
    index = before.clamp(min=0)
    ours = (before >= 0) & (documents[index] == documents.unsqueeze(-1))
    return Context(states[index], lengths[index] * ours)
