"""Text from a language model: prompts are segmented, continued in batches, and joined, in order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nmt.corpus.batches import plan_batches
from nmt.errors import CheckpointError
from nmt.model.compute import Compute
from nmt.model.language import LanguageModel
from nmt.search.config import SearchConfig
from nmt.search.find import Wanted, find
from nmt.search.hypothesis import Ends, Hypothesis
from nmt.search.scorer import ModelScorer, Source
from nmt.sources import refuse_unwritable
from nmt.text.segmenter import Segmenter
from nmt.translate import Candidate, one_line


@dataclass(frozen=True)
class Continuation:
    """The texts that begin with a prompt, best first or as drawn: at least one."""

    prompt: str
    candidates: tuple[Candidate, ...]


class TextGenerator:
    """A language model, its segmenter, and the way to search."""

    def __init__(
        self, model: LanguageModel, segmenter: Segmenter, search: SearchConfig, compute: Compute
    ) -> None:
        self._scorer = ModelScorer(model, compute)
        self._max_length = model.max_length
        self._segmenter = segmenter
        self._search = search
        self._device, self._seed = compute.device, compute.seed
        self._ends = Ends(segmenter.start_id, segmenter.eos_id)

    def generate(self, prompts: Sequence[str], first_number: int = 1) -> list[Continuation]:
        """Continue prompts, of which the first has the given number; an empty one begins a text.

        Raises:
            DataError: A prompt is longer than the model can write, or holds unknown characters.
        """
        prefixes = self._segmenter.encode_lines(prompts)
        for number, prefix in enumerate(prefixes, first_number):
            refuse_unwritable(number, prefix, "prompt", self._segmenter, self._max_length)
        found = self._search_all(prefixes, first_number)
        return [
            Continuation(prompt, self._candidates(number, hypotheses))
            for number, (prompt, hypotheses) in enumerate(
                zip(prompts, found, strict=True), first_number
            )
        ]

    def _search_all(
        self, prefixes: Sequence[list[int]], first_number: int
    ) -> list[list[Hypothesis]]:
        """Search behind every prompt, in batches of like length."""
        most = self._search.limit_pieces
        limits = np.array([min(len(each) + most, self._max_length) for each in prefixes], np.int64)
        found: list[list[Hypothesis]] = [[] for _ in prefixes]
        budget = max(self._search.batch_tokens, int(limits.max(initial=1)))
        for batch in reversed(plan_batches(limits, limits, budget, np.arange(len(limits)))):
            none = torch.zeros((len(batch), 1), dtype=torch.long, device=self._device)
            wanted = Wanted(
                limits=limits[batch].tolist(),
                prefixes=[prefixes[place] for place in batch],
                lines=[first_number + int(place) for place in batch],
                seed=self._seed,
            )
            source = Source(none, none[:, 0])
            hypotheses = find(self._scorer, source, self._ends, wanted, self._search)
            for place, each in zip(batch, hypotheses, strict=True):
                found[place] = each
        return found

    def _candidates(self, number: int, hypotheses: Sequence[Hypothesis]) -> tuple[Candidate, ...]:
        """Turn hypotheses into text."""
        if not hypotheses:
            raise CheckpointError(
                f"line {number} has no continuation of finite probability: the model's weights "
                "hold values that are not numbers"
            )
        join = self._segmenter.decode
        return tuple(Candidate(one_line(join(h.ids)), h.score, h.log_prob) for h in hypotheses)
