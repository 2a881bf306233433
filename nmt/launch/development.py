"""The development set and the segmenters that encode it."""

import torch

from nmt.corpus.batches import Batch, Boundaries, make_batch, plan_batches
from nmt.corpus.encoded import EncodedCorpus
from nmt.corpus.store import Array
from nmt.corpus.texts import text_side
from nmt.errors import DataError
from nmt.experiment import Experiment
from nmt.model.directory import Segmenters
from nmt.text.lines import read_lines, read_pairs
from nmt.text.segmenter import Segmenter


def segmenters_of(corpus: EncodedCorpus, has_source: bool = True) -> Segmenters:
    """Load the segmenters that a corpus was encoded with; that of its text, without a source."""
    if not has_source:
        text = Segmenter.load(corpus.segmenter_path(text_side(corpus)))
        return Segmenters(text, text)
    if corpus.record.sides != ["source", "target"]:
        raise DataError(
            f"{corpus.folder} is monolingual; training needs a parallel corpus, but for a language "
            "model (--arch lm)"
        )
    paths = {side: corpus.segmenter_path(side) for side in corpus.record.sides}
    source = Segmenter.load(paths["source"])
    same = corpus.record.segmenters["source"] == corpus.record.segmenters["target"]
    return Segmenters(source, source if same else Segmenter.load(paths["target"]))


def hashes_of(corpus: EncodedCorpus, has_source: bool) -> dict[str, str]:
    """Give the hashes of the segmenters that a model of a corpus has."""
    known = corpus.record.segmenters
    return known if has_source else dict.fromkeys(("source", "target"), known[text_side(corpus)])


def boundaries(segmenters: Segmenters) -> Boundaries:
    """Give the ids around sentences."""
    target = segmenters.target
    sizes = segmenters.source.vocab_size, target.vocab_size
    return Boundaries(segmenters.source.eos_id, target.start_id, target.eos_id, sizes)


def read_dev(experiment: Experiment) -> list[tuple[str, str]]:
    """Read the development set, whole; for a model without a source, sources are empty."""
    data = experiment.data
    if not data.dev_target:
        return []
    if experiment.model.has_source:
        pairs = list(read_pairs(data.dev_source, data.dev_target))
    else:
        pairs = [("", line) for line in read_lines(data.dev_target)]
    if not pairs:
        raise DataError(
            f"{data.dev_source or data.dev_target} is empty; a development set needs lines"
        )
    return pairs


def dev_batches(
    pairs: list[tuple[str, str]], segmenters: Segmenters, experiment: Experiment
) -> list[Batch]:
    """Encode the development set for measuring its loss; none of its lines is dropped."""
    room = experiment.model.max_length - 1
    sides = [
        encoded(segmenter, [pair[side] for pair in pairs], tags, room)
        for side, (segmenter, tags) in enumerate(tagged(segmenters, experiment))
    ]
    lengths = [torch.tensor([len(ids) + 1 for ids in side]).numpy() for side in sides]
    longest = max((int(side.max()) for side in lengths if len(side)), default=1)
    budget = max(experiment.data.batch_tokens, longest)
    order = torch.arange(len(pairs)).numpy()
    ends = boundaries(segmenters)
    return [
        make_batch([sides[0][n] for n in batch], [sides[1][n] for n in batch], ends)
        for batch in plan_batches(lengths[0], lengths[1], budget, order)
    ]


def tagged(
    segmenters: Segmenters, experiment: Experiment
) -> tuple[tuple[Segmenter, list[int]], tuple[Segmenter, list[int]]]:
    """Give the segmenter of each side with the tags that it puts before a line."""
    tags = segmenters.source.tag_ids(experiment.search.source_tag)
    return (segmenters.source, tags), (segmenters.target, [])


def encoded(segmenter: Segmenter, lines: list[str], tags: list[int], room: int) -> list[Array]:
    """Encode lines behind their tags, each as far as the model can read."""
    return [
        torch.tensor(((tags if ids else []) + ids)[:room], dtype=torch.long).numpy()
        for ids in segmenter.encode_lines(lines)
    ]
