"""A shortlist for a model, from the corpora that it is trained on."""

import torch

from nmt.corpus.corpora import Corpora
from nmt.corpus.lexicon import learn_lexicon
from nmt.model.directory import Segmenters
from nmt.model.shortlist import Shortlist


def learn_shortlist(corpus: Corpora, segmenters: Segmenters) -> Shortlist:
    """Learn which target pieces source pieces suggest; one vocabulary suggests copies as well."""
    source, target = segmenters.source, segmenters.target
    sizes, ends = (source.vocab_size, target.vocab_size), (source.eos_id, target.eos_id)
    lexicon = learn_lexicon(corpus, sizes, ends, copies=source is target)
    return Shortlist(
        torch.from_numpy(lexicon.frequent),
        torch.from_numpy(lexicon.offsets),
        torch.from_numpy(lexicon.suggested),
    )
