"""Bad input is one line on standard error that names what and where; nothing is left half-made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

ENCODE = "encode a.src a.tgt --model joint.model --output out"
TRAIN = "train --config toy.toml --output out"
TRANSLATE = "translate run a.src --output out"
SCORE = "score a.src --ref a.tgt --output out"
LEARN = "segment learn a.src a.tgt --output out"

FILES: dict[str, bytes] = {
    "a.src": b"ab de\nil\n",
    "a.tgt": b"mn op\nst\n",
    "empty": b"",
    "blank": b"\n  \n\n",
    "latin1": b"ab\nde\xe9 il\n",
    "windows": b"ab\r\nde\r\n",
    "lone": b"ab\nde\ril\n",
    "three": b"ab\nde\nil\n",
    "broken.gz": b"\x1f\x8b\x08\x00",
    "three.tsv": b"ab\tmn\nde\nil\tst\n",
    "noise.model": b"noise",
}


@pytest.fixture(autouse=True)
def texts(here: Path) -> None:
    """Work on the toy pair, with texts that have all kinds of faults beside it."""
    for name, content in FILES.items():
        (here / name).write_bytes(content)
    (here / "folder").mkdir()


def everything() -> dict[str, bytes | None]:
    """Read all that there is below the working folder."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in Path().rglob("*")}


