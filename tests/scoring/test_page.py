"""The page of scores: one file, text never markup, nothing from elsewhere."""

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from nmt.scoring.checks import Material
from nmt.scoring.config import ScoreConfig
from nmt.scoring.evaluation import Evaluation, evaluate
from nmt.scoring.measure import measure
from nmt.scoring.page import page
from nmt.scoring.resampling import Resampling
from nmt.scoring.texts import Text

Evaluate = Callable[..., Evaluation]

EVIL = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>&lt;"\''
EMPTY = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Read a page into tags, attributes and the text of elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def evil() -> Evaluation:
    """Evaluate systems whose names and texts would like to be markup."""
    systems = [Text(EVIL, [EVIL, "a b c"]), Text("other", ["a", f"{EVIL} c"])]
    references = [Text(f"ref{EVIL}", [f"{EVIL} d", "a b"])]
    material = Material(systems, references, Text("source", [EVIL, EVIL]))
    measures = {"chrf": measure("chrf", ScoreConfig(), [references[0].lines])}
    return evaluate(material, measures, Resampling())


def test_no_text_becomes_markup(evil: Evaluation) -> None:
    read = Reader(page(evil, 2))
    assert read.open == []
    assert "img" not in read.tags
    assert read.tags.count("script") == 1
    assert not any(name.startswith("on") for name, _ in read.attributes)
    assert EVIL in read.texts


def test_nothing_is_asked_for_from_elsewhere(evaluated: Evaluate) -> None:
    text = page(evaluated("base", "far", by_length=True), 2)
    read = Reader(text)
    assert not {"link", "iframe", "object", "base", "form"} & set(read.tags)
    assert not {"src", "href", "style", "action"} & {name for name, _ in read.attributes}
    assert "url(" not in text
    assert "//" not in text


def test_the_policy_allows_this_script_and_style_alone(evaluated: Evaluate) -> None:
    text = page(evaluated("base"), 2)
    policy = next(value for name, value in Reader(text).attributes if name == "content")
    assert policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_page_holds_what_the_report_says(evaluated: Evaluate) -> None:
    resampling = Resampling(paired="bootstrap", samples=20)
    evaluation = evaluated("base", "far", resampling=resampling, by_length=True)
    texts = Reader(page(evaluation, 2)).texts
    for results in evaluation.results.values():
        for each in results:
            assert f"{each.score.value:.2f}" in texts
        assert any(text.endswith(results[0].score.signature) for text in texts)
    assert any("paired bootstrap against base, 20 samples" in text for text in texts)
    assert "By length: words of the first reference" in texts
    assert "Most different sentences, by chrF2" in texts


def test_one_system_shows_its_worst_sentences(evaluated: Evaluate) -> None:
    texts = Reader(page(evaluated("far", metrics=("ter",)), 2)).texts
    assert "Worst sentences, by TER" in texts
    assert "difference" not in texts
