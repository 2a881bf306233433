"""Scores as a page to look at: one file that asks for nothing from elsewhere.

Texts come from anyone. The page is a tree of elements, in which text can never become markup, and
its policy lets no script run but its own.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from nmt.scoring.evaluation import Evaluation
from nmt.scoring.histogram import counted, histogram
from nmt.scoring.page_style import SCRIPT, STYLE
from nmt.scoring.report import TEXT, comparison, footnotes, is_name, part_rows
from nmt.scoring.sentences import Sentence, line_metric, worth_reading
from nmt.scoring.word_diff import word_diff

SENTENCES = 100
TAGS = {"both": "span", "translation": "ins", "reference": "del"}


def page(evaluation: Evaluation, width: int) -> str:
    """Write the page.

    Args:
        width: Decimals of a score.
    """
    root = Element("html", lang="en")
    head(SubElement(root, "head"))
    body = SubElement(root, "body")
    add(body, "h1", "Scores")
    add(body, "p", compared(evaluation))
    summary(body, evaluation, width)
    for part in evaluation.parts:
        add(body, "h2", f"By {part.about}")
        body.append(table(part_rows(evaluation, part, width)))
    spreads(body, evaluation)
    reading(body, evaluation, width)
    add(body, "script", SCRIPT)
    return f"<!DOCTYPE html>\n{tostring(root, encoding='unicode', method='html')}\n"


def add(parent: Element, name: str, text: str = "", **attributes: str) -> Element:
    """Add an element that holds a text."""
    element = SubElement(parent, name, attributes)
    element.text = text
    return element


def head(element: Element) -> None:
    """Fill the head: the encoding, what may run, the title."""
    add(element, "meta", charset="utf-8")
    policy = f"default-src 'none'; style-src {fingerprint(STYLE)}; script-src {fingerprint(SCRIPT)}"
    add(element, "meta", **{"http-equiv": "Content-Security-Policy", "content": policy})
    add(element, "title", "Scores")
    add(element, "style", STYLE)


def fingerprint(text: str) -> str:
    """Name a script or a style so that a browser allows it and no other."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def compared(evaluation: Evaluation) -> str:
    """Say what was compared with what."""
    material = evaluation.material
    references = ", ".join(reference.name for reference in material.references)
    source = f"; source: {material.source.name}" if material.source else ""
    return f"{len(evaluation.systems[0].lines):,} lines; reference: {references}{source}"


def summary(body: Element, evaluation: Evaluation, width: int) -> None:
    """Add the table of all systems, and what is needed to quote it."""
    body.append(table(comparison(evaluation, width)))
    notes = SubElement(body, "ul")
    for note in footnotes(evaluation):
        add(notes, "li", note)


def table(rows: Sequence[Sequence[str]]) -> Element:
    """Make a table that can be sorted; the first row is its head."""
    element = Element("table", {"class": "sortable"})
    line = SubElement(SubElement(element, "thead"), "tr")
    kinds = ["name" if is_name(rows[0], each) else "number" for each in range(len(rows[0]))]
    for name, kind in zip(rows[0], kinds, strict=True):
        add(line, "th", name, **{"scope": "col", "class": kind})
    body = SubElement(element, "tbody")
    for row in rows[1:]:
        line = SubElement(body, "tr")
        for cell, kind in zip(row, kinds, strict=True):
            add(line, "td", cell, **{"class": kind})
    return element


def spreads(body: Element, evaluation: Evaluation) -> None:
    """Add the histograms of single lines' scores, one scale for all systems."""
    add(body, "h2", "Scores of single lines, from 0 to 100")
    for name, measure in zip(evaluation.names, evaluation.measures.values(), strict=True):
        counts = [counted(measure.line_scores(system)) for system in evaluation.systems]
        add(body, "h3", f"{name}  {measure.line_signature()}")
        for system, bars in zip(evaluation.systems, counts, strict=True):
            figure = SubElement(body, "figure")
            figure.append(histogram(bars, max(map(max, counts))))
            add(figure, "figcaption", system.name)


def reading(body: Element, evaluation: Evaluation, width: int) -> None:
    """Add the sentences worth reading first."""
    measure = evaluation.measures[line_metric(evaluation)]
    metric = measure.score(evaluation.systems[0]).name
    several = len(evaluation.systems) > 1
    sentences = worth_reading(evaluation, SENTENCES)
    add(body, "h2", f"{'Most different' if several else 'Worst'} sentences, by {metric}")
    legend = SubElement(body, "p")
    add(legend, "ins", "only in the translation")
    add(legend, "span", ", ")
    add(legend, "del", "only in the reference")
    names = [system.name for system in evaluation.systems]
    rows = [["line", *names, *(["difference"] if several else []), TEXT]]
    rows += [[*numbers(each, width, several=several), ""] for each in sentences]
    element = table(rows)
    cells = element.findall("./tbody/tr/td[last()]")
    for cell, sentence in zip(cells, sentences, strict=True):
        fill(cell, sentence.number - 1, evaluation)
    body.append(element)


def numbers(sentence: Sentence, width: int, *, several: bool) -> Iterable[str]:
    """Write the numbers of a sentence."""
    yield str(sentence.number)
    yield from (f"{score:.{width}f}" for score in sentence.scores)
    if several:
        yield f"{sentence.difference:+.{width}f}"


def fill(cell: Element, number: int, evaluation: Evaluation) -> None:
    """Show a line: source, references, and how each translation differs from them."""
    material = evaluation.material
    references = [reference.lines[number] for reference in material.references]
    if material.source:
        shown(cell, "source", material.source.lines[number])
    for reference in references:
        shown(cell, "reference", reference)
    for system in evaluation.systems:
        line = shown(cell, system.name)
        for span in word_diff(system.lines[number], references):
            add(line, TAGS[span.kind], span.text)


def shown(cell: Element, name: str, text: str = "") -> Element:
    """Show a text below its name, in its own direction of writing."""
    add(cell, "b", name)
    return add(cell, "p", text, dir="auto")
