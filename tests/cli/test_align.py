"""`nmt align` end to end: links, the choice of a head, two directions, gold links."""

import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.alignment.links import WAYS

Command = Callable[..., Any]
PAIR = ("test.src", "test.tgt")


@pytest.fixture(autouse=True)
def texts(here: Path, run: Path) -> None:
    """Work on the toy pair with a trained `run`."""


def links(text: str) -> list[set[tuple[int, ...]]]:
    return [
        {tuple(map(int, link.split("-"))) for link in line.split()}
        for line in text.split("\n")[:-1]
    ]


def write_gold(name: str) -> None:
    """Write the links of the toy's test set, whose words correspond in order."""
    lines = Path("test.src").read_text().split("\n")[:-1]
    gold = [" ".join(f"{n}-{n}" for n in range(len(line.split()))) for line in lines]
    Path(name).write_text("".join(f"{line}\n" for line in gold))


def test_a_line_of_links_comes_out_for_each_pair(nmt: Command) -> None:
    finished = nmt("align", "run", *PAIR)
    assert finished.status == 0, finished.err
    sides = [Path(name).read_text().split("\n")[:-1] for name in PAIR]
    found = links(finished.out)
    for each, source, target in zip(found, *sides, strict=True):
        assert {link[1] for link in each} == set(range(len(target.split())))
        assert {link[0] for link in each} <= set(range(len(source.split())))
    details = nmt("force", "run", *PAIR, "--format", "json", "--details").out
    told = [json.loads(line)["translations"][0]["alignment"] for line in details.split("\n")[:-1]]
    assert found == [set(map(tuple, each)) for each in told]


def test_translations_are_linked_as_given_ones_are(nmt: Command) -> None:
    found = nmt("translate", "run", "test.src", "--format", "tsv", "--details").out
    table = [line.split("\t") for line in found.split("\n")[:-1]]
    Path("hyp").write_text("".join(f"{row[2]}\n" for row in table))
    given = nmt("align", "run", "test.src", "hyp").out.split("\n")[:-1]
    same = [mine == row[6] for mine, row in zip(given, table, strict=True)]
    assert sum(same) > 4  # the others come in other pieces when they are segmented anew


def test_heads_and_positions_can_be_asked_for(nmt: Command) -> None:
    outputs = {
        flags: nmt("align", "run", *PAIR, "--layer", "0", *flags).out
        for flags in ((), ("--head", "0"), ("--head", "1"), ("--position", "reads"))
    }
    assert outputs[()] == nmt("align", "run", *PAIR).out
    assert len(set(outputs.values())) == 4


def test_the_head_that_is_chosen_is_kept_and_used(nmt: Command) -> None:
    write_gold("gold")
    finished = nmt("align", "run", *PAIR, "--choose", "--gold", "gold")
    assert finished.status == 0, finished.err
    head, *ranked = finished.out.split("\n")[:-1]
    assert head.split() == ["layer", "head", "position", "alignment", "error", "rate"]
    rates = [float(line.split()[-1]) for line in ranked]
    assert rates == sorted(rates)
    assert len(ranked) == 6
    choice = json.loads(Path("run/best/align.json").read_text())
    layer, name, position, rate = ranked[0].split()
    assert choice["layer"] == int(layer)
    assert ("mean" if choice["head"] is None else str(choice["head"])) == name
    assert choice["position"] == position
    assert choice["value"] == pytest.approx(float(rate), rel=1e-3)
    flags = (
        "--layer",
        layer,
        "--position",
        position,
        *(("--head", name) if name != "mean" else ()),
    )
    used = nmt("align", "run", *PAIR, "--gold", "gold")
    assert used.out == nmt("align", "run", *PAIR, *flags).out
    assert f"(alignment error rate {choice['value']:.4f} on 8 pairs)" in used.err
    assert f"alignment error rate {choice['value']:.4f}, precision " in used.err
    assert nmt("translate", "run", "test.src").status == 0
    shown = json.loads(nmt("show", "run/best", "--format", "json").out)["alignment"]
    assert shown.startswith(f"layer {layer}, ")
    shutil.copytree("run/best/", "given")
    assert nmt("align", "given", *PAIR).out == used.out


