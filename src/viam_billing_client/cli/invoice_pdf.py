"""Saves an invoice's PDF: `invoice`."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from viam_billing_client.cli.asking import NOT_REACHED, ask_one, leave, one_place
from viam_billing_client.cli.messages import say
from viam_billing_client.cli.output import Outcome, View, put, write
from viam_billing_client.cli.parameters import Org, id_of, text_of

app: Final = typer.Typer()
_PDF_S: Final = 60.0
_NAMES: Final = ("invoice_id", "org_id", "size_bytes", "sha256", "file")


@app.command(epilog="Example: viam-billing invoice INVOICE-ID --file november.pdf")
def invoice(
    ctx: typer.Context,
    *,
    invoice_id: Annotated[str, typer.Argument(metavar="INVOICE-ID", parser=id_of, help="As `invoices` shows it.")],
    org: Org = None,
    file: Annotated[str | None, typer.Option(metavar="FILE", parser=text_of, help="Where to; - is stdout.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Save an invoice's PDF, by default as INVOICE-ID.pdf in this folder."""
    target = Path(file or f"{re.sub(r'[^A-Za-z0-9_.-]', '_', invoice_id).lstrip('.')[:200] or 'invoice'}.pdf")
    if target.is_dir():
        raise typer.BadParameter(f"{target} is a folder; name a file in it.")
    if file != "-" and target.exists() and not force:
        raise typer.BadParameter(f"{target} is there already; --force replaces it.")
    with one_place(ctx.obj) as place:
        request = {"command": "get_invoice_pdf", "invoice_id": invoice_id, "org_id": org}
        outcome = ask_one(ctx.obj, place, request, "InvoicePdf", _PDF_S)
        content = outcome.record.content or b""
        if hashlib.sha256(content).hexdigest() != outcome.record.sha256:
            say("the PDF arrived incomplete; nothing was saved. Try again.")
            leave(NOT_REACHED)
        if file == "-":
            put(content)
            return
        _save(target, content)
        saved = {name: each for name, each in (outcome.answer or {}).items() if name != "content_base64"}
        write([Outcome(place, saved | {"file": str(target)}, saved | {"file": str(target)})], PDF, ctx.obj.output)


def _save(target: Path, content: bytes) -> None:
    """Write the file: it is complete, or what was there stays. Raises: typer.BadParameter."""
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:50]}.", delete=False) as file:
            try:
                file.write(content)
                file.close()
                os.replace(file.name, target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise typer.BadParameter(f"{target} cannot be written: {error.strerror}.") from None


def _row(saved: dict[str, Any]) -> dict[str, Any]:
    return {name: saved[name] for name in _NAMES}


PDF: Final = View(
    "",
    _NAMES,
    lambda saved: [_row(saved)],
    lambda saved, page: page.wrapped(f"{saved['file']} ({saved['size_bytes']:,} bytes)"),
    _row,
)
