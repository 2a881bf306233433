"""Load damaged segmenters, which no hash guards where a user names one, and use those that load.

Run as a program: a model, a folder to write to, the first seed and the one after the last. Prints
each seed before it is tried, so that the last line names one that ended the process; at the end,
how many were refused.
"""

import random
import sys
from pathlib import Path

from nmt.errors import DataError
from nmt.text.segmenter import Segmenter
from tests.fuzz.damage import DAMAGES


def main(model: str, folder: str, first: str, end: str) -> None:
    """Try all seeds."""
    content, path, refused = Path(model).read_bytes(), Path(folder) / "damaged.model", 0
    for seed in range(int(first), int(end)):
        print(seed, flush=True)
        generator = random.Random(seed)
        path.write_bytes(generator.choice(DAMAGES)(content, generator))
        try:
            segmenter = Segmenter.load(path)
        except DataError:
            refused += 1
            continue
        for line in ("ab de", "", "größe 🙂", "a" * 99):
            segmenter.decode(segmenter.encode(line))
            segmenter.join(segmenter.pieces(line))
    print(refused)


if __name__ == "__main__":
    main(*sys.argv[1:])
