# ruff: noqa: ASYNC240 - the test itself may wait for its own small files
from __future__ import annotations

import base64
import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from viam_billing.commands.context import Answer
from viam_billing.commands.invoice_pdf import FOLDER_BYTES, InlinePdf, SavedPdf
from viam_billing.commands.invoices import PdfParameters
from viam_billing.core.errors import CloudError, ResultTooLargeError, StateUnavailableError
from viam_billing.settings import records
from viam_billing.settings.records import InvalidRecordError
from viam_billing.storage.disk import Disk

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n" + b"x" * 5000 + b"\ntrailer\n%%EOF\n"


async def take(pdf: InlinePdf | SavedPdf, *chunks: bytes) -> Answer:
    """The fields of the answer after a PDF took chunks and finished."""
    async with pdf:
        for chunk in chunks:
            await pdf.take(chunk)
        return await pdf.finish()


def files(folder: Path) -> list[str]:
    """All files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def fill(folder: Path, size_bytes: int) -> None:
    """Have the invoices' folder hold a file of a size."""
    await take(SavedPdf(Disk(), str(folder), "other.pdf"), PDF)
    os.truncate(folder / "invoices" / "other.pdf", size_bytes)


@pytest.mark.parametrize(
    "name", ["a", "invoice.pdf", "..a", "...", "a b", "Rechnung für März.pdf", "é" * 127, "x" * 255, "-"]
)
def test_one_file_name_is_good(name: str) -> None:
    """Of 1 to 255 bytes."""
    assert records.read(PdfParameters, {"id": "i", "save_as": name}, "parameter").save_as == name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "a/b", "/a", "a\\b", "a\nb", "a\n", "a\0", "\x7f", "\x85", "x" * 256, "é" * 128, "../x"),
        *(
            "😀" * 64,
            "fdp.\u202egpj",
            "a\u200bb",
            "a\u2028b",
            "\ufeffa",
            "a\u00adb",
            "a\U000e0041",
            "a\ue000b",
            "a\u2066b",
        ),
    ],
)
def test_what_is_no_file_name_is_refused(name: str) -> None:
    """Paths, what nobody sees or what turns the text around, more than 255 bytes whatever the number of characters."""
    with pytest.raises(InvalidRecordError, match=r"save_as: found .*, expected a file name"):
        records.read(PdfParameters, {"id": "i", "save_as": name}, "parameter")


async def test_a_pdf_in_the_answer_is_whole() -> None:
    """With its size and its hash."""
    pdf = PDF * 100  # longer than what is encoded at once
    assert await take(InlinePdf(len(pdf)), pdf[:10], pdf[10:4000], pdf[4000:]) == {
        "size_bytes": len(pdf),
        "sha256": hashlib.sha256(pdf).hexdigest(),
        "content_base64": base64.b64encode(pdf).decode("ascii"),
    }


async def test_a_pdf_that_is_too_large_for_the_answer_is_refused() -> None:
    """By one byte too; the error names the way out."""
    with pytest.raises(ResultTooLargeError, match="save_as"):
        await take(InlinePdf(len(PDF) - 1), PDF)


@pytest.mark.parametrize("content", [b"", PDF[:-20], PDF[:4000]])
async def test_a_pdf_that_was_cut_is_an_error(content: bytes) -> None:
    """A stream that ends early can still end well for gRPC."""
    with pytest.raises(CloudError, match="only a part"):
        await take(InlinePdf(10_000), content)


@pytest.mark.parametrize(
    "content", [b"%PDF-1.7\n" + b"x" * 15, b"<html>", b"<html>%%EOF", b"x" * 1024 + PDF, PDF + b"\0" * 1024]
)
async def test_what_is_no_whole_pdf_is_an_error_and_no_file(content: bytes, tmp_path: Path) -> None:
    for pdf in InlinePdf(10_000), SavedPdf(Disk(), str(tmp_path), "a.pdf"):
        with pytest.raises(CloudError, match=rf"\({len(content)} bytes\)"):
            await take(pdf, content)
    assert files(tmp_path) == []


@pytest.mark.parametrize("content", [b"%PDF-1.7\n1 0 obj\n%%EOF" + b"\0" * 1000, b"\n" * 1000 + PDF])
async def test_a_whole_pdf_with_something_around_it_is_passed_on(content: bytes) -> None:
    """What the cloud has, a person may look at."""
    assert base64.b64decode((await take(InlinePdf(10_000), content))["content_base64"]) == content


async def test_a_pdf_is_saved(tmp_path: Path) -> None:
    """In the folder invoices, for the owner alone, and nothing else is left."""
    state = tmp_path / "state"
    path = Path((await take(SavedPdf(Disk(), str(state), "a.pdf"), PDF[:100], PDF[100:]))["path"])
    assert path == state / "invoices" / "a.pdf"
    assert path.read_bytes() == PDF
    assert [stat.S_IMODE(p.stat().st_mode) for p in (state, path.parent, path)] == [0o700, 0o700, 0o600]
    assert files(state) == ["invoices/a.pdf"]


