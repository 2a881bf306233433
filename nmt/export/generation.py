"""Translation by `generate` of the package transformers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import MarianMTModel, MarianTokenizer

from nmt.export.folder import Export
from nmt.export.grouped import ExportedTranslator
from nmt.export.marian import quietly
from nmt.search.config import SearchConfig
from nmt.search.hypothesis import Hypothesis
from nmt.sources import SourceLine
from nmt.translate import Candidate


class GeneratingTranslator(ExportedTranslator):
    """Translate lines by a model and a tokenizer of transformers."""

    def __init__(self, export: Export, search: SearchConfig) -> None:
        super().__init__(export, search)
        with quietly():
            self._model: Any = MarianMTModel.from_pretrained(export.folder).eval()
            self._tokenizer: Any = MarianTokenizer.from_pretrained(export.folder)

    def cuts_alike(self, lines: Sequence[str]) -> list[bool]:
        """Tell for each line whether the tokenizer gives the same ids, and their end."""
        source = self._segmenters.source
        theirs = self._tokenizer(list(lines)).input_ids if lines else []
        return [
            ids == [*own, source.eos_id]
            for ids, own in zip(theirs, source.encode_lines(lines), strict=True)
        ]

    def search(self, sources: Sequence[Sequence[int]], limit: int) -> list[list[Hypothesis]]:
        """Translate ids, without the end of sentence."""
        end, found = self._segmenters.source.eos_id, list[list[Hypothesis]]()
        size = max(1, self._search.batch_tokens // (1 + max(map(len, sources))))
        for first in range(0, len(sources), size):
            batch = [[*ids, end] for ids in sources[first : first + size]]
            found += self._generate(batch, limit)
        return found

    @torch.inference_mode()
    def _generate(self, batch: list[list[int]], limit: int) -> list[list[Hypothesis]]:
        longest, nbest = max(map(len, batch)), self._search.nbest
        padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids in batch])
        lengths = torch.tensor([len(ids) for ids in batch])
        result = self._model.generate(
            padded,
            attention_mask=(torch.arange(longest) < lengths.unsqueeze(1)).long(),
            num_beams=self._search.beam,
            num_return_sequences=nbest,
            length_penalty=self._search.length_alpha,
            early_stopping=self._search.beam > 1,
            max_new_tokens=limit,
            max_length=None,
            return_dict_in_generate=True,
            output_scores=True,
        )
        scores = self._scores(result)
        hypotheses = [
            self._hypothesis(ids[1:], score)
            for ids, score in zip(result.sequences.tolist(), scores, strict=True)
        ]
        return [hypotheses[first : first + nbest] for first in range(0, len(hypotheses), nbest)]

    def _scores(self, result: Any) -> list[float]:
        """Give the score of each hypothesis, which greedy search does not tell."""
        if self._search.beam > 1:
            scores: list[float] = result.sequences_scores.tolist()
            return scores
        steps = self._model.compute_transition_scores(
            result.sequences, result.scores, normalize_logits=True
        )
        real = steps.isfinite()
        totals = steps.masked_fill(~real, 0.0).sum(1)
        return (totals / real.sum(1) ** self._search.length_alpha).tolist()  # type: ignore[no-any-return]

    def _hypothesis(self, ids: list[int], score: float) -> Hypothesis:
        end = self._segmenters.target.eos_id
        length = ids.index(end) if end in ids else len(ids)
        penalty = min(length + 1, len(ids)) ** self._search.length_alpha
        return Hypothesis(tuple(ids[:length]), score * penalty, score)

    def _candidate(self, line: SourceLine, chosen: Sequence[Hypothesis]) -> Candidate:
        """Turn hypotheses into text, as the tokenizer does."""
        whole = super()._candidate(line, chosen)
        if len(chosen) != 1 or not line.sentences[0].length:
            return whole
        ids = list(chosen[0].ids)
        return replace(whole, text=self._tokenizer.decode(ids, skip_special_tokens=True))
