"""What the tests of the documentation read: its pages, their sections and tables, and the codes of errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec

from viam_billing.core.errors import BillingError

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CHANGELOG = ROOT / "CHANGELOG.md"
BILLING = ROOT / "docs" / "billing.md"
GUIDE = ROOT / "docs" / "guide.md"
CHARGING = ROOT / "docs" / "charging.md"

FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
DEFAULT = re.compile(r"Default: `([^`]+)`")


def prose(page: Path) -> str:
    """A page without its code blocks, in which a # is no heading and a bracket no link."""
    return FENCED.sub("", page.read_text())


def sections(text: str, level: int) -> dict[str, str]:
    """The sections of one level: heading -> all that stands below it."""
    parts = re.split(rf"^#{{{level}}} (.+)$", text, flags=re.MULTILINE)
    return {
        title: re.split(rf"^#{{1,{level}}} ", body, maxsplit=1, flags=re.MULTILINE)[0]
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def table(text: str, first_heading: str) -> dict[str, list[str]]:
    """The table whose first column has this heading: name in the first column -> all cells of the row."""
    found: dict[str, list[str]] = {}
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == first_heading:
            inside = True
        elif inside and not cells[0].startswith("--"):
            found[CODE.findall(cells[0])[0]] = cells
    return found


def anchor(heading: str) -> str:
    """The name that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """The names of a page's headings."""
    return {anchor(heading) for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE)}


def command_headings() -> dict[str, str]:
    """The sections below DoCommand on the model's page: name of a command -> heading, which can have several names."""
    return {
        name: heading
        for heading in sections(sections(prose(BILLING), 2)["DoCommand"], 3)
        for name in heading.split(", ")
    }


def leaf_errors() -> dict[str, type[BillingError]]:
    """All errors that have a code: code -> class."""
    found: dict[str, type[BillingError]] = {}
    waiting = [BillingError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "code" in vars(kind) and kind.__module__ == BillingError.__module__:
            found[kind.code] = kind
    return found


def documented_default(row: list[str]) -> object:
    """The JSON value that a row gives as default; UNSET where it gives none, or the name of an environment variable."""
    found = DEFAULT.search(row[-1])
    return json.loads(found[1]) if found and not found[1].startswith("VIAM_") else msgspec.UNSET


def own_default(field: msgspec.structs.FieldInfo) -> object:
    """The default of a field as JSON has it; UNSET where it has none."""
    if field.required or field.default is msgspec.UNSET:
        return msgspec.UNSET
    return json.loads(msgspec.json.encode(field.default))


def field_of(shape: Any, name: str) -> msgspec.structs.FieldInfo:  # noqa: ANN401 - a record's class
    """A field of a record by its name."""
    return next(field for field in msgspec.structs.fields(shape) if field.name == name)
