"""`nmt encode` end to end."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nmt.corpus.encoded import EncodedCorpus
from nmt.text.segmenter import Segmenter

Command = Callable[..., Any]
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")

TWO = ("encode", "a.src", "a.tgt", "--model", "joint.model", "--output", "a.encoded")
PAIRS = [
    ("ab de", "mn op"),
    ("", "mn"),
    ("ab", ""),
    ("  ", "op"),
    ("il mi kb " * 9, "st"),
    ("Ω ≠ 日本", "mn"),
    ("de\u2028ab\u0085", "op"),
]
KEPT = [0, 5, 6]


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    Path("a.src").write_text("".join(f"{source}\n" for source, _ in PAIRS))
    Path("a.tgt").write_text("".join(f"{target}\n" for _, target in PAIRS))
    Path("a.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS))


def test_ids_are_those_of_segment_apply_and_text_is_as_it_was(nmt: Command) -> None:
    finished = nmt(*TWO, "--max-pieces", "20")
    assert (finished.status, finished.out) == (0, "")
    corpus = EncodedCorpus("a.encoded")
    for index, side in enumerate(("source", "target")):
        kept = "".join(f"{PAIRS[number][index]}\n" for number in KEPT)
        cut = nmt("segment", "apply", "--ids", "--model", "joint.model", stdin=kept).out
        found = [corpus.ids[side][number].tolist() for number in range(len(corpus))]
        assert found == [[int(each) for each in line.split()] for line in cut.splitlines()]
        lines = [corpus.line(side, number) for number in range(len(corpus))]
        assert "".join(f"{line}\n" for line in lines) == kept


def test_what_is_dropped_is_counted_and_on_file_with_its_reason(nmt: Command) -> None:
    finished = nmt(*TWO, "--max-pieces", "20")
    rows = [line.split("\t") for line in Path("a.encoded/dropped.tsv").read_text().split("\n")[:-1]]
    assert [(number, reason) for number, reason, *_ in rows] == [
        ("2", "empty"), ("3", "empty"), ("4", "empty"), ("5", "too long"),
    ]  # fmt: skip
    assert [tuple(texts) for _, _, *texts in rows] == PAIRS[1:5]
    corpus = EncodedCorpus("a.encoded")
    pieces = {side: int(corpus.lengths(side).sum()) for side in ("source", "target")}
    assert finished.err.splitlines() == [
        f"a.encoded: 3 lines, {pieces['source']} source pieces, {pieces['target']} target pieces",
        "dropped 3 lines: empty (a.encoded/dropped.tsv)",
        "dropped 1 lines: too long (a.encoded/dropped.tsv)",
    ]
    assert len(corpus) + sum(corpus.record.dropped.values()) == len(PAIRS)


def test_quiet_says_nothing(nmt: Command) -> None:
    assert nmt(*TWO, "--quiet") == (0, "", "")


def test_all_forms_of_the_same_pairs_are_the_same_corpus(
    nmt: Command, contents: Callable[[Path], dict[str, Any]]
) -> None:
    assert nmt(*TWO).status == 0
    Path("a.encoded/corpus.manifest.json").unlink()  # says what form it was made from
    expected = contents(Path("a.encoded"))
    for name in ("a.src", "a.tsv"):
        Path(f"{name}.gz").write_bytes(gzip.compress(Path(name).read_bytes()))
    options = ("--model", "joint.model", "--output", "b")
    for arguments, stdin in (
        (("--tsv", "a.tsv"), ""),
        (("--tsv", "a.tsv.gz"), ""),
        (("a.src.gz", "a.tgt"), ""),
        (("-", "a.tgt"), Path("a.src").read_text()),
        (("--tsv", "-"), Path("a.tsv").read_text()),
        (("a.src", "a.tgt", "--target-model", "joint.model"), ""),
    ):
        assert nmt("encode", *arguments, *options, stdin=stdin).status == 0
        Path("b/corpus.manifest.json").unlink()
        assert contents(Path("b")) == expected


def test_any_number_of_workers_writes_the_same_bytes(
    nmt: Command, monkeypatch: pytest.MonkeyPatch, contents: Callable[[Path], dict[str, Any]]
) -> None:
    monkeypatch.setattr("nmt.corpus.encode.LINES_AT_ONCE", 3)
    assert nmt(*TWO, "--max-pieces", "20").status == 0
    expected = contents(Path("a.encoded"))
    for workers in ("2", "3"):
        assert nmt(*TWO, "--max-pieces", "20", "--workers", workers).status == 0
        assert contents(Path("a.encoded")) == expected
    Path("a.src").write_text("x" * 1_000_000 + "\n" + "a\n" * 6)
    finished = nmt(*TWO, "--workers", "2")
    assert finished.status == 1
    assert finished.err.startswith("nmt: line 1 of the source is 1,000,000 bytes long;")
    assert contents(Path("a.encoded")) == expected


def test_a_tag_stands_before_every_source_and_is_no_text(nmt: Command) -> None:
    symbols = ("--user-symbols", "<2x>", "--user-symbols", "<bt>", "--vocab-size", "60")
    learn = ("segment", "learn", "train.src", "train.tgt", *symbols, "--no-byte-fallback")
    assert nmt(*learn, "--output", "joint.model").status == 0
    assert nmt(*TWO, "--max-pieces", "20").status == 0
    plain = EncodedCorpus("a.encoded")
    before = [plain.ids["source"][number].tolist() for number in range(len(plain))]
    tags = ("--source-tag", "<2x>", "--source-tag", "<bt>")
    assert nmt(*TWO, "--max-pieces", "22", *tags).status == 0
    tagged = EncodedCorpus("a.encoded")
    assert tagged.record.tags == {"source": ["<2x>", "<bt>"]}
    model = Segmenter.load("joint.model")
    for number, ids in enumerate(before):
        assert tagged.ids["source"][number].tolist() == [*model.tag_ids(["<2x>", "<bt>"]), *ids]
        assert tagged.ids["target"][number].tolist() == plain.ids["target"][number].tolist()
        assert tagged.line("source", number) == plain.line("source", number)


@pytest.mark.parametrize(
    ("tag", "state"), [("<2x>", "no piece"), ("</s>", "a special piece"), ("", "no piece")]
)
def test_a_tag_that_the_segmenter_lacks_is_refused(nmt: Command, tag: str, state: str) -> None:
    finished = nmt(*TWO, "--source-tag", tag)
    shown = f"'{tag or '<tag>'}'"
    assert finished == (
        1,
        "",
        f"nmt: the tag {tag!r} is {state} of joint.model; learn a segmenter that has it: "
        f"nmt segment learn --user-symbols {shown}\n",
    )
    assert not Path("a.encoded").exists()


def test_one_text_alone_is_a_monolingual_corpus(nmt: Command) -> None:
    assert nmt(*TWO[:2], *TWO[3:]).status == 0
    assert EncodedCorpus("a.encoded").record.sides == ["source"]


def test_each_side_may_have_its_segmenter(nmt: Command) -> None:
    for side in ("src", "tgt"):
        sizes = ("--vocab-size", "30", "--no-byte-fallback", "--output", f"{side}.model")
        assert nmt("segment", "learn", f"train.{side}", *sizes).status == 0
    arguments = ("--model", "src.model", "--target-model", "tgt.model", "--output", "b")
    assert nmt("encode", "train.src", "train.tgt", *arguments).status == 0
    corpus = EncodedCorpus("b")
    for side, name in (("source", "src"), ("target", "tgt")):
        assert Path(f"b/{side}.model").read_bytes() == Path(f"{name}.model").read_bytes()
        text = Path(f"train.{name}").read_text().splitlines()
        assert corpus.ids[side][7].tolist() == Segmenter.load(f"{name}.model").encode(text[7])


def test_a_flag_wins_over_set_and_set_over_the_file(nmt: Command) -> None:
    Path("a.toml").write_text("[encode]\nmax_pieces = 20\n")
    file, sets = ("--config", "a.toml"), ("--set", "encode.max_pieces=5")
    for arguments, limit in (
        ((), 256),
        (file, 20),
        ((*sets, *file), 5),
        ((*sets, *file, "--max-pieces", "99"), 99),
    ):
        assert nmt(*TWO, *arguments).status == 0
        assert EncodedCorpus("a.encoded").record.dropped.get("too long", 0) == num_longer(limit)
    assert [num_longer(limit) for limit in (5, 20, 99)] == [3, 1, 0]


def num_longer(limit: int) -> int:
    """Count the pairs of which a side has more pieces, and none is empty."""
    model = Segmenter.load("joint.model")
    filled = [pair for pair in PAIRS if all(side.strip() for side in pair)]
    return sum(max(len(model.encode(side)) for side in pair) > limit for pair in filled)


def test_a_corpus_is_replaced_only_by_a_complete_one(
    nmt: Command, contents: Callable[[Path], dict[str, Any]]
) -> None:
    assert nmt(*TWO).status == 0
    before = contents(Path("a.encoded"))
    Path("a.tgt").write_text("one\n")
    assert nmt(*TWO).status == 1
    assert contents(Path("a.encoded")) == before
    Path("a.src").write_text("one\n")
    assert nmt(*TWO).status == 0
    assert contents(Path("a.encoded")) != before


@pytest.mark.parametrize("name", [".", "..", "folder", "a.src"])
def test_what_is_no_corpus_is_never_replaced(nmt: Command, name: str) -> None:
    Path("folder").mkdir()
    Path("folder/thesis.tex").write_text("dear")
    before = sorted(Path().parent.rglob("*"))
    finished = nmt(*TWO[:-1], name)
    message = f"nmt: {name} exists and is no encoded corpus; choose another --output\n"
    assert finished == (1, "", message)
    assert sorted(Path().parent.rglob("*")) == before


def test_an_empty_folder_may_be_filled(nmt: Command) -> None:
    Path("a.encoded").mkdir()
    assert nmt(*TWO).status == 0


def test_an_interruption_leaves_nothing(nmt: Command) -> None:
    before = sorted(Path().iterdir())
    command = [sys.executable, "-m", "nmt", "encode", "-", *TWO[3:]]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while sorted(Path().iterdir()) == before:  # until it has begun to write
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, err.strip()) == (130, "", "nmt: interrupted")
    assert sorted(Path().iterdir()) == before


@pytest.fixture
def working(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command with two workers that has more to read, and wait until both are there."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    command = [sys.executable, "-m", "nmt", "encode", "-", *TWO[3:], "--workers", "2"]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdin is not None
        while len(workers_of(process)) < 2:
            assert process.poll() is None
            process.stdin.write(b"ab de\n" * 2000)
            time.sleep(0.1)
        yield process
        process.kill()


def workers_of(process: Any) -> list[int]:
    """List the workers that a command has started."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [
        int(pid)
        for pid in text.split()
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def is_there(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def gone(workers: list[int]) -> bool:
    """Tell whether processes end, now or soon."""
    deadline = time.monotonic() + 60
    while any(map(is_there, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_there, workers))


@linux
def test_an_interruption_ends_the_workers(working: Any) -> None:
    workers = workers_of(working)
    for each in (*workers, working.pid):  # as Ctrl-C at a terminal does
        os.kill(each, signal.SIGINT)
    _, err = working.communicate(timeout=60)
    assert (working.returncode, err.strip()) == (130, b"nmt: interrupted")
    assert not Path("a.encoded").exists()
    assert gone(workers)


@linux
def test_workers_do_not_outlive_their_command(working: Any) -> None:
    workers = workers_of(working)
    working.kill()
    assert gone(workers)


@linux
def test_a_worker_that_is_killed_is_told_of(working: Any) -> None:
    for worker in workers_of(working):
        os.kill(worker, signal.SIGKILL)
    _, err = working.communicate(b"ab de\n" * 9000, timeout=60)
    message = "a worker of nmt encode was killed, perhaps for want of memory; use fewer --workers"
    assert (working.returncode, err.decode().strip()) == (1, f"nmt: {message}")
    assert not Path("a.encoded").exists()


def test_usage_is_told(nmt: Command) -> None:
    for arguments in (("encode", "a.src"), (*TWO, "--tsv"), ("encode", *TWO[3:])):
        finished = nmt(*arguments)
        assert (finished.status, finished.out) == (2, "")
        assert "Error: " in finished.err
    assert "Example:\n  nmt encode train.en train.de" in nmt("encode", "--help").out
