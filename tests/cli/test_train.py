"""`nmt train` end to end."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.attention.config import ROLES
from nmt.settings import load_table
from nmt.training.loop import Trainer
from nmt.training.signals import SIGNALS

Command = Callable[..., Any]
Contents = Callable[[Path], dict[str, Any]]

CONFIG = ("train", "--config", "toy.toml", "--output", "run")
LONG = ("--max-updates", "20", "--set", "training.validate_every=2", "--set", "model.dropout=0.3")


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    """Work on the toy pair."""


@pytest.fixture
def steady(nmt: Command, contents: Contents) -> Callable[..., dict[str, Any]]:
    """Give what a run holds that nothing stopped."""

    def get(*changes: str) -> dict[str, Any]:
        assert nmt(*CONFIG, *changes).status == 0
        Path("run").rename("steady")
        return contents(Path("steady"))

    return get


def signal_at(patch: pytest.MonkeyPatch, update: int, number: signal.Signals) -> None:
    """Send this process a signal just before an update."""
    one_update = Trainer._one_update

    def signalled(trainer: Trainer, batches: Any) -> None:
        if trainer.progress.update + 1 == update:
            signal.raise_signal(number)
        one_update(trainer, batches)

    patch.setattr(Trainer, "_one_update", signalled)


def test_what_is_said_goes_to_standard_error_and_the_log(nmt: Command) -> None:
    finished = nmt(*CONFIG)
    summary = json.loads(Path("run/finished.json").read_text())
    assert (finished.status, finished.out) == (0, "")
    lines = finished.err.splitlines()
    assert lines[0].endswith(" parameters, 120 pairs, 6 updates, float32 on cpu")
    assert [line.split(":")[0] for line in lines[1:-1]] == [
        "update 2", "validation at update 2", "update 4", "validation at update 4",
        "update 6", "validation at update 6", "average of 2 checkpoints",
    ]  # fmt: skip
    best, value = summary["best"], summary["value"]
    assert lines[-1] == f"run/best is {best} after 6 updates: dev chrf {value:.4g}"
    log = Path("run/train.log").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in log] == lines[:-1]


def test_quiet_says_nothing(nmt: Command) -> None:
    assert nmt(*CONFIG, "--quiet") == (0, "", "")


def test_without_a_development_set_no_score_is_told(nmt: Command) -> None:
    finished = nmt(*CONFIG, "--dev-source", "", "--dev-target", "")
    assert finished.err.splitlines()[-1] == "run/best is update-6 after 6 updates"
    assert "validation" not in finished.err
    assert nmt("translate", "run", "test.src").out.count("\n") == 9


def test_flags_sets_and_files_mean_the_same(nmt: Command) -> None:
    flags = ("--max-updates", "3", "--learning-rate", "0.5", "--best-metric", "loss", "--seed", "7")
    sets = tuple(
        part
        for change in ("training.max_updates=3", "training.learning_rate=0.5",
                       "training.best_metric=loss", "compute.seed=7")
        for part in ("--set", change)
    )  # fmt: skip
    other = ("--set", "training.max_updates=9", "--set", "compute.seed=8")
    assert nmt(*CONFIG, *flags).status == 0
    for name, arguments in (("sets", sets), ("both", (*other, *flags))):
        assert nmt(*CONFIG[:-1], name, *arguments).status == 0
        assert load_table(f"{name}/config.toml") == load_table("run/config.toml")
    assert nmt("train", "--config", "run/config.toml", "--output", "again").status == 0
    assert load_table("again/config.toml") == load_table("run/config.toml")


def test_attention_is_chosen_for_all_roles_or_for_each(nmt: Command) -> None:
    everywhere = ("--attention", "multi-head")
    assert nmt(*CONFIG, *everywhere).status == 0
    table = load_table("run/config.toml")["attention"]
    assert {role: table[role]["variant"] for role in table} == dict.fromkeys(ROLES, "multi-head")
    for role in ROLES:
        finished = nmt(*CONFIG[:-1], "other", *everywhere, f"--{role}-attention", "multi-hat")
        assert finished == (
            1,
            "",
            f"nmt: attention.{role}.variant: no attention is called 'multi-hat'; "
            "did you mean 'multi-head'?\n",
        )


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupted_run_says_how_to_go_on_and_doing_so_ends_as_if_it_had_not_been(
    nmt: Command,
    contents: Contents,
    steady: Callable[..., dict[str, Any]],
    number: signal.Signals,
) -> None:
    expected = steady()
    with pytest.MonkeyPatch.context() as patch:
        signal_at(patch, 3, number)
        finished = nmt(*CONFIG)
    assert (finished.status, finished.out) == (128 + number, "")
    last = finished.err.splitlines()[-1]
    said, command = last.split("go on with: nmt ")
    assert said == "nmt: stopped at update 3; everything is saved; "
    assert nmt(*command.split()).status == 0
    assert contents(Path("run")) == expected


def test_compiled_steps_that_do_not_serve_are_refused_before_anything_is_trained(
    nmt: Command,
) -> None:
    asked = ("--set", "compute.steps=compiled", "--decoder-attention", "shaw")
    finished = nmt(*CONFIG, *asked)
    assert finished.status == 1
    assert finished.err == (
        "nmt: compute.steps = 'compiled' does not serve this model here: it has no attention with "
        "positions = 'shaw'; take auto\n"
    )
    assert not Path("run").exists()


def test_a_finished_run_has_nothing_to_go_on_with(nmt: Command, contents: Contents) -> None:
    first = nmt(*CONFIG)
    before = contents(Path("run"))
    again = nmt("train", "--resume", "run")
    assert again.status == 0
    assert again.err.splitlines() == [
        "run is finished; nothing to do",
        first.err.splitlines()[-1],
    ]
    assert contents(Path("run")) == before


def test_a_run_that_exists_is_dealt_with_as_asked(nmt: Command, contents: Contents) -> None:
    assert nmt(*CONFIG).status == 0
    before = contents(Path("run"))
    refused = nmt(*CONFIG)
    assert refused == (
        1,
        "",
        "nmt: run exists; go on with nmt train --resume run, or choose another --output, or "
        "--existing replace\n",
    )
    for existing in ("resume", "auto"):
        assert "nothing to do" in nmt(*CONFIG, "--existing", existing).err
    assert contents(Path("run")) == before
    other = (*CONFIG, "--seed", "2", "--existing")
    assert nmt(*other, "resume").status == 1
    assert contents(Path("run")) == before
    assert nmt(*other, "auto").status == 0
    replaced = contents(Path("run"))
    assert replaced != before
    assert nmt(*other, "replace").status == 0
    assert contents(Path("run")) == replaced


def test_a_model_is_fine_tuned_from_a_run_or_a_model_alike(
    nmt: Command, contents: Contents
) -> None:
    assert nmt(*CONFIG).status == 0
    found = {}
    for name, parent in (("one", "run"), ("two", "run/best")):
        assert nmt(*CONFIG[:-1], name, "--from", parent).status == 0
        found[name] = contents(Path(name))
        assert found[name].pop("manifest.json")["parent"] == parent
    assert found["one"] == found["two"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("train",), 2, "--output names the run folder to make (or --resume one)"),
        (("train", "--output", "x", "--existing", "maybe"), 2, "'maybe' is not one of"),
        (("train", "--output", "x", "--max-updates", "many"), 2, "'many' is not a valid integer"),
        (("train", "--resume", "x", "--seed", "1"), 1, "--resume takes no other settings"),
        (("train", "--resume", "x", "--output", "y"), 1, "--resume takes no other settings"),
        (("train", "--resume", "x", "--from", "y"), 1, "--resume takes no other settings"),
        (("train", "--resume", "x", "--config", "toy.toml"), 1, "--resume takes no other settings"),
    ],
)
def test_what_does_not_go_together_is_told(
    nmt: Command, arguments: tuple[str, ...], status: int, message: str
) -> None:
    finished = nmt(*arguments)
    assert (finished.status, finished.out) == (status, "")
    assert message in finished.err.splitlines()[-1]


def test_help_ends_with_examples(nmt: Command) -> None:
    assert "nmt train --resume run" in nmt("train", "--help").out.split("Example:")[1]


def last_saved() -> int:
    """Tell the update of the newest checkpoint; 0 while there is none."""
    link = Path("run/last")
    return int(link.readlink().name.removeprefix("update-")) if link.is_symlink() else 0


def start_and_stop(update: int, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Train in a process of its own and send it a signal at some moment after a checkpoint."""
    command = [sys.executable, "-m", "nmt", *CONFIG, *LONG]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        while last_saved() < update and process.poll() is None:
            time.sleep(0.002)
        time.sleep(random.random() / 20)
        process.send_signal(number)
        out, err = process.communicate()
    assert last_saved() >= update, err
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def contents_after_resume(nmt: Command, contents: Contents) -> dict[str, Any]:
    """Let a run go on to its end, read it, and put it out of the way."""
    finished = nmt("train", "--resume", "run")
    assert finished.status == 0, finished.err
    found = {name: each for name, each in contents(Path("run")).items() if ".part" not in name}
    Path("run").rename(f"stopped-{len(list(Path().iterdir()))}")
    return found