def assert_refused(nmt: Command, command: str, message: str, *more: str) -> None:
    """Expect a user's error: a line that holds the message, and no trace on disk."""
    before = everything()
    finished = nmt(*command.split(), *more)
    assert (finished.status, finished.out) == (1, "")
    assert finished.err.startswith("nmt: ")
    assert finished.err.endswith("\n")
    assert finished.err.count("\n") == 1
    assert message in finished.err
    assert everything() == before


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("none", "cannot read none: No such file or directory"),
        ("folder", "cannot read folder: Is a directory"),
        ("latin1", "latin1, line 2: byte 3 (0xe9) is not UTF-8; convert the file with iconv"),
        ("windows", "windows, line 1: a carriage return at character 3; lines end in \\n alone"),
        ("lone", "lone, line 2: a carriage return at character 3; lines end in \\n alone"),
        ("broken.gz", "cannot read broken.gz: "),
    ],
)
@pytest.mark.parametrize("command", [ENCODE, TRAIN, TRANSLATE, SCORE, LEARN], ids=str.split)
def test_a_text_that_cannot_be_read(
    nmt: Command, run: Path, command: str, place: str, message: str
) -> None:
    more = ("--dev-source", place, "--dev-target", place) if command == TRAIN else ()
    assert_refused(nmt, command.replace("a.src", place), message, *more)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        # texts that do not fit together, or hold nothing
        (ENCODE.replace("a.tgt", "three"), "a.src has 2 lines but three has 3; parallel texts"),
        (ENCODE.replace("a.src", "three"), "three has 3 lines but a.tgt has 2; parallel texts"),
        (ENCODE.replace("a.src", "empty"), "empty has 0 lines but a.tgt has 2; parallel texts"),
        (ENCODE.replace("a.src", "-").replace("a.tgt", "-"), "only one of two parallel texts"),
        (f"{ENCODE.replace('a.src a.tgt', 'three.tsv')} --tsv", "three.tsv, line 2: 1 columns"),
        (f"{TRAIN} --dev-source three", "three has 3 lines but ./dev.tgt has 12"),
        (f"{TRAIN} --dev-source empty --dev-target empty", "empty is empty; a development set"),
        (f"{TRAIN} --dev-source a.src --dev-target=", "data.dev_source and data.dev_target go to"),
        (SCORE.replace("a.tgt", "three"), "a.src has 2 lines but three has 3"),
        (SCORE.replace("a.src", "empty"), "empty has no lines"),
        (ENCODE.replace("a.src a.tgt", "empty empty"), "the text is empty; out is not written"),
        (ENCODE.replace("a.src a.tgt", "blank blank"), "no line can be used (3 empty); out is not"),
        (f"{ENCODE} --max-pieces 1", "no line can be used (2 too long); out is not written"),
        (LEARN.replace("a.src a.tgt", "empty"), "empty has no lines; pieces are learnt from text"),
        (LEARN.replace("a.src a.tgt", "blank"), "all 3 lines of blank are empty; nothing can be"),
        # segmenters
        ("segment learn train.src --vocab-size 5000 --output out", "supports at most "),
        (ENCODE.replace("joint.model", "none"), "cannot read none: No such file or directory"),
        (ENCODE.replace("joint.model", "folder"), "cannot read folder: Is a directory"),
        (ENCODE.replace("joint.model", "noise.model"), "noise.model is not a SentencePiece model"),
        (f"{ENCODE} --target-model noise.model", "noise.model is not a SentencePiece model"),
        # settings
        (f"{TRAIN} --set training.learning_rat=1", "training.learning_rat; did you mean 'learnin"),
        (f"{TRAIN} --set trainig.seed=1", "unknown setting trainig; did you mean 'training'?"),
        (f"{TRAIN} --set training=1", "--set needs section.key=value, not 'training=1'"),
        (f"{TRAIN} --set training.beta1", "--set needs section.key=value, not 'training.beta1'"),
        (f"{TRAIN} --set training.warmup.x=1", "training.warmup.x: warmup is a setting, not a s"),
        (f"{TRAIN} --set training.warmup=1.5", "training.warmup must be an integer, not 1.5"),
        (f"{TRAIN} --set training.warmup=soon", "training.warmup must be an integer, not 'soon'"),
        (f"{TRAIN} --set training.beta1=high", "training.beta1 must be a number, not 'high'"),
        (f"{TRAIN} --set score.lowercase=1", "score.lowercase must be true or false, not 1"),
        (f"{TRAIN} --set data.train=3", "data.train must be a list of strings, not 3 (an integer)"),
        (f"{TRAIN} --set model.norm=middle", "model.norm must be one of pre, post, not 'middle'"),
        (f"{TRAIN} --set training.learning_rate=nan", "learning_rate must be above 0, not nan"),
        (f"{TRAIN} --preset transformer-smal", "no preset 'transformer-smal'; did you mean 'trans"),
        (f"{TRAIN} --attention multi-haed", "no attention is called 'multi-haed'; did you mean"),
        (f"{TRAIN} --cross-attention multihead", "attention.cross.variant: no attention is calle"),
        (f"{TRAIN} --set model.num_heads=3", "model.num_heads = 3 does not divide model.model_siz"),
        (f"{TRAIN} --budget soon", "training.budget must be a time such as 90s, 8m or 1h30m, not"),
        (f"{TRAIN} --batch-tokens 5", "data.batch_tokens = 5, but the longest pair has "),
        (f"{TRAIN} --set model.max_length=5", "the longest line of corpus has "),
        (f"{TRAIN} --device cuda:99", "compute.device = 'cuda:99', but no such GPU can be used"),
        (f"{TRAIN} --device gpu", "compute.device must be auto, cpu, cuda or cuda:N, not 'gpu'"),
        (f"{TRAIN} --threads -1", "compute.threads must be 0 or more, not -1"),
        (f"{TRAIN} --set score.tokenize=klingon", "score.tokenize must be one of 13a, intl, "),
        (f"{TRAIN} --config none", "cannot read settings from none: No such file or directory"),
        (f"{TRAIN} --config folder", "cannot read settings from folder: Is a directory"),
        (f"{TRAIN} --config a.src", "cannot read settings from a.src: Expected '=' after a key"),
        (f"{TRAIN} --config latin1", "cannot read settings from latin1: "),
        (f"{ENCODE} --max-pieces 0", "encode.max_pieces must be at least 1, not 0"),
        (f"{ENCODE} --set encode.maxpieces=9", "unknown setting encode.maxpieces; did you mean"),
        (f"{SCORE} --set score.lowercas=true", "unknown setting score.lowercas; did you mean"),
        # runs and models
        (f"{TRAIN} --train none", "none holds no encoded corpus (no corpus.json); make it: nmt"),
        (f"{TRAIN} --train folder", "folder holds no encoded corpus (no corpus.json); make it"),
        (f"{TRAIN} --from none", "none does not exist; a MODEL is a model directory or a run"),
        (f"{TRAIN} --from corpus", "corpus holds no model (no metadata.json) and no run"),
        ("train --resume none", "none holds no run (no manifest.json)"),
        ("train --resume corpus", "corpus holds no run (no manifest.json)"),
        ("translate none a.src --output out", "none does not exist; a MODEL is a model directory"),
        ("translate corpus a.src --output out", "corpus holds no model (no metadata.json) and no"),
        ("translate a.src a.src --output out", "a.src does not exist; a MODEL is a model directo"),
        # outputs
        (ENCODE.replace(" out", " a.src/out"), "cannot write a.src/out: Not a directory"),
        (TRAIN.replace(" out", " a.src/out"), "cannot write a.src/out: Not a directory"),
        (SCORE.replace(" out", " none/out"), "cannot write none/out: No such file or directory"),
        (SCORE.replace(" out", " folder"), "cannot write folder: Is a directory"),
        (LEARN.replace(" out", " none/out"), "cannot write none/out: No such file or directory"),
        (ENCODE.replace(" out", " a.src"), "a.src exists and is no encoded corpus; choose anoth"),
        (TRAIN.replace(" out", " a.src"), "a.src exists and is no run; choose another --output"),
        (TRAIN.replace(" out", " corpus"), "corpus exists and is no run; choose another --output"),
        (f"{TRAIN.replace(' out', ' .')} --existing replace", ". exists and is no run; choose an"),
        ("encode a.src --model joint.model --output /dev/null", "/dev/null exists and is no enco"),
    ],
)
def test_what_a_user_can_get_wrong(nmt: Command, command: str, message: str) -> None:
    assert_refused(nmt, command, message)


