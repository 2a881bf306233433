"""Read the help pages and interface strings of unpacked packages."""

import re
import struct
import unicodedata
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

from office_pairs import Pair

INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\ufeff]")  # soft hyphens, joiners, direction marks
SEGMENT = re.compile(r"<(p|h[1-6])\s([^>]*)>(.*?)</\1>", re.DOTALL)
SEGMENT_ID = re.compile(r'\bid="([^"]+)"')
CODE_CLASS = re.compile(r'class="[^"]*code')
VOID_TAGS = frozenset({"br", "img", "meta", "hr", "input", "link"})
MO_MAGIC = 0x950412DE

SegmentId = tuple[str, str]  # page path and the id attribute within the page


class BuildError(Exception):
    """A fault in the arguments or the packages, which the user can mend."""


def help_folder(root: Path, language: str) -> Path:
    """Say where the package of help pages puts them."""
    return root / "usr/share/libreoffice/help" / language / "text"


def catalogue_folder(root: Path, language: str) -> Path:
    """Say where the package of interface strings puts its catalogues."""
    return root / "usr/lib/libreoffice/program/resource" / language / "LC_MESSAGES"


def check_packages(root: Path, language: str) -> None:
    """Refuse a root that lacks a package needed for `language`."""
    if not root.is_dir():
        raise BuildError(f"no such folder: {root}")
    for folder, pattern, package in (
        (help_folder(root, "en-US"), "*.html", "libreoffice-help-en-us"),
        (help_folder(root, language), "*.html", f"libreoffice-help-{language}"),
        (catalogue_folder(root, language), "*.mo", f"libreoffice-l10n-{language}"),
    ):
        if next(folder.rglob(pattern), None) is None:
            raise BuildError(f"no {pattern} files in {folder}; unpack {package} into {root}")


def read_help(root: Path, language: str) -> dict[SegmentId, str]:
    """Read the text of every help page, by page and segment."""
    folder = help_folder(root, language)
    segments: dict[SegmentId, str] = {}
    for path in walk_pages(folder):
        page = path.relative_to(folder).as_posix()
        for name, text in read_segments(path.read_text(encoding="utf-8")):
            segments.setdefault((page, name), text)
    return segments


def walk_pages(folder: Path) -> Iterator[Path]:
    """List the pages below `folder`, those of a folder before those of its subfolders.

    The order decides which spelling of a sentence is kept and, through the shuffle, the order of
    the whole corpus.
    """
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        if path.is_dir():
            yield from walk_pages(path)
        elif path.suffix == ".html":
            yield path


def read_segments(page: str) -> Iterator[tuple[str, str]]:
    """Find the paragraphs and headings of a page that have an id, a text and no code."""
    body = page[max(page.find('id="DisplayArea"'), 0) :]
    for _, attributes, markup in SEGMENT.findall(body):
        name = SEGMENT_ID.search(attributes)
        if not name or CODE_CLASS.search(attributes):
            continue
        if text := visible_text(markup):
            yield name[1], text


def visible_text(markup: str) -> str:
    """Strip the markup of a segment and its hidden alternatives."""
    if "hidden" not in markup:
        spaced = re.sub(r"<br[^>]*>", " ", markup)
        return normalize(unescape(re.sub(r"<[^>]+>", "", spaced)))
    parser = VisibleText()
    parser.feed(markup)
    parser.close()
    return normalize("".join(parser.parts))


class VisibleText(HTMLParser):
    """Collect a text without the spans meant for other systems and other modules."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open_tags: list[tuple[str, bool]] = []  # name, and whether it hides its content

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a tag; of those that have no end, a line break leaves a space."""
        if tag in VOID_TAGS:
            self.parts.append(" " if tag == "br" else "")
            return
        attributes = dict(attrs)
        is_default = (attributes.get("id") or "").startswith("default")
        self.open_tags.append((tag, tag == "span" and "hidden" in attributes and not is_default))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost open tag of that name and all within it."""
        names = [name for name, _ in self.open_tags]
        if tag in names:
            innermost = len(names) - 1 - names[::-1].index(tag)
            del self.open_tags[innermost:]

    def handle_data(self, data: str) -> None:
        """Keep a text unless an open tag hides it."""
        if not any(hides for _, hides in self.open_tags):
            self.parts.append(data)


def read_interface(root: Path, language: str) -> Iterator[Pair]:
    """Read the interface strings of one line, without marks of shortcut keys and short tags."""
    for path in sorted(catalogue_folder(root, language).glob("*.mo")):
        for message, translation in read_catalogue(path):
            source = message.rpartition("\x04")[2]  # what stands before is the context
            if source and translation and "\n" not in source:
                yield Pair(clean_label(source), clean_label(translation))


def read_catalogue(path: Path) -> Iterator[tuple[str, str]]:
    """Read a little-endian gettext catalogue, a plural form as a pair of its own.

    Source: GNU gettext manual, "The Format of GNU MO Files". The `gettext` module reads these files
    too, but offers no way to list what is in them.
    """
    data = path.read_bytes()
    if len(data) < 20 or struct.unpack_from("<I", data)[0] != MO_MAGIC:
        raise BuildError(f"{path} is not a little-endian gettext catalogue")
    num_messages, *tables = struct.unpack_from("<3I", data, 8)
    for index in range(num_messages):
        message, translation = (read_string(data, table + 8 * index) for table in tables)
        for form in translation.split("\x00"):
            yield message.split("\x00")[0], form


def read_string(data: bytes, entry: int) -> str:
    """Decode the string whose length and offset stand at `entry`."""
    length, offset = struct.unpack_from("<2I", data, entry)
    return data[offset : offset + length].decode("utf-8")


def clean_label(text: str) -> str:
    """Remove the marks of shortcut keys and the short tags of an interface string."""
    unmarked = re.sub(r"[~_](?=\w)", "", text)
    return normalize(re.sub(r"<[^>]{1,30}>", "", unmarked))


def normalize(text: str) -> str:
    """Compose the characters, drop invisible ones and make every gap one space."""
    return " ".join(INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())