@pytest.mark.slow
def test_a_process_killed_at_any_moment_is_resumed_exactly(
    nmt: Command, contents: Contents, steady: Callable[..., dict[str, Any]]
) -> None:
    assert start_and_stop(6, signal.SIGKILL).returncode == -signal.SIGKILL
    assert contents_after_resume(nmt, contents) == steady(*LONG)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_process_that_is_told_to_stop_says_how_to_go_on(
    nmt: Command, number: signal.Signals
) -> None:
    stopped = start_and_stop(2, number)
    assert (stopped.returncode, stopped.stdout) == (128 + number, "")
    assert stopped.stderr.splitlines()[-1].endswith("go on with: nmt train --resume run")
    assert "Traceback" not in stopped.stderr


@pytest.mark.slow
def test_processes_stopped_at_many_moments_are_resumed_exactly(
    nmt: Command, contents: Contents, steady: Callable[..., dict[str, Any]]
) -> None:
    expected = steady(*LONG)
    for update in (2, 6, 10, 14, 18):
        for number in (signal.SIGKILL, signal.SIGTERM):
            start_and_stop(update, number)
            assert contents_after_resume(nmt, contents) == expected, (update, number.name)


def test_one_flag_forces_a_kernel_everywhere(nmt: Command) -> None:
    assert nmt(*CONFIG, "--attention-kernel", "dense").status == 0
    attention = load_table("run/config.toml")["attention"]
    assert [attention[role]["kernel"] for role in ROLES] == ["dense"] * 3


