"""The page of scores in a browser: it shows its tables, sorts them, and runs no other script."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt.scoring.checks import Material
from nmt.scoring.config import ScoreConfig
from nmt.scoring.evaluation import Evaluation, evaluate
from nmt.scoring.measure import measure
from nmt.scoring.page import page
from nmt.scoring.resampling import Resampling
from nmt.scoring.texts import Text

CHROMIUM = shutil.which("chromium")
Evaluate = Callable[..., Evaluation]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: the page is not tried out"),
]

CLICK = "document.querySelectorAll('table')[{table}].querySelectorAll('button')[{column}].click();"
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
EVIL = '<script>document.title="owned"</script><img src=x onerror=\'document.title="owned"\'>'


def shown(text: str, folder: Path) -> str:
    """Give the document as it is after its scripts have run."""
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    assert CHROMIUM
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000",
         f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()],
        check=True, capture_output=True, text=True, encoding="utf-8", timeout=120,
    ).stdout  # fmt: skip


def clicked(text: str, folder: Path, *clicks: tuple[int, int]) -> list[list[str]]:
    """Click heads of columns, as (table, column), and read the last table's rows."""
    script = "".join(CLICK.format(table=table, column=column) for table, column in clicks)
    free = POLICY.sub("", text).replace("</body>", f"<script>{script}</script></body>")
    assert free.count("<script>") == 2
    body = re.findall(r"<table.*?</table>", shown(free, folder), re.S)[clicks[-1][0]]
    rows = re.findall(r"<tr>(.*?)</tr>", body.split("<tbody>")[1], re.S)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in rows]


def test_its_script_runs_under_its_policy(evaluated: Evaluate, tmp_path: Path) -> None:
    text = page(evaluated("base", "far", by_length=True), 2)
    assert "<button" not in text.replace("th button", "")
    tree = shown(text, tmp_path)
    assert tree.count('<button type="button">') == tree.count("<th ")
    assert "<svg" in tree


def test_a_click_sorts_and_another_turns_round(evaluated: Evaluate, tmp_path: Path) -> None:
    text = page(evaluated("base", "far"), 2)
    for clicks, falls in (([(1, 3)], True), ([(1, 3), (1, 3)], False)):
        rows = clicked(text, tmp_path, *clicks)
        values = [float(row[3]) for row in rows]
        assert len(rows) > 20
        assert values == sorted(values, reverse=falls)
    names = [row[0] for row in clicked(text, tmp_path, (0, 0), (0, 0))]
    assert names == ["far", "base"]
    numbers = [int(row[0]) for row in clicked(text, tmp_path, (1, 3), (1, 0))]
    assert numbers == sorted(numbers)


def test_text_that_is_a_script_does_nothing(tmp_path: Path) -> None:
    systems = [Text(EVIL, [EVIL, "a"]), Text("other", ["b", f"a {EVIL}"])]
    material = Material(systems, [Text("ref", [f"a {EVIL}", "a"])], Text("src", [EVIL, EVIL]))
    measures = {"chrf": measure("chrf", ScoreConfig(), [material.references[0].lines])}
    text = page(evaluate(material, measures, Resampling()), 2)
    tree = shown(text, tmp_path)
    assert "<title>Scores</title>" in tree
    assert "<img" not in tree
    injected = shown(text.replace("</body>", f"{EVIL}</body>"), tmp_path)
    assert "<title>Scores</title>" in injected  # even then, the policy holds


def test_the_browser_would_run_what_is_injected(tmp_path: Path) -> None:
    text = f"<!DOCTYPE html><title>Scores</title><body>{EVIL}</body>"
    assert "<title>owned</title>" in shown(text, tmp_path)
