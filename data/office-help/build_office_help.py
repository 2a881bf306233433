"""Build the office help corpus from unpacked Debian packages.

SOURCE.md names the packages, the steps and the licence of the result. Only the standard library is
needed, and the same packages always give the same text.
"""

import argparse
import gzip
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from office_packages import BuildError, SegmentId, check_packages, read_help, read_interface
from office_pairs import SIDES, Pair, choose_translations, is_usable, split_pair, words
from office_splits import Splits, hold_out, split_corpus


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the corpus that the command line asks for and return the exit code."""
    options = parse_arguments(arguments)
    try:
        build(options.root, options.out, options.languages)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Build the office help corpus from unpacked Debian packages (see SOURCE.md).",
        epilog="The held-out English sentences are those common to every language given, so name "
        "all languages in one run.",
    )
    parser.add_argument("root", type=Path, metavar="ROOT", help="folder of the unpacked packages")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for SPLIT.en-LANG.*.gz")
    parser.add_argument(
        "languages", nargs="+", metavar="LANG", help="language of the translations, such as de"
    )
    return parser.parse_args(arguments)


def build(root: Path, out: Path, languages: Sequence[str]) -> None:
    """Write the three splits of every language to `out`."""
    for language in languages:
        check_packages(root, language)
    make_folder(out)  # before the minute of work, so that a wrong path is told at once
    english = read_help(root, "en-US")
    corpora = {language: collect(root, english, language) for language in languages}
    test, dev = hold_out(list(corpora.values()))
    for language, corpus in corpora.items():
        splits = split_corpus(corpus, test, dev)
        write_splits(out, language, splits)
        report_splits(language, splits)


def make_folder(out: Path) -> None:
    """Make the output folder, or say why that cannot be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BuildError(f"cannot write to {out}: {error.strerror}") from error
    if not os.access(out, os.W_OK):
        raise BuildError(f"cannot write to {out}: no permission")


def collect(root: Path, english: dict[SegmentId, str], language: str) -> dict[str, Pair]:
    """Collect the usable pairs of a language, one for each English sentence."""
    translated = read_help(root, language)
    aligned = [
        Pair(text, translated[segment])
        for segment, text in english.items()
        if segment in translated and translated[segment] != text
    ]
    aligned.extend(read_interface(root, language))
    corpus = choose_translations(
        pair for segment in aligned for pair in split_pair(segment) if is_usable(pair)
    )
    report(f"{language}: {len(aligned)} aligned segments, {len(corpus)} pairs")
    return corpus


def write_splits(out: Path, language: str, splits: Splits) -> None:
    """Write both sides of every split."""
    for split, pairs in splits._asdict().items():
        for side, name in zip(SIDES, ("en", language), strict=True):
            path = out / f"{split}.en-{language}.{name}.gz"
            write_lines(path, (pair[side] for pair in pairs))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a compressed text, without the name and time that would make each file different."""
    text = "".join(line + "\n" for line in lines)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(text.encode("utf-8"))


def report_splits(language: str, splits: Splits) -> None:
    """Report the sizes of the three splits."""
    num_words = [sum(len(words(pair[side])) for pair in splits.train) for side in SIDES]
    report(
        f"{language}: train {len(splits.train)}, dev {len(splits.dev)}, test {len(splits.test)}; "
        f"train words {num_words[0]} English, {num_words[1]} {language}"
    )


def report(message: str) -> None:
    """Tell the user how far the work has come."""
    print(message, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