def test_without_gold_what_links_tell_decides(nmt: Command) -> None:
    finished = nmt("align", "run", "train.src", "train.tgt", "--choose", "--output", "ranked")
    assert (finished.status, finished.out) == (0, "")
    first, *ranked = Path("ranked").read_text().split("\n")[:-1]
    assert first.endswith("information in nats a piece")
    values = [float(line.split()[-1]) for line in ranked]
    assert values == sorted(values, reverse=True)
    assert json.loads(Path("run/best/align.json").read_text())["pairs"] == 120


@pytest.fixture
def back(nmt: Command) -> str:
    """Train a model of the opposite direction, a little."""
    encode = ("encode", "train.tgt", "train.src", "--model", "joint.model", "--output", "turned")
    assert nmt(*encode).status == 0
    settings = Path("toy.toml").read_text()
    for one, other in (
        ("/corpus", "/turned"), ("dev.src", "dev.x"), ("dev.tgt", "dev.src"), ("dev.x", "dev.tgt")
    ):  # fmt: skip
        settings = settings.replace(one, other)
    Path("back.toml").write_text(settings)
    assert nmt("train", "--config", "back.toml", "--output", "back", "-q").status == 0
    return "back"


def test_two_directions_are_made_one_and_choose_each_other(nmt: Command, back: str) -> None:
    forward = links(nmt("align", "run", *PAIR).out)
    backward = [
        {(target, source) for source, target in each}
        for each in links(nmt("align", back, *PAIR[::-1]).out)
    ]
    both = {
        way: links(nmt("align", "run", *PAIR, "--reverse", back, "--symmetrise", way).out)
        for way in WAYS
    }
    assert both["union"] == [a | b for a, b in zip(forward, backward, strict=True)]
    assert both["intersection"] == [a & b for a, b in zip(forward, backward, strict=True)]
    assert links(nmt("align", "run", *PAIR, "--reverse", back).out) == both["grow-diag"]
    finished = nmt("align", "run", *PAIR, "--reverse", back, "--choose")
    assert finished.status == 0, finished.err
    assert "agreement of both directions" in finished.out
    choices = [json.loads(Path(f"{each}/best/align.json").read_text()) for each in ("run", back)]
    assert choices[0]["value"] == choices[1]["value"]
    write_gold("gold")
    assert nmt("align", "run", *PAIR, "--reverse", back, "--choose", "--gold", "gold").status == 0
    kept = json.loads(Path(f"{back}/best/align.json").read_text())
    assert kept["criterion"] == "alignment error rate"
    assert len(nmt("align", "run", *PAIR, "--reverse", back, "--gold", "gold").err.split("\n")) == 4


def test_each_direction_has_its_own_tags(nmt: Command) -> None:
    """One model may serve both directions, told by its tags."""
    plain = nmt("align", "run", *PAIR).out
    both = ("align", "run", *PAIR, "--reverse", "run", "--symmetrise", "union")
    assert nmt("align", "run", *PAIR, "--source-tag", "a").out != plain
    outputs = [
        nmt(*both, *flags).out
        for flags in ((), ("--source-tag", "a"), ("--reverse-tag", "a"),
                      ("--source-tag", "a", "--reverse-tag", "a"))
    ]  # fmt: skip
    assert len(set(outputs)) == 4


