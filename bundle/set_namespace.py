"""Puts the module under another namespace of the registry: in the code, in meta.json and in the documentation."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = Path("src/viam_billing/version.py")
PAGES = ("meta.json", "*.md", "docs/*.md", "docs/*.py", ".github/*.md")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NAMESPACE = re.compile(r'(?<=^NAMESPACE: Final = ")[^"]+(?="$)', re.MULTILINE)
_MODULE = re.compile(r'(?<=^MODULE_NAME: Final = ")[^"]+(?="$)', re.MULTILINE)


def set_namespace(root: Path, name: str) -> list[Path]:
    """Return the files that have changed. Raises: ValueError: the name cannot be a namespace."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"NAME={name}: a namespace has lower-case letters, digits and hyphens, none at its ends")
    place = root / PLACE
    code = place.read_text()
    old, module = (found[0] for pattern in (_NAMESPACE, _MODULE) if (found := pattern.search(code)))
    named = re.compile(rf"(?<![\w-]){re.escape(old)}(?=[:_]{re.escape(module)}\b)")
    texts = {path: named.sub(name, path.read_text()) for pages in PAGES for path in sorted(root.glob(pages))}
    texts[place] = _NAMESPACE.sub(name, code)
    changed = [path for path, text in texts.items() if text != path.read_text()]
    for path in changed:
        path.write_text(texts[path])
    return changed


if __name__ == "__main__":
    try:
        files = set_namespace(ROOT, "".join(sys.argv[1:]))
    except ValueError as error:
        sys.exit(str(error))
    sys.stdout.write("".join(f"changed {path.relative_to(ROOT)}\n" for path in files) or "nothing to change\n")
