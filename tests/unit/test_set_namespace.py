from __future__ import annotations

import json
import re
import runpy
import shutil
from pathlib import Path

import pytest
import set_namespace

from viam_billing.version import MODULE_NAME, NAMESPACE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Everything in which a namespace may stand."""
    for name in ("src", "docs", ".github"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*ROOT.glob("*.md"), ROOT / "meta.json"):
        shutil.copy(path, tmp_path)
    return tmp_path


def named(folder: Path) -> set[str]:
    """The namespaces of the module in code, documentation and meta.json."""
    pages = (path.read_text() for pattern in ("*.md", "*.py", "*.json") for path in folder.rglob(pattern))
    return {name for page in pages for name in re.findall(rf"([\w-]+)[:_]{MODULE_NAME}\b", page)}


def test_the_module_gets_another_namespace_everywhere_and_its_own_back(copy: Path) -> None:
    assert named(copy) == {NAMESPACE}
    changed = {str(path.relative_to(copy)) for path in set_namespace.set_namespace(copy, "other-1")}
    assert {"meta.json", "README.md", "docs/billing.md", "src/viam_billing/version.py"} <= changed
    assert named(copy) == {"other-1"}
    module_id = runpy.run_path(str(copy / "src/viam_billing/version.py"))["MODULE_ID"]
    assert json.loads((copy / "meta.json").read_text())["module_id"] == module_id == f"other-1:{MODULE_NAME}"
    set_namespace.set_namespace(copy, NAMESPACE)
    assert {path: (copy / path).read_text() for path in changed} == {
        path: (ROOT / path).read_text() for path in changed
    }
    assert set_namespace.set_namespace(copy, NAMESPACE) == []


@pytest.mark.parametrize("name", ["", "Other", "-a", "a-", "a b", "a:b", "a\n", "../a", "é"])
def test_what_is_no_namespace_changes_nothing(copy: Path, name: str) -> None:
    with pytest.raises(ValueError, match="NAME="):
        set_namespace.set_namespace(copy, name)
    assert named(copy) == {NAMESPACE}
