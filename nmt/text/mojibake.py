"""Text that was written in UTF-8 and read in a Western code page, as `Ã¤` for `ä`.

Such text is found by going back: characters that stand for bytes which are UTF-8 again, and
spell something plausible. Proper text does so by chance where a capital or accented letter ends a
quotation, hence the weights.
"""

import re
import unicodedata

PAGE = {bytes([byte]).decode("cp1252", "replace"): byte for byte in range(0x80, 0x100)}
BYTES = {chr(byte): byte for byte in range(0x80, 0x100)} | PAGE  # Latin-1 and Windows-1252
BYTES.pop("\ufffd", None)  # of bytes that Windows-1252 leaves out
FOLLOWING = "".join(re.escape(mark) for mark, byte in BYTES.items() if byte < 0xC0)
SEQUENCE = re.compile(
    rf"[\u00c2-\u00df][{FOLLOWING}]|[\u00e0-\u00ef][{FOLLOWING}]{{2}}|"
    rf"[\u00f0-\u00f4][{FOLLOWING}]{{3}}"
)
# A word of accented letters alone is in another alphabet, read as Latin: `Ïðèâåò`.
ACCENTED = re.compile("[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]{5,}")
SUSPECT = re.compile(f"{SEQUENCE.pattern}|{ACCENTED.pattern}")
FREQUENT = "ÂÃÄÅ"  # how letters of European languages begin
CLOSING = "\u00a0«»‹›“”‘’„‚…–—"  # after a letter, these are text more often than bytes
ENOUGH = 2


def find_mojibake(line: str) -> str:
    """Name the first characters of a line that were read in a wrong encoding."""
    if not is_suspect(line):
        return ""
    weight, first = 0, None
    for found in SEQUENCE.finditer(line):
        if more := weight_of(found[0], line[found.end() : found.end() + 1]):
            weight, first = weight + more, first or found
    if first and weight >= ENOUGH:
        return f"{first[0]!r} stands for {restored(first[0])!r} at character {first.start() + 1}"
    if accented := ACCENTED.search(line):
        return f"{accented[0][:20]!r} at character {accented.start() + 1} is no Latin text"
    return ""


def is_suspect(line: str) -> bool:
    """Tell quickly whether a line is worth a closer look."""
    return not line.isascii() and SUSPECT.search(line) is not None


def weight_of(sequence: str, after: str) -> int:
    """Say how surely characters are bytes of one character; 0 is not at all.

    Args:
        after: The character that follows; empty at the end of a line.
    """
    character = restored(sequence)
    if not is_plausible(character):
        return 0
    if len(sequence) == 2:
        if sequence[1] in CLOSING and not after.isalpha() and sequence != "Â\u00a0":
            return 0
        return ENOUGH if sequence[0] in FREQUENT else 1
    return 0 if sequence[1] == "\u00a0" else ENOUGH


def restored(sequence: str) -> str:
    """Turn characters back into the one that they were bytes of; empty if they were not."""
    try:
        return bytes(BYTES[character] for character in sequence).decode("utf-8")
    except UnicodeDecodeError:
        return ""


def is_plausible(character: str) -> bool:
    """Tell letters and marks of everyday text from rare ones."""
    if not character or "\u0250" <= character <= "\u036f" or "\u0700" <= character < "\u0900":
        return False  # phonetic letters, combining marks; Syriac and its neighbours
    return character == "\ufeff" or unicodedata.category(character)[0] in "LNPSZ"
