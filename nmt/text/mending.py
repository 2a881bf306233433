"""Text that holds what no text may, read all the same."""

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)

CARRIAGE_RETURN = "\r"


@dataclass
class Mender:
    """Decodes lines as `decode_line` does, but replaces what that refuses, and counts.

    Bytes that are no UTF-8 become U+FFFD, by Unicode's rule one for each longest beginning of a
    character; a carriage return at the end of a line is dropped, any other becomes a space.

    Attributes:
        mended: Lines in which something was replaced.
    """

    mended: int = 0

    def __call__(self, raw: bytes, name: str, number: int) -> str:
        """Turn the bytes of one line into text; tell about the first that had to be mended."""
        content, fault = raw.removesuffix(b"\n"), ""
        try:
            line = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.decode("utf-8", "replace")
            fault = f"byte {error.start + 1} (0x{content[error.start]:02x}) is not UTF-8"
        if CARRIAGE_RETURN in line:
            fault = fault or f"a carriage return at character {line.index(CARRIAGE_RETURN) + 1}"
            line = line.removesuffix(CARRIAGE_RETURN).replace(CARRIAGE_RETURN, " ")
        if fault and not self.mended:
            log.warning("%s, line %d: %s; replaced, here and below", name, number, fault)
        self.mended += bool(fault)
        return line