@pytest.mark.parametrize(
    ("names", "side"), [("long", "source"), ("long long", "source"), ("a.src long", "target")]
)
def test_a_line_of_a_megabyte(nmt: Command, names: str, side: str) -> None:
    Path("long").write_text("ab\n" + "ab " * 350_000 + "\n")
    message = f"line 2 of the {side} is 1,050,000 bytes long; a line is a sentence, of less than"
    assert_refused(nmt, ENCODE.replace("a.src a.tgt", names), message)


@pytest.mark.parametrize("command", [ENCODE, TRAIN.replace(" --config toy.toml", ""), SCORE])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("score = 3", "score is a section, not a setting; write [score]"),
        ("model = 3", "model is a section, not a setting; write [model]"),
        ("attention.cross = 3", "attention.cross is a section, not a setting; write [attention.cr"),
        ("[attention]\ncross = 3", "attention.cross is a section, not a setting; write [attention"),
        ("[[score]]\nlowercase = true", "score is a section, not a setting; write [score]"),
        ("[scores]\nlowercase = true", "unknown setting scores; did you mean 'score'?"),
        ("[score]\nlower = true", "unknown setting score.lower; did you mean 'lowercase'?"),
        ("[score]\nlowercase = 'yes'", "score.lowercase must be true or false, not 'yes'"),
        ("[model]\npreset = 3", "model.preset: no preset 3; "),
        ("[model]\npreset = ['a']", "model.preset: no preset ['a']; "),
        ("[search]\nbeam = 0", "search.beam must be at least 1, not 0"),
        ("[data]\nbatch_tokens = 0", "data.batch_tokens must be at least 1, not 0"),
        ("lowercase = true", "unknown setting lowercase; "),
        ("[score", "cannot read settings from own.toml: Expected ']'"),
    ],
)
def test_settings_files_that_are_wrong(
    nmt: Command, command: str, content: str, message: str
) -> None:
    Path("own.toml").write_text(f"{content}\n")
    assert_refused(nmt, f"{command} --config own.toml", message)


def test_search_settings_that_are_no_section(nmt: Command, run: Path) -> None:
    Path("own.toml").write_text("search = 3\n")
    assert_refused(nmt, f"{TRANSLATE} --config own.toml", "search is a section, not a setting")


