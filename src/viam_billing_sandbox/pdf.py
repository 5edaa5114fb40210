"""Writes a small but valid PDF of one page, and what a fault sends in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viam_billing_sandbox.faults import Pdf

_FILLER_LINE = b"%" + b"." * 78 + b"\n"
_PAGE: Final = b"<!DOCTYPE html>\n<html><body>A page of the sandbox, in place of a PDF.</body></html>\n"

SPOILT: Final[dict[Pdf, Callable[[bytes], bytes]]] = {
    "half": lambda pdf: pdf[: len(pdf) // 2],
    "cut": lambda pdf: pdf[: pdf.rindex(b"%%EOF")],
    "short": lambda _: b"%PDF-1.7" + b"\n" * 15,
    "page": lambda _: _PAGE,
    "empty": lambda _: b"",
    "other_start": lambda pdf: pdf.replace(b"%PDF-", b"%FDF-", 1),
}
"""What comes in place of a PDF."""


def render(lines: Sequence[str], *, size_bytes: int = 0) -> bytes:
    """Returns a PDF with lines of text, one below the other.

    Args:
        lines: Text; characters outside of Latin-1 become question marks.
        size_bytes: The exact size of the result, reached with comments; ignored if the PDF is larger without them.
    """
    shown = b"".join(b"(%s) Tj T*\n" % _escaped(line) for line in lines)
    content = b"BT /F1 12 Tf 72 720 Td 18 TL\n%sET\n" % shown
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            b"/Resources << /Font << /F1 4 0 R >> >> /Contents 5 0 R >>"
        ),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%sendstream" % (len(content), content),
    )
    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, text in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    end = b"startxref\n%d\n%%%%EOF\n" % start
    # After the trailer, so that no offset depends on the length of the filler.
    return bytes(body) + _filler(size_bytes - len(body) - len(end)) + end


def _escaped(line: str) -> bytes:
    text = line.encode("latin-1", "replace")
    return text.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _filler(size_bytes: int) -> bytes:
    if size_bytes <= 0:
        return b""
    repeated = _FILLER_LINE * (size_bytes // len(_FILLER_LINE) + 1)
    return repeated[: size_bytes - 1] + b"\n"