@pytest.mark.parametrize(
    "given",
    [
        ("--budget", "8m", "--max-updates", "9"),
        ("--budget", "8m", "--set", "training.max_updates=9"),
        ("--set", "training.budget=8m", "--max-updates", "9"),
    ],
    ids=" ".join,
)
def test_a_budget_and_a_number_of_updates_are_refused_together(
    nmt: Command, given: tuple[str, ...]
) -> None:
    assert nmt(*CONFIG, *given) == (
        1,
        "",
        "nmt: a number of updates (training.max_updates) and a budget (training.budget = '8m') "
        "exclude each other; leave one out, or turn the budget off: --budget ''\n",
    )
    assert not Path("run").exists()


def test_what_a_budget_came_to_is_in_the_log_and_stands_in_for_it(nmt: Command) -> None:
    sets = ("--set", "training.validate_every=99")
    finished = nmt(*CONFIG, "--budget", "1s", "--warmup", "0", *sets)
    assert finished.status == 0
    planned = load_table("run/config.toml")["training"]["max_updates"]
    (line,) = [line for line in finished.err.splitlines() if line.startswith("budget 1s: ")]
    assert line.endswith(f" s a validation: {planned:,} updates")
    assert line in Path("run/train.log").read_text().splitlines()[0]
    again = ("train", "--config", "run/config.toml", "--output", "again")
    assert "exclude each other" in nmt(*again, "--max-updates", "2").err
    assert nmt(*again, "--max-updates", "2", "--budget", "").status == 0
    assert load_table("again/config.toml")["training"]["max_updates"] == 2
