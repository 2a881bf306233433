"""Files that are read beside the text to translate, line by line."""

from itertools import islice
from typing import TYPE_CHECKING

from nmt.cli.translate_texts import Texts, read_text
from nmt.errors import DataError
from nmt.text.lines import STANDARD, shown_path

if TYPE_CHECKING:
    from nmt.text.phrases import Phrases


def refuse_shared_input(texts: Texts) -> None:
    """Refuse to read two texts from standard input."""
    named = {
        "text": texts.text, "--prefix": texts.prefix, "--constraints": texts.constraints,
    }  # fmt: skip
    names = [name for name, path in named.items() if path == STANDARD]
    if len(names) > 1:
        raise DataError(f"only one of {' and '.join(names)} can be read from standard input")


class Parallel:
    """What is asked for beside the text, read with it."""

    def __init__(self, texts: Texts) -> None:
        self._prefixes = Column("--prefix", texts.prefix, texts)
        self._constraints = Column("--constraints", texts.constraints, texts)

    def take(self, done: int, count: int) -> tuple[list[str], list["Phrases"]]:
        """Read the prefixes and the phrases of the next lines.

        Raises:
            DataError: There are fewer lines, or constraints that cannot be read.
        """
        from nmt.text.phrases import parse_phrases

        prefixes = self._prefixes.take(done, count)
        lines = enumerate(self._constraints.take(done, count), start=done + 1)
        name = self._constraints.name
        phrases = [parse_phrases(line, f"{name}, line {number}") for number, line in lines]
        return prefixes, phrases

    def refuse_more(self, done: int) -> None:
        """Raise DataError where lines are left over."""
        self._prefixes.refuse_more(done)
        self._constraints.refuse_more(done)


class Column:
    """One such file, or none.

    Attributes:
        name: Of the file, for messages.
    """

    def __init__(self, flag: str, path: str | None, texts: Texts) -> None:
        self._flag, self._text = flag, shown_path(texts.text)
        self._lines = read_text(path, texts.errors) if path else None
        self.name = shown_path(path or "")

    def take(self, done: int, count: int) -> list[str]:
        """Read the next lines; none where there is no file."""
        if self._lines is None:
            return []
        taken = list(islice(self._lines, count))
        if len(taken) < count:
            raise self._uneven(self.name, done + len(taken), self._text)
        return taken

    def refuse_more(self, done: int) -> None:
        """Raise DataError where lines are left over."""
        if self._lines is not None and next(self._lines, None) is not None:
            raise self._uneven(self._text, done, self.name)

    def _uneven(self, shorter: str, count: int, longer: str) -> DataError:
        return DataError(
            f"{shorter} has {count:,} lines, but {longer} has more; "
            f"{self._flag} needs as many, empty ones where nothing is asked for"
        )