def test_empty_sides_have_no_links_and_long_ones_can_be_passed_over(nmt: Command) -> None:
    pairs = "ab\t\n\tmn\n\t\n" + "ab " * 60 + "\tmn\nab 日\tmn 日\n"
    refused = nmt("align", "run", "-", "--tsv", stdin=pairs)
    assert refused.status == 1
    assert refused.err.split("\n")[-2].startswith("nmt: line 4: the source has ")
    finished = nmt("align", "run", "-", "--tsv", "--skip", stdin=pairs)
    assert finished.status == 0
    assert [bool(line) for line in finished.out.split("\n")[:-1]] == [False] * 4 + [True]
    assert finished.err.endswith("passed over 1 pairs, which the model cannot read\n")


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        ("0-0\n", "gold has 1 lines, but there are more pairs"),
        ("0-0\n" * 4 + "\n" + "0-0\n" * 5, "there are 9 pairs, but gold has more lines"),
        ("0-x\n", "gold, line 1: '0-x' is no link; write 0-0, or 0p0 if it is only possible"),
        ("9-0\n", "gold, line 1: 9-0 points beyond the "),
    ],
)
@pytest.mark.parametrize("flags", [(), ("--choose",)], ids=" ".join)
def test_gold_that_does_not_fit_is_refused(
    nmt: Command, gold: str, message: str, flags: tuple[str, ...]
) -> None:
    Path("gold").write_text(gold)
    finished = nmt("align", "run", *PAIR, "--gold", "gold", "--output", "links", *flags)
    assert finished.status == 1
    assert finished.err.split("\n")[-2].startswith(f"nmt: {message}")
    assert not Path("links").exists()
    assert not Path("run/best/align.json").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--head", "0"), "--head and --position need --layer"),
        (("--position", "reads"), "--head and --position need --layer"),
        (("--symmetrise", "union"),
         "--symmetrise needs a model of the opposite direction: --reverse MODEL"),
        (("--reverse-tag", "<2en>"),
         "--reverse-tag needs a model of the opposite direction: --reverse MODEL"),
        (("--choose", "--layer", "0"),
         "--choose tries all heads; leave out --layer and --symmetrise"),
        (("--layer", "1"), "layer 1 is asked for alignment, but those of this model's "
         "cross-attention are 0 to 0"),
        (("--layer", "0", "--head", "2"),
         "head 2 is asked for alignment, but those of layer 0 are 0 to 1"),
        (("--gold", "missing"), "cannot read missing: No such file or directory"),
    ],
)  # fmt: skip
def test_calls_that_cannot_be_are_refused(
    nmt: Command, flags: tuple[str, ...], message: str
) -> None:
    finished = nmt("align", "run", *PAIR, *flags)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.split("\n")[-2] == f"nmt: {message}"


def test_there_must_be_text_to_choose_by(nmt: Command) -> None:
    finished = nmt("align", "run", "-", "--tsv", "--choose", stdin="\t\n")
    assert finished == (1, "", "nmt: there are no pairs with text to choose by\n")


def test_a_model_that_cannot_be_written_still_says_what_is_best(nmt: Command) -> None:
    if os.geteuid() == 0:
        Path("run/best/align.json").mkdir()
    else:
        Path("run/best").resolve().chmod(0o500)
    finished = nmt("align", "run", *PAIR, "--choose")
    assert finished.status == 1
    assert finished.err.startswith("nmt: cannot write run/best/align.json: ")
    assert finished.out.startswith("layer  head  position")


def test_a_damaged_choice_is_told_in_a_line(nmt: Command) -> None:
    Path("run/best/align.json").write_text("{}")
    for command in (("align", "run", *PAIR), ("translate", "run", "test.src", "--format", "json",
                                              "--details")):  # fmt: skip
        finished = nmt(*command)
        assert (finished.status, finished.out) == (1, "")
        assert finished.err == (
            "nmt: run/best/align.json is not of this version; remove it and choose again with "
            "nmt align --choose\n"
        )
    assert nmt("translate", "run", "test.src").status == 0


@pytest.fixture
def silent(nmt: Command) -> str:
    """Train a model whose cross-attention gives no weights."""
    settings = ("--set", "attention.cross.variant=linear", "--max-updates", "1", "-q")
    assert nmt("train", "--config", "toy.toml", "--output", "silent", *settings).status == 0
    return "silent"


