"""How the client is built: apart from the module, in short files."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "src"
FILES = sorted((SOURCE / "viam_billing_client").rglob("*.py"))
BASE = {"viam", "grpclib", "msgspec", "typing_extensions", "google", "viam_billing_client"}
"""What a caller has installed: the SDK with what it is built on, and msgspec."""
CLI = {"typer", "rich", "platformdirs"}
"""What the extra `cli` brings."""


def imports(path: Path) -> set[str]:
    """The first names of all modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in found}


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SOURCE)) for path in FILES])
def test_a_file_is_short_and_opens_with_its_duty_and_needs_no_module(path: Path) -> None:
    allowed = BASE | (CLI if "cli" in path.parts else set())
    assert imports(path) <= allowed | sys.stdlib_module_names
    assert len(path.read_text().splitlines()) <= 250
    words = ast.get_docstring(ast.parse(path.read_text()))
    assert words
    assert words.splitlines()[0].rstrip().endswith((".", ":"))


def test_the_sdk_and_the_records_are_loaded_only_where_they_are_used() -> None:
    """So that the command line's `--help` needs none of them."""
    program = "import sys, viam_billing_client; print('viam' in sys.modules, 'msgspec' in sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE)})  # noqa: S603 - ours
    assert done.stdout == "False False\n"
