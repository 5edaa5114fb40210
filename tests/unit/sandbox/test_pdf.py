from __future__ import annotations

import re

import pytest

from viam_billing_sandbox.pdf import render


def test_every_offset_of_the_cross_reference_is_an_object() -> None:
    """A reader finds the table through `startxref` and each object through the table."""
    content = render(("Invoice 1", "Amount: 2.50 USD"))
    match = re.search(rb"startxref\n(\d+)\n%%EOF\n\Z", content)
    assert match is not None
    table = content[int(match[1]) :]
    assert table.startswith(b"xref\n0 6\n0000000000 65535 f \n")
    offsets = [int(offset) for offset in re.findall(rb"^(\d{10}) 00000 n $", table, re.MULTILINE)]
    assert len(offsets) == 5
    for number, offset in enumerate(offsets, start=1):
        assert content[offset:].startswith(b"%d 0 obj\n" % number)


def test_the_content_stream_has_its_length() -> None:
    """`/Length` counts the bytes between `stream` and `endstream`."""
    match = re.search(rb"/Length (\d+) >>\nstream\n(.*?)endstream", render(("a", "b")), re.DOTALL)
    assert match is not None
    assert int(match[1]) == len(match[2])


def test_brackets_and_backslashes_are_escaped() -> None:
    """Text that means something to PDF is shown as it is."""
    assert rb"(a\(b\)\\c) Tj" in render((r"a(b)\c",))


def test_what_latin_1_lacks_is_a_question_mark() -> None:
    """No text can make a PDF that cannot be written."""
    assert b"(Hafen \xfc ?) Tj" in render(("Hafen ü 港",))


@pytest.mark.parametrize("size_bytes", [2_000, 2_001, 2_079, 2_080, 1_000_003])
def test_the_size_is_exact(size_bytes: int) -> None:
    """The filler reaches the size to the byte, and the end stays the end."""
    content = render(("a",), size_bytes=size_bytes)
    assert len(content) == size_bytes
    assert content.endswith(b"%%EOF\n")


def test_the_filler_is_comments_only() -> None:
    """Each line between trailer and `startxref` is a comment, so a reader passes over it."""
    content = render(("a",), size_bytes=5_000)
    filler = content[content.index(b">>\n%.") + 3 : content.index(b"startxref")]
    assert all(line.startswith(b"%") or not line for line in filler.split(b"\n"))


def test_a_small_size_changes_nothing() -> None:
    """A size below what is needed anyway has no effect."""
    assert render(("a",), size_bytes=10) == render(("a",))
