"""Lines of test sets in the corpus to train on, which would make every later score worthless."""

from collections.abc import Iterator

from nmt.corpus.config import DataConfig
from nmt.corpus.encoded import EncodedCorpus
from nmt.errors import DataError
from nmt.text.folding import fold_lines
from nmt.text.held_out import HeldOutLines, Place, read_test_set

LINES_AT_ONCE = 16_384
SHOWN = 60  # characters of an example


def refuse_overlap(corpus: EncodedCorpus, config: DataConfig) -> None:
    """Refuse to train on lines of a test set, unless that is allowed.

    Lines are the same if they differ in case, spaces or Unicode form alone, as for `nmt split`.

    Raises:
        DataError: There are such lines, or a test set cannot be read.
    """
    if not config.test or config.allow_overlap:
        return
    held_out = {side: HeldOutLines() for side in corpus.record.sides}
    for path in config.test:
        for sides, lines in read_test_set(path):
            # Of which language monolingual text is, nobody has said.
            for side in sides if len(held_out) > 1 else held_out:
                held_out[side].add(lines, path)
    found = {number: (line, place) for number, line, place in overlap(corpus, held_out)}
    if found:
        line, place = next(iter(found.values()))
        raise DataError(
            f"{len(found):,} of the {len(corpus):,} pairs in {corpus.folder} have a side that is "
            f"in a test set (the first: {line[:SHOWN]!r}, {place}); find them with nmt check data "
            "--faults and drop them with nmt clean --faults, or train all the same with "
            "--allow-overlap"
        )


def overlap(
    corpus: EncodedCorpus, held_out: dict[str, HeldOutLines]
) -> Iterator[tuple[int, str, Place]]:
    """Find each line of a corpus that is held out: its number, the line, and where it is."""
    for begin in range(0, len(corpus), LINES_AT_ONCE):
        end = min(begin + LINES_AT_ONCE, len(corpus))
        for side, known in held_out.items():
            lines = corpus.lines(side, begin, end)
            for place, folded in enumerate(fold_lines(lines)):
                if found := known.find(" ".join(folded.split())):
                    yield begin + place, lines[place], found
