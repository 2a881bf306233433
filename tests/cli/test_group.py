"""Groups of commands: help without imports, a suggestion for what is unknown."""

import importlib
import subprocess
import sys

import pytest

from nmt.cli.attention import COMMANDS as ATTENTION
from nmt.cli.check import COMMANDS as CHECK
from nmt.cli.main import COMMANDS

TABLES = {"attention": ATTENTION, "check": CHECK, "--help": COMMANDS}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["attention", "--help"], ["check", "--help"]], ids=" ".join
)
def test_help_imports_no_machinery(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom nmt.cli.main import group\n"
        f"group.main({arguments}, standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8"
    )
    assert all(f"  {name} " in done.stdout for name in TABLES[arguments[0]])


@pytest.mark.parametrize("name", ["list", "describe", "bench", *CHECK])
def test_a_command_is_where_the_table_says(name: str) -> None:
    module, _, function = (ATTENTION | CHECK)[name][1].partition(":")
    assert getattr(importlib.import_module(module), function).name == name