def test_a_model_without_weights_aligns_nothing_but_tells_the_rest(
    nmt: Command, silent: str
) -> None:
    message = (
        "nmt: alignment needs weights of attention, but attention.cross of this model gives none\n"
    )
    assert nmt("align", silent, *PAIR) == (1, "", message)
    assert nmt("align", silent, *PAIR, "--choose") == (1, "", message)
    assert nmt("align", "run", *PAIR, "--reverse", silent).err.endswith(message)
    details = ("translate", silent, "test.src", "--details", "--format")
    finished = nmt(*details, "json")
    assert (finished.status, finished.err) == (
        0, "attention.cross of this model gives no weights, so there is no alignment\n"
    )  # fmt: skip
    records = [json.loads(line) for line in finished.out.split("\n")[:-1]]
    told = [each for record in records for each in record["translations"]]
    assert [each["alignment"] for each in told] == [None] * 9
    assert any(each["log_probs"] for each in told)
    table = [line.split("\t") for line in nmt(*details, "tsv").out.split("\n")[:-1]]
    assert [row[6] for row in table] == [""] * 9


def test_a_recurrent_model_aligns(nmt: Command) -> None:
    settings = Path("toy.toml").read_text().replace("ffn_size = 32", 'arch = "rnn"')
    Path("rnn.toml").write_text(settings)
    train = ("train", "--config", "rnn.toml", "--output", "rnn", "--max-updates", "2", "-q")
    assert nmt(*train).status == 0
    finished = nmt("align", "rnn", *PAIR)
    assert finished.status == 0
    assert all(links(finished.out)[:4])


LEARNING = """
[segment]
vocab_size = 60
byte_fallback = false

[data]
train = "corpus"
dev_source = "dev.src"
dev_target = "dev.tgt"
batch_tokens = 600

[model]
encoder_layers = 1
decoder_layers = 2
model_size = 32
ffn_size = 64
num_heads = 2
max_length = 64
dropout = 0.0

[training]
max_updates = 600
warmup = 50
learning_rate = 0.01
validate_every = 300
average = 0

[compute]
precision = "fp32"
threads = 1
"""


def write_turned_language() -> None:
    """Write texts whose words correspond one to one, in the reverse order, and their links."""
    random_ = random.Random(1)
    sources, targets = (
        ["".join(random_.choices(letters, k=random_.randint(2, 4))) for _ in range(24)]
        for letters in ("abdeiklm", "mnoprstu")
    )
    dictionary = dict(zip(sources, targets, strict=True))
    for name, count in (("train", 3000), ("dev", 60), ("test", 60)):
        lines = [random_.choices(sources, k=random_.randint(2, 6)) for _ in range(count)]
        turned = [[dictionary[word] for word in reversed(line)] for line in lines]
        gold = [[f"{len(line) - 1 - n}-{n}" for n in range(len(line))] for line in lines]
        for side, text in (("src", lines), ("tgt", turned), ("gold", gold)):
            Path(f"{name}.{side}").write_text("".join(" ".join(each) + "\n" for each in text))


@pytest.mark.slow
def test_the_words_of_a_language_learnt_are_linked_without_any_gold(
    nmt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the text chooses; the links of another text then have few errors."""
    (tmp_path / "learnt").mkdir()
    monkeypatch.chdir(tmp_path / "learnt")
    write_turned_language()
    Path("c.toml").write_text(LEARNING)
    for command in (
        ("segment", "learn", "train.src", "train.tgt", "--config", "c.toml", "--output", "m.model"),
        ("encode", "train.src", "train.tgt", "--model", "m.model", "--output", "corpus"),
        ("train", "--config", "c.toml", "--output", "run"),
        ("align", "run", "dev.src", "dev.tgt", "--choose"),
    ):
        finished = nmt(*command, "-q")
        assert finished.status == 0, finished.err
    test = ("align", "run", "test.src", "test.tgt", "--gold", "test.gold")
    rate = float(re.findall(r"error rate ([0-9.]+), precision", nmt(*test).err)[0])
    assert rate < 0.2
    _, best, *_ = nmt(*test, "--choose").out.split("\n")
    assert rate < float(best.split()[-1]) + 0.05
