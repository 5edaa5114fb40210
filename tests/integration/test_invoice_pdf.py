"""get_invoice_pdf: in the answer, in a file, and what is left when it fails."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from support.module_process import Service, refused
from support.sandbox_caller import HARBOR_ID
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.faults import Pdf
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

RPC = "GetInvoicePdf"
MIB = 1024 * 1024
BIG = Fault(rpc=RPC, pdf_size_bytes=300_000)
BROKEN = {
    **{how: (Fault(rpc=RPC, pdf=how), "cloud_error") for how in get_args(Pdf)[1:]},
    "half": (Fault(rpc=RPC, pdf="half"), "cloud_unreachable"),
    "dropped": (Fault(rpc=RPC, drop_connection=True, when="after"), "cloud_unreachable"),
    "no answer": (Fault(rpc=RPC, never_answer=True), "cloud_timeout"),
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The service's state_dir, which it makes itself."""
    return tmp_path / "state"


def files(state: Path) -> list[str]:
    """All files below state_dir that are no database."""
    return sorted(
        str(path.relative_to(state)) for path in state.rglob("*") if not path.is_dir() and ".db" not in path.name
    )


def sha256(path: Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wait_for(state: Path, expected: list[str]) -> None:
    """Returns when the files are the expected ones."""
    end_s = time.monotonic() + 5
    while files(state) != expected:
        assert time.monotonic() < end_s, files(state)
        time.sleep(0.01)


async def newest(service: Service, **parameters: object) -> str:
    """The id of an organization's newest invoice."""
    invoices = (await service.ask("get_invoices_summary", limit=1, **parameters))["invoices"]
    return str(invoices[0]["id"])


async def pdf(service: Service, **parameters: object) -> dict[str, Any]:
    """The newest invoice's PDF."""
    return await service.ask("get_invoice_pdf", invoice_id=await newest(service), **parameters)


async def test_a_pdf_in_the_answer(service: Service, control: SandboxControl) -> None:
    """Its bytes in base64, with size and hash, made of several chunks."""
    control.set_fault(BIG)
    answer = await pdf(service)
    content = base64.b64decode(answer["content_base64"], validate=True)
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert answer["size_bytes"] == len(content) == 300_000
    assert answer["sha256"] == hashlib.sha256(content).hexdigest()
    assert answer["org_id"] == DEFAULT_ORG_ID
    assert "path" not in answer


async def test_a_saved_pdf(service: Service, control: SandboxControl, state: Path) -> None:
    """The same bytes in <state_dir>/invoices, with its path instead of its content, and no other file."""
    control.set_fault(BIG)
    answer = await pdf(service, save_as="march & april.pdf")
    saved = Path(answer["path"])
    assert saved == state / "invoices" / "march & april.pdf"
    assert (answer["size_bytes"], answer["sha256"]) == (300_000, sha256(saved))
    assert "content_base64" not in answer
    assert files(state) == ["invoices/march & april.pdf"]


async def test_the_alias_and_another_organization(service: Service) -> None:
    """`id` stands for invoice_id, and org_id says whose invoice it is."""
    invoice_id = await newest(service, org_id=HARBOR_ID)
    answer = await service.ask("get_invoice_pdf", id=invoice_id, org_id=HARBOR_ID)
    assert (answer["invoice_id"], answer["org_id"]) == (invoice_id, HARBOR_ID)


async def test_a_saved_pdf_replaces_the_one_before(service: Service, control: SandboxControl, state: Path) -> None:
    """An existing file has the new content at once."""
    await pdf(service, save_as="a.pdf")
    control.set_fault(BIG)
    answer = await pdf(service, save_as="a.pdf")
    assert (state / "invoices/a.pdf").stat().st_size == answer["size_bytes"] == 300_000
    assert files(state) == ["invoices/a.pdf"]


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_pdf_is_an_error(
    make: Callable[..., Awaitable[Service]], control: SandboxControl, how: str
) -> None:
    """Half a PDF is never answered."""
    service = await make(timeout_s=1)
    invoice_id = await newest(service)
    fault, code = BROKEN[how]
    control.set_fault(BIG)
    control.set_fault(fault)
    assert (await refused(service.ask("get_invoice_pdf", id=invoice_id))).code == code


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_pdf_leaves_nothing(
    make: Callable[..., Awaitable[Service]], control: SandboxControl, state: Path, how: str
) -> None:
    """No file, no part of one, and one that was there stays as it was."""
    service = await make(timeout_s=1)
    invoice_id = await newest(service)
    before = (await pdf(service, save_as="old.pdf"))["sha256"]
    fault, code = BROKEN[how]
    control.set_fault(BIG)
    control.set_fault(fault)
    for name in ("old.pdf", "new.pdf"):
        refusal = await refused(service.ask("get_invoice_pdf", id=invoice_id, save_as=name))
        # Once no answer came, the cloud counts as away.
        assert refusal.code == code or (code, refusal.code) == ("cloud_timeout", "cloud_unreachable")
    assert files(state) == ["invoices/old.pdf"]
    assert sha256(state / "invoices/old.pdf") == before


async def test_a_caller_that_leaves_leaves_nothing(service: Service, control: SandboxControl, state: Path) -> None:
    """A call that is cancelled half-way removes its file."""
    invoice_id = await newest(service)
    await pdf(service, save_as="old.pdf")
    control.reset_stats()
    control.set_fault(Fault(rpc=RPC, never_answer=True))
    call = asyncio.create_task(service.ask("get_invoice_pdf", id=invoice_id, save_as="new.pdf"))
    await asyncio.to_thread(control.wait_for, lambda stats: stats.calls.get(RPC) == 1)
    assert len(files(state)) == 2
    call.cancel()
    await asyncio.to_thread(wait_for, state, ["invoices/old.pdf"])


async def test_an_expired_token_costs_no_bytes(service: Service, control: SandboxControl) -> None:
    """The module logs in anew, and the PDF is whole and there once."""
    first = await pdf(service)
    control.expire_tokens()
    again = await service.ask("get_invoice_pdf", id=first["invoice_id"])
    assert again["sha256"] == first["sha256"]


async def test_a_pdf_at_the_limit_fits(make: Callable[..., Awaitable[Service]], control: SandboxControl) -> None:
    """max_pdf_bytes is the largest size that is answered."""
    service = await make(max_pdf_bytes=300_000)
    control.set_fault(BIG)
    assert (await pdf(service))["size_bytes"] == 300_000


async def test_a_pdf_over_the_limit_is_to_be_saved(
    make: Callable[..., Awaitable[Service]], control: SandboxControl
) -> None:
    """One byte more is an error that names save_as, which works."""
    service = await make(max_pdf_bytes=299_999)
    control.set_fault(BIG)
    refusal = await refused(pdf(service))
    assert refusal.code == "result_too_large"
    assert "save_as" in refusal.text
    assert (await pdf(service, save_as="big.pdf"))["size_bytes"] == 300_000


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/etc/passwd", "../up.pdf", "a/b.pdf", "a\\b.pdf", "a\x00.pdf", "a\nb.pdf", "a\x7f.pdf"),
        *("a\u0085b.pdf", "x" * 256, "€" * 86, "a\u202efdp.exe", "a\u200b.pdf", "a\u2069.pdf", "\U000e0061.pdf"),
    ],
)
async def test_a_path_is_no_file_name(service: Service, state: Path, name: str) -> None:
    """save_as is one name of at most 255 bytes, without separators and what nobody sees."""
    refusal = await refused(service.ask("get_invoice_pdf", id="x", save_as=name))
    assert refusal.code == "invalid_request"
    assert "save_as" in refusal.text
    assert files(state) == []


