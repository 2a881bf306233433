"""Learn a SentencePiece model from lines, reproducibly, with nothing left out in silence."""

import logging
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import sentencepiece

from nmt.errors import ConfigError, DataError, NmtError
from nmt.files import atomic_write
from nmt.text.config import SegmentConfig
from nmt.text.segmenter import LOG_ERRORS_ONLY, Segmenter

MAX_BYTES = 65_535  # of a line: BPE counts positions in a line with 16 bits
RESERVED = "\u2585"  # SentencePiece marks unknown characters with it while it learns
NUM_THREADS = 8  # fixed, because sums of floats depend on how they are split
SPECIAL_IDS = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": 3}
HUGE_CHARACTERS = 1 << 30  # beyond it SentencePiece must count with 64 bits

TOO_LARGE = re.compile(r"Vocabulary size too high \(\d+\).*<= (\d+)")
TOO_SMALL = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")
NO_TEXT = re.compile(r"all_chars_count|sentences_\.empty")

log = logging.getLogger(__name__)


@dataclass
class Sample:
    """The lines that pieces are learnt from, and how many others there were."""

    lines: list[str] = field(default_factory=list)
    seen: int = 0
    usable: int = 0
    empty: int = 0
    too_long: int = 0
    reserved: int = 0


def learn_segmenter(
    lines: Iterable[str], output: str | Path, config: SegmentConfig, name: str = "the text"
) -> Segmenter:
    """Learn pieces from lines and write them as a standard SentencePiece `.model`.

    The special pieces are `<unk>` 0, `<s>` 1, `</s>` 2, as SentencePiece has them by default, and
    `<pad>` 3. The same lines and settings give the same bytes. Normalisation `identity` also
    keeps every space, so that text comes back as it was.

    Args:
        name: What the text is called in messages.

    Raises:
        ConfigError: The text supports fewer pieces, or needs more, than the vocabulary's size.
        DataError: There is nothing to learn from, or the model cannot be written.
    """
    with atomic_write(output) as stream:  # first, so that a missing folder is told at once
        sample = sample_lines(lines, config.max_lines, config.seed)
        check_sample(sample, name)
        report_sample(sample)
        train(sample.lines, stream, config, name)
    segmenter = Segmenter.load(output)
    log.info(
        f"learnt {segmenter.vocab_size:,} pieces ({config.kind}, normalisation "
        f"{config.normalization}) from {len(sample.lines):,} lines of {name}"
    )
    return segmenter


def sample_lines(lines: Iterable[str], limit: int, seed: int) -> Sample:
    """Choose at most `limit` of the lines that can be learnt from, each as likely as another.

    Source: Vitter (1985), algorithm R.
    """
    generator = random.Random(seed)
    sample = Sample()
    for line in lines:
        sample.seen += 1
        if not count_usable(line, sample):
            continue
        if len(sample.lines) < limit:
            sample.lines.append(line)
        elif (place := generator.randrange(sample.usable)) < limit:
            sample.lines[place] = line
    return sample


def count_usable(line: str, sample: Sample) -> bool:
    """Say whether SentencePiece learns from a line; if not, count why."""
    if not line.strip():
        sample.empty += 1
    elif RESERVED in line:
        sample.reserved += 1
    elif len(line) * 4 > MAX_BYTES and len(line.encode()) > MAX_BYTES:
        sample.too_long += 1
    else:
        sample.usable += 1
        return True
    return False


def check_sample(sample: Sample, name: str) -> None:
    """Refuse a text that holds nothing to learn from."""
    if not sample.seen:
        raise DataError(f"{name} has no lines; pieces are learnt from text")
    if sample.empty == sample.seen:
        raise DataError(f"all {sample.seen:,} lines of {name} are empty; nothing can be learnt")
    if not sample.lines:
        raise DataError(
            f"no line of {name} can be learnt from: {sample.empty:,} empty, {left_out(sample)}"
        )


def report_sample(sample: Sample) -> None:
    """Say which lines take no part."""
    if sample.too_long or sample.reserved:
        log.warning(f"lines left out of learning: {left_out(sample)}")
    if len(sample.lines) < sample.usable:
        log.info(f"sampled {len(sample.lines):,} of {sample.usable:,} lines")


def left_out(sample: Sample) -> str:
    """Count the lines that SentencePiece cannot take."""
    return (
        f"{sample.too_long:,} longer than {MAX_BYTES:,} bytes, "
        f"{sample.reserved:,} with U+2585, which SentencePiece reserves"
    )


def train(lines: list[str], stream: IO[bytes], config: SegmentConfig, name: str) -> None:
    """Run SentencePiece, and turn its complaints into ours."""
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=stream,
            **trainer_options(config, sum(map(len, lines))),
        )
    except RuntimeError as error:
        raise explained(str(error), config, name) from None


def trainer_options(config: SegmentConfig, num_characters: int) -> dict[str, Any]:
    """Spell the settings as SentencePiece's trainer has them."""
    return {
        **SPECIAL_IDS,
        "model_type": config.kind,
        "vocab_size": config.vocab_size,
        "byte_fallback": config.byte_fallback,
        "user_defined_symbols": list(config.user_symbols),
        "normalization_rule_name": config.normalization,
        "remove_extra_whitespaces": config.normalization != "identity",
        "character_coverage": config.character_coverage,
        "max_sentence_length": MAX_BYTES,
        "num_threads": NUM_THREADS,
        "train_extremely_large_corpus": num_characters > HUGE_CHARACTERS,
        "minloglevel": 0 if log.isEnabledFor(logging.DEBUG) else LOG_ERRORS_ONLY,
    }


def explained(complaint: str, config: SegmentConfig, name: str) -> NmtError:
    """Say what SentencePiece's complaint means for the user's settings."""
    size = f"segment.vocab_size is {config.vocab_size:,}"
    if found := TOO_LARGE.search(complaint):
        most = int(found[1])
        return ConfigError(
            f"{size}, but {name} supports at most {most:,} pieces; "
            f"use --vocab-size {most} or less, or more text"
        )
    if found := TOO_SMALL.search(complaint):
        least = int(found[1])
        return ConfigError(
            f"{size}, but the characters of {name} with bytes, user symbols and special pieces "
            f"need {least:,}; use --vocab-size {least} or more, or a lower --character-coverage"
        )
    if NO_TEXT.search(complaint):
        return DataError(f"{name} holds nothing to learn from once it is normalised")
    return DataError(f"SentencePiece cannot learn from {name}: {' '.join(complaint.split())}")
