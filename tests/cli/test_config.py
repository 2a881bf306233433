"""`nmt config explain` and `nmt config check`."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.cli.main import group
from nmt.settings import load_table, save_table

Command = Callable[..., Any]

EXPLAIN = ("config", "explain", "--config", "toy.toml")
CHECK = ("config", "check", "--config", "toy.toml")
WARMUP = (
    "training.warmup = 9 and training.max_updates = 6: the run ends before its learning rate has "
    "risen, and never falls; warm up over a tenth of the run or less"
)


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    """Work on the toy pair."""


def sources(nmt: Command, *arguments: str) -> dict[str, tuple[object, str]]:
    finished = nmt(*EXPLAIN, "--format", "json", *arguments)
    assert finished.status == 0, finished.err
    return {each["name"]: (each["value"], each["source"]) for each in json.loads(finished.out)}


def test_each_value_says_where_it_came_from(nmt: Command) -> None:
    found = sources(
        nmt, "--set", "training.warmup=5", "--max-updates", "7", "--set", "training.keep=9",
        "--set", "training.max_updates=8", "--allow-overlap", "--test", "a", "--test", "b",
        "--attention", "additive", "--cross-attention", "gqa", "--attention-kernel", "dense",
        "--set", "attention.decoder.penalty=1", "--set", "attention.decoder={dropout=0.1}",
    )  # fmt: skip
    line = Path("toy.toml").read_text().split("\n").index("learning_rate = 0.03") + 1
    expected = {
        "training.learning_rate": (0.03, f"file toy.toml:{line}"),
        "training.warmup": (5, "--set"),
        "training.keep": (9, "--set"),
        "training.max_updates": (7, "flag --max-updates"),
        "training.schedule": ("inverse-sqrt", "default"),
        "data.allow_overlap": (True, "flag --allow-overlap"),
        "data.test": (["a", "b"], "flag --test"),
        "model.arch": ("transformer", "preset transformer-small"),
        "attention.encoder.variant": ("additive", "flag --attention"),
        "attention.encoder.score": ("additive", "variant additive"),
        "attention.cross.variant": ("gqa", "flag --cross-attention"),
        "attention.cross.kernel": ("dense", "flag --attention-kernel"),
        "attention.decoder.dropout": (0.1, "--set"),
        "attention.decoder.penalty": (0.0, "default"),  # the section was set anew
    }
    assert {name: found[name] for name in expected} == expected


def test_a_file_that_can_be_read_only_once_is_named_without_a_line(nmt: Command) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_text, args=("[search]\nbeam = 3\n",))
    writer.start()
    finished = nmt("config", "explain", "--config", "pipe", "search.beam")
    writer.join()
    assert finished.out.splitlines()[0] == "search.beam = 3  (file pipe; default 5)"


def test_a_flag_that_turns_off_is_named_as_it_was_typed(nmt: Command) -> None:
    found = sources(nmt, "--no-allow-overlap", "data.allow_overlap")
    assert found == {"data.allow_overlap": (False, "flag --no-allow-overlap")}


def test_attention_everywhere_goes_where_it_can_stand(nmt: Command) -> None:
    found = sources(nmt, "--attention", "window", "attention")
    assert found["attention.encoder.variant"] == ("window", "flag --attention")
    assert found["attention.cross.variant"] == ("multi-head", "default")


def test_text_has_the_value_the_source_the_default_and_the_meaning(nmt: Command) -> None:
    finished = nmt(*EXPLAIN, "training.warmup", "training.schedule", "data.stages")
    line = Path("toy.toml").read_text().split("\n").index("warmup = 3") + 1
    assert finished == (
        0,
        "data.stages = []  (default)\n"
        "    Mixtures that follow one another, each a [[data.stages]] with pairs and weights.\n"
        f"training.warmup = 3  (file toy.toml:{line}; default 1000)\n"
        "    Updates over which the learning rate rises.\n"
        'training.schedule = "inverse-sqrt"  (default)\n'
        "    How the learning rate falls afterwards. One of: inverse-sqrt, cosine, linear.\n",
        "",
    )


@pytest.mark.parametrize("command", [EXPLAIN, CHECK])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "training.warmpu=3"], "unknown setting training.warmpu; did you mean 'warmup'?"),
        (["--config", "none.toml"], "cannot read settings from none.toml: No such file or direc"),
        (["--attention", "adaptive"], "attention.encoder.variant: no attention is called"),
    ],
)
def test_wrong_settings_are_refused_as_in_training(
    nmt: Command, command: tuple[str, ...], arguments: list[str], message: str
) -> None:
    finished = nmt(*command, *arguments)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith(f"nmt: {message}")
    assert finished.err.count("\n") == 1


def test_an_unknown_name_is_one_line(nmt: Command) -> None:
    assert nmt(*EXPLAIN, "warmup") == (
        1, "", "nmt: no setting or section is called 'warmup'; did you mean training.warmup?\n",
    )  # fmt: skip


def test_a_check_that_finds_nothing_ends_with_0(nmt: Command) -> None:
    assert nmt(*CHECK) == (0, "", "no warnings\n")
    assert nmt(*CHECK, "--quiet") == (0, "", "")
    assert nmt(*CHECK, "--format", "json", "--quiet") == (0, "[]\n", "")


def test_a_check_that_finds_something_prints_a_line_for_each_and_ends_with_1(nmt: Command) -> None:
    finished = nmt(*CHECK, "--warmup", "9", "--set", "search.limit_ratio=0.5")
    assert (finished.status, finished.err) == (1, "")
    first, second = finished.out.splitlines()
    assert first == WARMUP
    assert second.startswith("search.limit_ratio = 0.5: ")


def test_a_check_as_json_names_each_warning(nmt: Command) -> None:
    finished = nmt(*CHECK, "--warmup", "9", "--format", "json")
    assert finished.status == 1
    (told,) = json.loads(finished.out)
    assert told["name"] == "warmup-outlasts-run"
    assert f"{told['what']}: {told['why']}; {told['better']}" == WARMUP


def test_a_check_looks_at_the_data_that_are_there(nmt: Command) -> None:
    finished = nmt(*CHECK, "--batch-tokens", "9")
    assert "data.batch_tokens = 9: the longest line to train on has " in finished.out
    assert "training.validate_every = 2: a validation translates " in finished.out
    other = ("--train", "later", "--dev-source", "x", "--dev-target", "y")
    finished = nmt(*CHECK, *other, "--batch-tokens", "300")
    assert finished == (1, finished.out, "")
    assert finished.out == (
        "model.max_length = 64: encode.max_pieces = 256 lets lines of 257 tokens pass; raise "
        "model.max_length, or encode with a lower encode.max_pieces\n"
    )


def test_a_check_knows_whether_the_machine_has_bf16(
    nmt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for has, status in ((True, 0), (False, 1)):
        monkeypatch.setattr("nmt.model.compute.has_fast_bf16", lambda _, has=has: has)
        finished = nmt(*CHECK, "--precision", "bf16")
        assert (finished.status, 'compute.precision = "bf16"' in finished.out) == (status, not has)
    assert nmt(*CHECK, "--precision", "bf16", "--device", "cuda:77").status == 0  # another machine


def test_a_budget_that_is_no_time_is_refused(nmt: Command) -> None:
    finished = nmt(*CHECK, "--budget", "soon")
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith("nmt: training.budget must be a time such as")


def test_a_run_that_cannot_go_on_is_told_of(nmt: Command, run: Path) -> None:
    finished = nmt("config", "check", "--resume", "run")
    assert finished.status == 1
    assert "training.max_updates = 60: the run stands at update 60, so none" in finished.out
    table = load_table("run/config.toml")
    table["training"]["max_updates"] = 61
    save_table(table, "run/config.toml")
    assert "stands at" not in nmt("config", "check", "--resume", "run").out


def test_a_run_is_checked_by_its_own_settings(nmt: Command) -> None:
    assert nmt("config", "check", "--resume", "none") == (
        1, "", "nmt: none holds no run (no manifest.json)\n",
    )  # fmt: skip
    finished = nmt("config", "check", "--resume", "run", "--warmup", "9")
    assert finished.err == (
        "nmt: --resume takes no other settings: a run goes on as it was started\n"
    )


def test_training_says_the_same_as_the_check(nmt: Command) -> None:
    assert nmt("train", "--config", "toy.toml", "--output", "run", "--warmup", "9").status == 0
    assert WARMUP in Path("run/train.log").read_text()
    checked = nmt(*CHECK, "--warmup", "9").out
    assert checked == f"{WARMUP}\n"


def test_both_take_the_settings_of_training() -> None:
    train = group.get_command(None, "train")  # type: ignore[arg-type]
    commands = group.get_command(None, "config")  # type: ignore[arg-type]
    not_settings = {"output", "resume", "parent", "existing"}
    wanted = {each.name for each in train.params} - not_settings  # type: ignore[union-attr]
    for name in ("explain", "check"):
        command = commands.get_command(None, name)  # type: ignore[union-attr,arg-type]
        assert wanted <= {each.name for each in command.params}


def test_a_resumed_run_says_that_no_update_is_left(nmt: Command, run: Path) -> None:
    Path("run/finished.json").unlink()  # killed just before its end
    finished = nmt("train", "--resume", "run")
    assert finished.status == 0
    assert "training.max_updates = 60: the run stands at update 60, so none is" in finished.err


def test_a_model_to_fine_tune_has_its_own_shape(nmt: Command, run: Path) -> None:
    rate = ("--learning-rate", "0.02", "--max-updates", "3000")
    data = ("--train", "corpus", "--dev-source", "dev.src", "--dev-target", "dev.tgt")
    assert "model.model_size = 256" in nmt("config", "check", *data, *rate).out
    assert nmt("config", "check", *data, *rate, "--from", "run").out == (
        "training.average = 5 and training.validate_every = 1,000: the run has 3 validations, so "
        "the average takes in the first; validate more often, or average fewer\n"
    )
    assert nmt("config", "check", "--from", "run") == (
        1, "", "nmt: --from needs the corpus to train on as well (--train FOLDER)\n",
    )  # fmt: skip
