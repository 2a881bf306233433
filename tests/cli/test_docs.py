"""What the docs show works as they show it."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the worked example of docs/attention.md into the folder where one works."""
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "attention.md").read_text("utf-8"), re.S)
    (tmp_path / "nearest.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "nearest", raising=False)
    return "nearest:NearestAttention"


def test_the_worked_example_keeps_what_every_mechanism_promises(nearest: str, nmt: Any) -> None:
    finished = nmt("attention", "check", nearest)
    assert finished.status == 0, finished.out
    assert "FAIL" not in finished.out
    assert all(role in finished.out for role in ("encoder", "decoder", "cross"))


def test_code_of_ones_own_runs_only_when_trusted(
    nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nmt.attention.build import build_attention
    from nmt.attention.config import AttentionConfig
    from nmt.attention.contract import Place
    from nmt.errors import ConfigError

    place = Place(role="cross", model_size=8, num_heads=2)
    with pytest.raises(ConfigError, match=r"would run code of your own; .* NMT_TRUST=nearest"):
        build_attention(place, AttentionConfig(variant=nearest))
    assert "nearest" not in sys.modules
    monkeypatch.setenv("NMT_TRUST", "nearest")
    assert type(build_attention(place, AttentionConfig(variant=nearest))).__name__ in nearest


def test_options_in_the_page_on_scores_exist() -> None:
    from nmt.cli.score import score

    known = {name for each in score.params for name in (*each.opts, *each.secondary_opts)}
    named = set(re.findall(r"--[a-z][a-z-]+", (DOCS / "scores.md").read_text("utf-8")))
    assert named - known == {"--beam", "--sentence-level"}  # of translate, of sacrebleu
    assert known - named <= {"--no-confidence", "--no-lowercase", "--verbose", "--config", "--set",
                             "-v", "-q", "--output"} | {"hypotheses"}  # fmt: skip


def test_options_of_translate_stand_in_its_page_and_no_others() -> None:
    from nmt.cli.translate import translate

    known = {name for each in translate.params for name in (*each.opts, *each.secondary_opts)}
    named = set(re.findall(r"--[a-z][a-z-]+", (DOCS / "translating.md").read_text("utf-8")))
    assert named - known == {"--at-most"}  # of check batch
    assert known - named <= {"--verbose", "--quiet", "--config", "--set", "--threads", "--device",
                             "--precision", "--no-batch-invariant", "-v", "-q",
                             "model", "text"}  # fmt: skip


def test_options_of_force_and_align_stand_in_their_page_and_no_others() -> None:
    from nmt.cli.align import align
    from nmt.cli.force import force

    known = {
        name
        for command in (align, force)
        for each in command.params
        for name in (*each.opts, *each.secondary_opts)
    }
    named = set(re.findall(r"--[a-z][a-z-]+", (DOCS / "given-pairs.md").read_text("utf-8")))
    assert named <= known
    assert known - named <= {"--verbose", "--quiet", "--config", "--set", "--threads", "--device",
                             "--precision", "-v", "-q"} | {"model", "source", "target"}  # fmt: skip


def test_options_of_generate_stand_in_the_page_on_language_models() -> None:
    from nmt.cli.generate import generate
    from nmt.cli.train import train
    from nmt.cli.translate import translate

    def known(command: Any) -> set[str]:
        return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}

    named = set(re.findall(r"--[a-z][a-z-]+", (DOCS / "language-models.md").read_text("utf-8")))
    assert named - known(generate) - known(train) - known(translate) == {"--model"}  # of encode
    assert known(generate) - named <= {"--verbose", "--quiet", "--config", "--set", "--threads",
                                       "--device", "--precision", "--output", "--coverage-beta",
                                       "-v", "-q"} | {"model", "prompts"}  # fmt: skip