async def test_a_saved_file_is_replaced(tmp_path: Path) -> None:
    """By the whole of the new one."""
    await take(SavedPdf(Disk(), str(tmp_path), "a.pdf"), PDF * 2)
    await take(SavedPdf(Disk(), str(tmp_path), "a.pdf"), PDF)
    assert (tmp_path / "invoices" / "a.pdf").read_bytes() == PDF


async def test_a_pdf_lies_outside_until_it_is_whole(tmp_path: Path) -> None:
    """Whoever looks into invoices sees no half of one."""
    pdf = SavedPdf(Disk(), str(tmp_path), "a.pdf")
    async with pdf:
        await pdf.take(PDF)
        assert not list((tmp_path / "invoices").iterdir())
        await pdf.finish()
        assert files(tmp_path / "invoices") == ["a.pdf"]


async def test_a_saved_pdf_that_was_cut_is_not_there(tmp_path: Path) -> None:
    """And the one before it stays."""
    await take(SavedPdf(Disk(), str(tmp_path), "a.pdf"), PDF)
    with pytest.raises(CloudError, match="only a part"):
        await take(SavedPdf(Disk(), str(tmp_path), "a.pdf"), PDF[:-20])
    assert files(tmp_path) == ["invoices/a.pdf"]
    assert (tmp_path / "invoices" / "a.pdf").read_bytes() == PDF


async def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    """Neither the file nor its beginning."""
    pdf = SavedPdf(Disk(), str(tmp_path), "a.pdf")

    async def broken() -> None:
        async with pdf:
            await pdf.take(PDF[:100])
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await broken()
    assert files(tmp_path) == []


async def test_the_folder_holds_256_mib(tmp_path: Path) -> None:
    """To the last byte."""
    await fill(tmp_path, FOLDER_BYTES - len(PDF))
    await take(SavedPdf(Disk(), str(tmp_path), "a.pdf"), PDF)
    assert FOLDER_BYTES == 256 * 1024 * 1024


async def test_the_folder_holds_no_more(tmp_path: Path) -> None:
    """Not a byte, and nothing is left of what was taken."""
    await fill(tmp_path, FOLDER_BYTES - len(PDF) + 1)
    with pytest.raises(ResultTooLargeError, match="256 MiB"):
        await take(SavedPdf(Disk(), str(tmp_path), "a.pdf"), PDF)
    assert files(tmp_path) == ["invoices/other.pdf"]


async def test_the_file_that_is_replaced_counts_not(tmp_path: Path) -> None:
    """Its room is free again."""
    await fill(tmp_path, FOLDER_BYTES)
    await take(SavedPdf(Disk(), str(tmp_path), "other.pdf"), PDF)
    assert (tmp_path / "invoices" / "other.pdf").read_bytes() == PDF


async def test_room_that_another_took_meanwhile_is_gone(tmp_path: Path) -> None:
    """Two that fit alone may not fit together."""
    await fill(tmp_path, FOLDER_BYTES - len(PDF))
    disk = Disk()
    first, second = SavedPdf(disk, str(tmp_path), "a.pdf"), SavedPdf(disk, str(tmp_path), "b.pdf")
    async with first, second:
        await first.take(PDF)
        await second.take(PDF)
        await first.finish()
        with pytest.raises(ResultTooLargeError):
            await second.finish()
    assert files(tmp_path) == ["invoices/a.pdf", "invoices/other.pdf"]


async def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """After an hour, as another one may be writing what is younger; a file of another name is somebody's own."""
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for name, age_s in (("tmp0d_older", 4000), ("tmpyounger", 60), ("tmp.pdf", 4000), ("notes.pdf", 4000)):
        (incoming / name).touch()
        os.utime(incoming / name, (time.time() - age_s,) * 2)
    await take(SavedPdf(Disk(), str(tmp_path), "a.pdf"), PDF)
    assert files(incoming) == ["notes.pdf", "tmp.pdf", "tmpyounger"]


def test_without_a_folder_nothing_can_be_saved() -> None:
    """The error names the attribute."""
    with pytest.raises(StateUnavailableError, match="state_dir"):
        SavedPdf(Disk(), None, "a.pdf")


async def test_a_missing_parent_is_unavailable(tmp_path: Path) -> None:
    """And is no broken connection, although it is an `OSError`."""
    with pytest.raises(StateUnavailableError, match="is not there"):
        await take(SavedPdf(Disk(), str(tmp_path / "a" / "b"), "a.pdf"), PDF)


async def test_a_file_in_place_of_the_folder_is_unavailable(tmp_path: Path) -> None:
    """And is left alone."""
    (tmp_path / "invoices").write_text("mine")
    with pytest.raises(StateUnavailableError):
        await take(SavedPdf(Disk(), str(tmp_path), "a.pdf"), PDF)
    assert (tmp_path / "invoices").read_text() == "mine"


async def test_a_folder_with_the_name_of_the_file_is_unavailable(tmp_path: Path) -> None:
    """It cannot be replaced, and nothing is left behind."""
    (tmp_path / "invoices" / "a.pdf").mkdir(parents=True)
    with pytest.raises(StateUnavailableError):
        await take(SavedPdf(Disk(), str(tmp_path), "a.pdf"), PDF)
    assert files(tmp_path) == []
