"""Training on several corpora, tagged and cut anew, from the shell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.corpus.batches import BatchStream
from nmt.settings import load_table

Command = Callable[..., Any]
Contents = Callable[[Path], dict[str, Any]]

SYMBOLS = ("--user-symbols", "<2x>", "--user-symbols", "<bt>")
CONFIG = ("train", "--config", "toy.toml", "--output", "run")
BOTH = ("--train", "general", "--train", "domain")
TAG = ("--set", "search.source_tag=<2x>")
SHORT = ("--max-updates", "4", "--set", "training.validate_every=2")
STAGES = """
[[data.stages]]
pairs = 50
weights = [1, 0]

[[data.stages]]
weights = [1, 3]
"""


@pytest.fixture(autouse=True)
def corpora(here: Path, nmt: Command) -> None:
    """Encode the toy pair in two parts, all of it for <2x>, the second also back-translated."""
    learn = ("segment", "learn", "train.src", "train.tgt", "--config", "toy.toml")
    assert nmt(*learn, *SYMBOLS, "--output", "tagged.model").status == 0
    for name, part, tags in (
        ("general", slice(0, 90), ("<2x>",)),
        ("domain", slice(90, None), ("<2x>", "<bt>")),
    ):
        for side in ("src", "tgt"):
            lines = Path(f"train.{side}").read_text().splitlines(keepends=True)[part]
            Path(f"{name}.{side}").write_text("".join(lines))
        options = [each for tag in tags for each in ("--source-tag", tag)]
        texts = (f"{name}.src", f"{name}.tgt", "--model", "tagged.model")
        assert nmt("encode", *texts, "--output", name, *options).status == 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "changes",
    [
        (),
        ("--set", "data.weights=[3, 1]"),
        ("--set", "data.temperature=5"),
        ("--set", "data.sampling_alpha=0.3"),
        ("--set", "data.stages=[{pairs=50, weights=[1, 0]}, {weights=[1, 3]}]"),
    ],
    ids=["as one", "weights", "temperature", "cut anew", "stages"],
)
def test_a_run_on_several_corpora_that_was_stopped_ends_as_one_that_was_not(
    nmt: Command, contents: Contents, monkeypatch: pytest.MonkeyPatch, changes: tuple[str, ...]
) -> None:
    arguments = (*CONFIG, *BOTH, *TAG, *SHORT, *changes)
    assert nmt(*arguments).status == 0
    Path("run").rename("steady")
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        assert nmt(*arguments, "--quiet").status == 130
    assert nmt("train", "--resume", "run").status == 0
    assert contents(Path("run")) == contents(Path("steady"))


def stop_after(patch: pytest.MonkeyPatch, count: int) -> None:
    """Let Ctrl-C come when so many batches were read."""
    read, left = BatchStream.batch, [count]

    def reading(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return read(*arguments)

    patch.setattr(BatchStream, "batch", reading)


def test_stages_are_written_as_tables_and_kept_with_the_run(nmt: Command) -> None:
    text = Path("toy.toml").read_text()
    Path("toy.toml").write_text(text + STAGES)
    assert nmt(*CONFIG, *BOTH, *TAG, *SHORT).status == 0
    data = load_table("run/best/config.toml")["data"]
    assert data["train"] == ["general", "domain"]
    assert [(each["pairs"], each["weights"]) for each in data["stages"]] == [
        (50, [1.0, 0.0]), (0, [1.0, 3.0]),
    ]  # fmt: skip


def test_a_run_refuses_to_go_on_when_one_of_its_corpora_changed(nmt: Command) -> None:
    assert nmt(*CONFIG, *BOTH, *TAG, *SHORT).status == 0
    Path("run/finished.json").unlink()
    texts = ("general.src", "general.tgt", "--model", "tagged.model")
    assert nmt("encode", *texts, "--output", "domain").status == 0
    finished = nmt("train", "--resume", "run")
    assert finished.status == 1
    assert finished.err.startswith("nmt: data.train[1] has changed since run was started;")


def test_translation_has_the_tag_of_training_unless_told(nmt: Command) -> None:
    assert nmt(*CONFIG, *BOTH, *TAG, *SHORT).status == 0
    own, tagged, other = (
        nmt("translate", "run", "test.src", "--format", "json", *flags).out
        for flags in ((), ("--source-tag", "<2x>"), ("--source-tag", "<bt>"))
    )
    assert own == tagged != other
    assert json.loads(own.split("\n")[4])["translations"][0]["text"] == ""
    finished = nmt("translate", "run", "test.src", "--source-tag", "<2y>")
    assert finished.status == 1
    assert "nmt: the tag '<2y>' is no piece of " in finished.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--set", "data.weights=[1]"), "data.weights has 1 shares, but data.train names 2 corpor"),
        (("--set", "data.weights=x"), "data.weights must be a list of numbers, not 'x' (a string)"),
        (("--set", "data.stages=2"), "data.stages is a list of sections; write [[data.stages]]"),
        (("--set", "data.stages=[{weight=1}]"), "unknown setting data.stages[0].weight; did you"),
        (("--set", "data.bpe_dropout=0.1"), "data.bpe_dropout is for bpe segmenters, but "),
        (("--train", "corpus"), "corpus was encoded with another segmenter than general; encode"),
        (("--train", "none"), "none holds no encoded corpus (no corpus.json); make it: nmt encode"),
        (("--set", "search.source_tag=<2y>"), "the tag '<2y>' is no piece of general/source.model"),
    ],
)
def test_what_cannot_be_mixed_is_refused_in_one_line(
    nmt: Command, changes: tuple[str, ...], message: str
) -> None:
    finished = nmt(*CONFIG, *BOTH, *SHORT, *changes)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.splitlines()[-1].startswith(f"nmt: {message}")
    assert not Path("run").exists()


def test_training_tells_of_tags_that_translation_would_lack(nmt: Command) -> None:
    assert "but search.source_tag is not set" in nmt(*CONFIG, *BOTH, *SHORT).err
    assert "source_tag" not in nmt(*CONFIG, *BOTH, *SHORT, *TAG, "--existing", "replace").err
