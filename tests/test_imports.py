"""Imports point one way, by the table; `nmt --help` stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nmt"
ALWAYS = {"errors", "settings", "files", "tables", "provenance"}
BELOW_CLI = {
    "text", "corpus", "scoring", "model", "attention", "native", "search", "ensemble", "sources",
    "translate", "generate", "suspect",
    "validation", "training", "experiment", "advice", "launch", "show", "pictures",
}  # fmt: skip
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "settings": set(),
    "tables": set(),
    "provenance": set(),
    "text": set(),
    "attention": set(),
    "native": set(),
    "corpus": {"text"},
    "scoring": {"text"},
    "model": {"attention", "native", "text"},
    "search": {"model", "native", "text"},
    "ensemble": {"text", "corpus", "model", "search"},
    "sources": {"text", "model", "search", "ensemble"},
    "translate": {"text", "corpus", "model", "search", "scoring", "ensemble", "sources"},
    "generate": {"text", "corpus", "model", "search", "sources", "translate"},
    "suspect": {"text", "search", "translate"},
    "validation": {"translate", "scoring", "text", "model", "search"},
    "alignment": {"text"},
    "forced": {"alignment", "text", "corpus", "model", "search", "translate"},
    "training": {"corpus", "model"},
    "pictures": set(),
    "experiment": {"text", "corpus", "attention", "model", "training", "search", "scoring"}
    | {"suspect"},
    "advice": {"text", "corpus", "attention", "model", "training", "experiment"},
    "launch": BELOW_CLI - {"launch", "show", "pictures"},
    "show": BELOW_CLI - {"show", "pictures"} | {"alignment"},
    "watch": BELOW_CLI,
    "export": {
        "ensemble",
        "text",
        "attention",
        "model",
        "search",
        "sources",
        "translate",
        "validation",
    },
    "bench": BELOW_CLI | {"export"},
    "checks": BELOW_CLI,
    "study": BELOW_CLI | {"bench", "export"},
    "plan": BELOW_CLI | {"bench", "export"},
    "reproduce": BELOW_CLI,
    "cli": BELOW_CLI
    | {"cli", "alignment", "bench", "checks", "export", "forced", "plan", "reproduce", "study"}
    | {"watch"},
    "stamps": set(),
    "__init__": set(),
    "__main__": {"cli"},
}
EXPERIMENT_MODULES = {"config", "compute"}  # where sections live: it knows nothing else


def imported(path: Path) -> list[tuple[int, str]]:
    """List the line and the full name of every module of ours that a file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "nmt":
            names += [(node.lineno, f"nmt.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append((node.lineno, node.module or ""))
        elif isinstance(node, ast.Import):
            names += [(node.lineno, alias.name) for alias in node.names]
    return [(line, name) for line, name in names if name.startswith("nmt.")]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=str)
def test_imports_point_downwards(path: Path) -> None:
    layer = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for line, name in imported(path):
        _, other, *rest = name.split(".")
        assert other in MAY_IMPORT[layer] | ALWAYS | {layer}, f"{path}:{line} imports {name}"
        if layer == "experiment" and other not in ALWAYS:
            assert rest[-1] in EXPERIMENT_MODULES, f"{path}:{line} imports {name}"


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys\nfrom nmt.cli.main import group\n"
        "group.main(['--help'], standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'sentencepiece', 'sacrebleu'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
