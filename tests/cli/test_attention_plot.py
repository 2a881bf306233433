"""`nmt attention plot` end to end: a page or a picture of what a trained model attends to."""

import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.model.compute import Compute
from nmt.model.directory import load_package
from nmt.study.sight import look

Command = Callable[..., Any]

CPU = Compute(torch.device("cpu"), torch.float32)
WORDS = "ab de il"


@pytest.fixture(autouse=True)
def folder(here: Path) -> Path:
    return here


@pytest.fixture
def plot(nmt: Command, trained: Path) -> Command:
    """Plot the trained model."""
    return lambda *arguments, **given: nmt("attention", "plot", str(trained), *arguments, **given)


class Tags(HTMLParser):
    """The tags of a page, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and data.strip():
            self.scripts.append(data)


def data_of(path: str = "attention.html") -> dict[str, Any]:
    """Read the data that a page shows."""
    data: dict[str, Any] = json.loads(Tags(Path(path).read_text()).scripts[0])
    return data


def test_a_page_holds_the_weights_of_every_layer_and_head(
    plot: Command, trained: Path, nmt: Command
) -> None:
    finished = plot("--source", WORDS)
    assert (finished.status, finished.out, finished.err) == (0, "", "attention.html\n")
    package = load_package(trained)
    target = nmt("translate", str(trained), stdin=f"{WORDS}\n").out.rstrip("\n")
    sight = look(package, (WORDS, target), CPU)
    data = data_of()
    assert data["pair"] == WORDS
    names = [layer["name"] for layer in data["layers"]]
    assert names == ["encoder 0", "decoder 0", "cross 0"]
    source = [*package.segmenters.source.pieces(WORDS), "</s>"]
    pieces = [*package.segmenters.target.pieces(target), "</s>"]
    sides = [(source, source), (pieces, ["<s>", *pieces[:-1]]), (pieces, source)]
    for layer, each, side in zip(data["layers"], sight.layers, sides, strict=True):
        assert (layer["rows"], layer["columns"]) == side
        weights = torch.tensor([head["weights"] for head in layer["heads"]])
        assert [head["name"] for head in layer["heads"]] == ["0", "1"]
        assert each.weights is not None
        torch.testing.assert_close(weights, each.weights[0], rtol=0, atol=6e-5)


def test_a_page_asks_for_nothing_from_elsewhere(plot: Command) -> None:
    assert plot("--source", WORDS).status == 0
    page = Tags(Path("attention.html").read_text())
    assert not {"img", "link", "iframe", "object"} & set(page.tags)
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    assert "http" not in Path("attention.html").read_text().replace("http-equiv", "")


def test_markup_in_a_text_stays_text(plot: Command) -> None:
    evil = "</script><script>alert(1)</script><img src=x> $data & ab"
    assert plot("--source", WORDS, "--output", "plain.html").status == 0
    assert plot("--source", evil, "--target", evil, "--output", "evil.html").status == 0
    plain, page = (Tags(Path(f"{name}.html").read_text()) for name in ("plain", "evil"))
    assert page.tags == plain.tags
    assert page.scripts[1:] == plain.scripts[1:]
    assert data_of("evil.html")["pair"] == f"{evil} → {evil}"
    assert "".join(data_of("evil.html")["layers"][0]["rows"]).replace("▁", " ").strip()


@pytest.mark.parametrize(
    ("arguments", "layers", "heads"),
    [
        (["--roles", "cross"], ["cross 0"], ["0", "1"]),
        (["--roles", "encoder,decoder", "--head", "1"], ["encoder 0", "decoder 0"], ["1"]),
        (["--layer", "0", "--head", "0"], ["encoder 0", "decoder 0", "cross 0"], ["0"]),
    ],
)
def test_layers_and_heads_can_be_chosen(
    plot: Command, arguments: list[str], layers: list[str], heads: list[str]
) -> None:
    assert plot("--source", WORDS, *arguments).status == 0
    data = data_of()["layers"]
    assert [layer["name"] for layer in data] == layers
    for layer in data:
        assert [head["name"] for head in layer["heads"]] == heads


def test_lines_come_from_files_and_from_standard_input(plot: Command, here: Path) -> None:
    lines = [(here / f"test.{side}").read_text().split("\n") for side in ("src", "tgt")]
    files = ("--source", "test.src", "--target", "test.tgt")
    assert plot(*files, "--line", "3").status == 0
    assert data_of()["pair"] == f"{lines[0][2]} → {lines[1][2]}"
    assert plot(stdin="ab\nde\n").status == 0
    assert data_of()["pair"] == "ab"
    assert plot("--source", "ab " * 300, "--target", "mn").status == 0  # no name of a file


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_picture_is_the_same_each_time(plot: Command, form: str, start: bytes) -> None:
    pytest.importorskip("matplotlib")
    drawn = []
    for name in ("one", "two"):
        finished = plot("--source", "ab $x_$ 日", "--target", "mn", "--output", f"{name}.{form}")
        assert (finished.status, finished.err) == (0, f"{name}.{form}\n")
        drawn.append(Path(f"{name}.{form}").read_bytes())
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith(start)


def test_without_matplotlib_there_are_still_pages(
    plot: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    finished = plot("--source", WORDS, "--output", "m.png")
    assert (finished.status, Path("m.png").exists()) == (1, False)
    assert finished.err == (
        "nmt: a picture needs matplotlib: pip install 'nmt[plot]'; --output FILE.html needs "
        "nothing\n"
    )
    assert plot("--source", WORDS).status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "a.pdf"], "--output a.pdf: the name must end in .html, .png or .svg"),
        (["--layer", "1"], "--layer 1: the layers of this model are 0 to 0"),
        (["--head", "2"], "--head 2: the heads of encoder layer 0 are 0 to 1"),
        (["--source", ""], "there is nothing to draw: a side of the pair is empty"),
        (["--target", ""], "there is nothing to draw: a side of the pair is empty"),
        (["--source", "test.src", "--line", "99"], "test.src has no line 99"),
        (
            ["--source", "tset.src"],
            "there is no file tset.src, and a text of one word is not tak"
            "en to be one; if it is the text, give it on standard input, as -",
        ),
        (
            ["--target", "no/such"],
            "there is no file no/such, and a text of one word is not taken "
            "to be one; if it is the text, give it on standard input, as -",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_drawn_is_refused(plot: Command, arguments: list[str], message: str) -> None:
    finished = plot("--source", WORDS, *arguments)
    assert (finished.status, finished.out, finished.err) == (1, "", f"nmt: {message}\n")
    assert not Path("attention.html").exists()


@pytest.fixture
def silent(nmt: Command) -> str:
    """Train a model whose decoder has no heads and whose encoder is left one."""
    changes = ("attention.decoder.heads=['0']", "attention.encoder.heads=['1']")
    settings = [part for change in changes for part in ("--set", change)]
    command = ("train", "--config", "toy.toml", "--output", "silent", "--max-updates", "1")
    assert nmt(*command, *settings).status == 0
    return "silent"


def test_what_gives_no_weights_is_blank_or_refused(nmt: Command, silent: str) -> None:
    text = ("--source", "ab", "--target", "mn")
    finished = nmt("attention", "plot", silent, *text)
    assert finished.status == 0
    assert finished.err == "decoder layer 0 gives no weights and stays blank\nattention.html\n"
    assert [len(layer["heads"]) for layer in data_of()["layers"]] == [1, 0, 2]
    refused = nmt("attention", "plot", silent, *text, "--roles", "decoder")
    assert refused.status == 1
    assert re.fullmatch(
        "nmt: there is nothing to draw: the attention of decoder layer 0 gives no weights: .*\n",
        refused.err,
    )
    pytest.importorskip("matplotlib")
    assert nmt("attention", "plot", silent, *text, "--output", "a.svg").status == 0


def test_a_role_that_a_model_does_not_play_is_refused(nmt: Command) -> None:
    settings = Path("toy.toml").read_text().replace("ffn_size = 32", 'arch = "rnn"')
    Path("rnn.toml").write_text(settings)
    command = ("train", "--config", "rnn.toml", "--output", "rnn", "--max-updates", "1")
    assert nmt(*command).status == 0
    text = ("--source", "ab", "--target", "mn")
    finished = nmt("attention", "plot", "rnn", *text, "--roles", "encoder")
    assert finished.err == "nmt: --roles encoder: this model attends only as cross\n"
    assert nmt("attention", "plot", "rnn", *text).status == 0
    assert [layer["name"] for layer in data_of()["layers"]] == ["cross 0"]


def test_a_line_of_no_file_is_refused(nmt: Any) -> None:
    finished = nmt("attention", "plot", "run", "--source", "absent.en", "--line", "3")
    assert finished.status == 1
    assert finished.err == "nmt: --line 3: neither --source nor --target is a file that exists\n"