@pytest.mark.parametrize("name", ["...", "..pdf", "-rf", "~", "$HOME", "a b.pdf", "€" * 85, "x" * 255, "*", ".hidden"])
async def test_an_odd_file_name_is_a_file_name(service: Service, state: Path, name: str) -> None:
    """What a shell would find strange is only a name."""
    await pdf(service, save_as=name)
    assert files(state) == [f"invoices/{name}"]


async def test_a_link_is_replaced_and_not_followed(service: Service, state: Path, tmp_path: Path) -> None:
    """What a symbolic link points to stays untouched."""
    await pdf(service, save_as="first.pdf")
    target = tmp_path / "target"
    target.write_text("mine")
    (state / "invoices/link.pdf").symlink_to(target)
    await pdf(service, save_as="link.pdf")
    assert target.read_text() == "mine"
    assert not (state / "invoices/link.pdf").is_symlink()


async def test_a_full_folder_takes_no_more(service: Service, state: Path) -> None:
    """invoices/ holds 256 MiB; what would pass that is refused and leaves nothing."""
    size = (await pdf(service, save_as="small.pdf"))["size_bytes"]
    full = state / "invoices/full"
    full.touch()
    os.truncate(full, 256 * MIB - 2 * int(size) + 1)
    assert (await refused(pdf(service, save_as="one-more.pdf"))).code == "result_too_large"
    assert files(state) == ["invoices/full", "invoices/small.pdf"]


async def test_a_full_folder_lets_a_file_be_replaced(service: Service, state: Path) -> None:
    """The file that goes makes room for the one that comes."""
    size = (await pdf(service, save_as="small.pdf"))["size_bytes"]
    full = state / "invoices/full"
    full.touch()
    os.truncate(full, 256 * MIB - int(size))
    assert (await pdf(service, save_as="small.pdf"))["size_bytes"] == size


async def test_a_missing_parent_folder_is_not_made(make: Callable[..., Awaitable[Service]]) -> None:
    """Only the last folder of state_dir is created; all that is missing is told at once."""
    with tempfile.TemporaryDirectory(prefix="vb-") as base:  # a path that is short enough to be told whole
        told = {
            "not/there": "Create that folder, or name another.",
            "not/at/all/there": f'Create "{base}/not/at/all" as well, or name another.',
        }
        for folder, todo in told.items():
            refusal = await refused(pdf(await make(state_dir=f"{base}/{folder}"), save_as="a.pdf"))
            assert refusal.code == "state_unavailable"
            assert refusal.text.endswith(f'"{base}/not" is not there. {todo}')
        assert os.listdir(base) == []


async def test_an_unknown_invoice_is_not_found(service: Service, state: Path) -> None:
    """In both modes, and without a trace."""
    assert (await refused(service.ask("get_invoice_pdf", id="nothing"))).code == "not_found"
    assert (await refused(service.ask("get_invoice_pdf", id="nothing", save_as="a.pdf"))).code == "not_found"
    assert files(state) == []