def cut(path: Path) -> None:
    """Lose the second half of a file, as an interrupted copy does."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_lines(path: Path) -> None:
    """Lose the last lines of a file, whole ones."""
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))


def other_segmenter(path: Path) -> None:
    """Put another segmenter in the place of one."""
    from nmt.text.config import SegmentConfig
    from nmt.text.learning import learn_segmenter
    from nmt.text.lines import read_lines

    config = SegmentConfig(vocab_size=30, byte_fallback=False, normalization="identity")
    learn_segmenter(read_lines("train.tgt"), path, config)


def rewrite(old: str, new: str) -> Callable[[Path], None]:
    """Change a text file."""

    def change(path: Path) -> None:
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("model.safetensors", cut, "run/best/model.safetensors is damaged or incomplete"),
        ("model.safetensors", Path.unlink, "run/best/model.safetensors is missing"),
        ("model.safetensors", Path.touch, ""),
        ("source.model", other_segmenter, "run/best/source.model is not the segmenter that this"),
        ("target.model", other_segmenter, "run/best/target.model is not the segmenter that this"),
        ("target.model", cut, "run/best/target.model is not "),
        ("source.model", Path.unlink, "cannot read run/best/source.model: No such file"),
        ("config.toml", Path.unlink, "cannot read settings from run/best/config.toml: No such"),
        ("config.toml", cut, "run/best/config.toml"),
        ("config.toml", cut_lines, "run/best/config.toml is not as this model was saved"),
        ("config.toml", rewrite("beam = 2", "beam = 3"), "is not as this model was saved"),
        ("config.toml", rewrite("model_size = 16", "model_size = 32"), "does not fit its config"),
        ("config.toml", rewrite("model_size", "models_size"), "did you mean 'model_size'?"),
        ("config.toml", rewrite("encoder_layers = 1", "encoder_layers = 2"), "lacks weight encod"),
        ("metadata.json", cut, "run/best/metadata.json is not JSON"),
        (
            "metadata.json",
            rewrite('"format": 1', '"format": 2'),
            "metadata.json is damaged or was edit",
        ),
        ("metadata.json", rewrite('"segmenters"', '"cutters"'), "is damaged or was edited"),
        ("metadata.json", Path.unlink, "run has no checkpoint yet: training has not validated"),
    ],
)
def test_a_model_that_is_damaged(
    nmt: Command, run: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    damage(run / "best" / name)
    if message:
        assert_refused(nmt, TRANSLATE, message)
    else:
        assert nmt(*TRANSLATE.split()).status == 0


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("corpus.json", Path.unlink, "corpus holds no encoded corpus (no corpus.json)"),
        ("corpus.json", cut, "corpus/corpus.json is not JSON"),
        ("corpus.json", rewrite('"format": 2', '"format": 9'), "is damaged or was edited: its che"),
        ("corpus.json", rewrite('"lines"', '"rows"'), "corpus/corpus.json is damaged"),
        ("corpus.json", rewrite('"lines": 120', '"lines": 121'), "is damaged or was edited"),
        ("source.ids.bin", cut, "corpus/source.ids.bin does not fit its offsets; encode the corp"),
        ("target.text.offsets.bin", cut, "cannot read corpus/target.text.offsets.bin: Size of"),
        ("target.ids.bin", Path.unlink, "cannot read corpus/target.ids.bin: "),
        ("source.model", Path.unlink, "corpus/source.model is missing; encode the corpus again"),
        ("source.model", other_segmenter, "corpus/source.model is not the segmenter that made"),
        ("target.model", cut, "corpus/target.model is not the segmenter that made this corpus"),
    ],
)
def test_a_corpus_that_is_damaged(
    nmt: Command, name: str, damage: Callable[[Path], None], message: str
) -> None:
    damage(Path("corpus") / name)
    assert_refused(nmt, TRAIN, message)


def test_two_segmenters_where_one_is_needed(nmt: Command) -> None:
    other_segmenter(Path("b.model"))
    both = ("--model", "joint.model", "--target-model", "b.model", "--output", "apart")
    assert nmt("encode", "train.src", "train.src", *both).status == 0
    message = "model.tie = 'all' needs one segmenter for both sides, but this corpus has two"
    assert_refused(nmt, f"{TRAIN} --train apart", message)


def test_a_parent_that_was_trained_with_another_segmenter(nmt: Command, run: Path) -> None:
    other_segmenter(Path("b.model"))
    assert nmt("encode", *("train.src",) * 2, "--model", "b.model", "--output", "b").status == 0
    message = "run was trained with another segmenter than b was encoded with; encode with run/bes"
    assert_refused(nmt, f"{TRAIN} --train b --from run", message)


def test_inputs_that_change_while_a_run_waits(nmt: Command) -> None:
    assert nmt(*TRAIN.split()).status == 0
    Path("out/finished.json").unlink()
    Path("dev.tgt").write_text("mn op\n" * 12)
    message = "data.dev_target has changed since out was started; a resumed run must see the same"
    assert_refused(nmt, "train --resume out", message)


def test_a_folder_that_may_not_be_entered(nmt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    finished = nmt("translate", "run", "a.src")
    assert finished == (1, "", "nmt: run/metadata.json: Permission denied\n")


def test_an_interrupted_command_leaves_nothing(
    nmt: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nmt.text.segmenter import Segmenter

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = everything()
    monkeypatch.setattr(Segmenter, "encode_lines", interrupt)
    for command in (ENCODE, TRAIN, TRANSLATE):
        finished = nmt(*command.split())
        assert (finished.status, finished.out, finished.err.strip()) == (
            130,
            "",
            "nmt: interrupted",
        )
        assert everything() == before
