"""What was charged, and who tried what: `charges`, `audit`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import typer

from viam_billing_client import answers
from viam_billing_client.cli.asking import ask, ask_one, one_place
from viam_billing_client.cli.failures import SETTLE
from viam_billing_client.cli.output import Row, View, fields, write
from viam_billing_client.cli.page import STATUS, Column, Page, dollars, moment
from viam_billing_client.cli.parameters import Limit, MaxAge, Since, Yes, id_of, text_of
from viam_billing_client.cli.usage import age

app: Final = typer.Typer()
charges: Final = typer.Typer(no_args_is_help=True, help="The charge journal: what was charged, what is unknown.")
app.add_typer(charges, name="charges")
_RECONCILE_S: Final = 60.0
_COLUMNS: Final = (
    *("idempotency_key", "command", "state", "org_id", "total", "invoice_id", "created_at", "sent_at", "attempts"),
    *("reconcilable", "error", "error_message", "note", "late_invoice", "candidates", "checked_at"),
)
_ORGANIZATIONS: Final = "org_id_to_charge", "customer_org_id", "organization_id", "org_id", "billing_organization_id"
"""The names of the parameter that says whom an attempt is about."""
_AMOUNTS: Final = ("subtotal", "amount_owed", "amount", "tax")


@charges.command("list", epilog="Example: viam-billing charges list --state unknown")
def list_charges(
    ctx: typer.Context,
    state: Annotated[
        Literal["reserved", "sent", "succeeded", "failed", "unknown"] | None, typer.Option(help="Only these.")
    ] = None,
    limit: Limit = None,
) -> None:
    """The charges of the journal, newest first."""
    ask(ctx.obj, "list_charges", CHARGES, state=state, limit=limit)


@charges.command(epilog="Example: viam-billing charges show visit-4711")
def show(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", parser=id_of, help="The charge's idempotency key.")],
    max_age: MaxAge = None,
) -> None:
    """One charge, and whether its invoice is paid."""
    ask(ctx.obj, "get_charge", FOUND, idempotency_key=key, max_age_s=max_age)


@charges.command(epilog="Example: viam-billing charges reconcile")
def reconcile(ctx: typer.Context) -> None:
    """Look for the invoices of unknown charges now."""
    ask(ctx.obj, "reconcile_charges", RECONCILIATION, timeout_s=_RECONCILE_S)


@charges.command(epilog='Example: viam-billing charges resolve visit-4711 --outcome failed --note "no invoice, Ann"')
def resolve(
    ctx: typer.Context,
    *,
    key: Annotated[str, typer.Argument(metavar="KEY", parser=id_of, help="The charge's idempotency key.")],
    outcome: Annotated[Literal["succeeded", "failed"], typer.Option(help="What became of it.")],
    note: Annotated[str, typer.Option(metavar="TEXT", parser=text_of, help="Who found that out, and how.")],
    invoice: Annotated[str | None, typer.Option("--invoice", metavar="ID", parser=id_of, help="Its invoice.")] = None,
    yes: Yes = False,
) -> None:
    """Write down what a person found out about an unknown charge."""
    from viam_billing_client.cli.charge import demand_consent, demand_yes  # noqa: PLC0415 - which imports this file

    demand_yes(yes=yes)
    with one_place(ctx.obj) as place:
        if not yes:
            known = ask_one(ctx.obj, place, {"command": "get_charge", "idempotency_key": key}, "ChargeFound").record
            risk = " If it did charge, this idempotency key charges a second time." if outcome == "failed" else ""
            what = f"the charge {key}, {dollars(known.total)} to {known.org_id}, now {known.state},"
            demand_consent(f"Record for good that {what} has {outcome}?{risk}")
        told = {"idempotency_key": key, "outcome": outcome, "note": note, "invoice_id": invoice}
        request = {"command": "resolve_charge", **told}
        write([ask_one(ctx.obj, place, request, "Charge")], CHARGE, ctx.obj.output)


@app.command(epilog="Example: viam-billing audit --since 2026-11-01 --limit 20")
def audit(ctx: typer.Context, since: Since = None, limit: Limit = None) -> None:
    """Each attempt to notify, change or charge, and what came of it, newest first."""
    ask(ctx.obj, "get_audit_log", AUDIT, since=since, limit=limit)


def _row(charge: answers.Charge) -> dict[str, object]:
    error = {"error": charge.error.code, "error_message": charge.error.message} if charge.error else {}
    return {**{name: getattr(charge, name, None) for name in _COLUMNS}, **error}


def _charge_lines(charge: answers.Charge, page: Page) -> Iterator[str]:
    row = _row(charge)
    for name in ("replayed", "payment_status"):
        row[name] = getattr(charge, name, None)
    yield from fields(row, page)
    if charge.state == "unknown":
        yield from page.wrapped(SETTLE, "red")


def _found_lines(found: answers.ChargeFound, page: Page) -> Iterator[str]:
    yield from _charge_lines(found, page)
    yield from age(found, page)


def _table(charges_: tuple[answers.Charge, ...], page: Page) -> Iterator[str]:
    columns = [Column("key"), Column("state"), Column("total", right=True), Column("created")]
    columns += [Column("error"), Column("organization"), Column("invoice"), Column("candidates")]
    cells = [
        [
            *(each.idempotency_key, each.state, dollars(each.total), moment(each.created_at)),
            *(each.error.code if each.error else "", each.org_id, each.invoice_id or ""),
            " ".join(each.candidates or ()),
        ]
        for each in charges_
    ]
    none = "No charges of the organizations that this service may see."
    yield from page.table(columns, cells, [STATUS.get(each.state) for each in charges_], none=none)


def _charges_lines(answer: answers.Charges, page: Page) -> Iterator[str]:
    yield from _table(answer.charges, page)
    unknown = sum(each.state == "unknown" for each in answer.charges)
    if unknown:
        yield from page.wrapped(f"{unknown} unknown. For each of them: {SETTLE}", "red")


def _charges_summary(answer: answers.Charges) -> Row:
    return {"charges": len(answer.charges), "unknown": sum(each.state == "unknown" for each in answer.charges)}


def _reconciliation_rows(answer: answers.Reconciliation) -> Iterator[Row]:
    for result, found in (("settled", answer.settled), ("still_unknown", answer.still_unknown)):
        for charge in found:
            yield {"result": result, **_row(charge)}


def _reconciliation_lines(answer: answers.Reconciliation, page: Page) -> Iterator[str]:
    yield f"Settled: {len(answer.settled)}. Still unknown: {len(answer.still_unknown)}."
    if answer.settled or answer.still_unknown:
        yield from _table(answer.settled + answer.still_unknown, page)
    if answer.still_unknown:
        yield from page.wrapped(SETTLE, "red")


def _audit_rows(answer: answers.AuditLog) -> Iterator[Row]:
    for each in answer.entries:
        names = ("time", "command", "allowed", "code", "idempotency_key", "repeats")
        parameters = json.dumps(each.parameters, ensure_ascii=False, sort_keys=True)
        yield {**{name: getattr(each, name) for name in names}, "parameters": parameters}


def _audit_lines(answer: answers.AuditLog, page: Page) -> Iterator[str]:
    columns = [Column("time"), Column("came of it"), Column("command"), Column("amount", right=True)]
    columns += [Column("key"), Column("organization"), Column("location"), Column("repeats")]
    cells = []
    for each in answer.entries:
        asked = each.parameters
        tried = " (dry run)" if asked.get("dry_run") is True else ""
        came = each.code or ("done" if each.allowed else "refused")
        organization = next((str(asked[name]) for name in _ORGANIZATIONS if name in asked), "")
        cells.append(
            [
                *(moment(each.time), came, each.command + tried, _amount(asked), each.idempotency_key or ""),
                *(organization, str(asked.get("location_id", "")), str(each.repeats or "")),
            ]
        )
    yield from page.table(columns, cells, ["yellow" if each.code else None for each in answer.entries])


def _amount(asked: Mapping[str, Any]) -> str:
    """What was to be charged, tax included; nothing where it was no amount."""
    parts = [asked[name] for name in _AMOUNTS if name in asked]
    numbers = all(type(each) in (int, float) and math.isfinite(each) for each in parts)
    return dollars(sum((Decimal(str(each)) for each in parts), Decimal())) if parts and numbers else ""


CHARGE: Final = View("Charge", _COLUMNS, lambda charge: [_row(charge)], _charge_lines, _row)
MADE: Final = View(
    "ChargeMade",
    (*_COLUMNS, "replayed"),
    lambda made: [{**_row(made), "replayed": made.replayed}],
    _charge_lines,
    _row,
)
FOUND: Final = View(
    "ChargeFound",
    (*_COLUMNS, "payment_status", "as_of", "stale"),
    lambda found: [{**_row(found), "payment_status": found.payment_status, "as_of": found.as_of, "stale": found.stale}],
    _found_lines,
    lambda found: {"state": found.state, "total": found.total, "payment": found.payment_status},
)
CHARGES: Final = View("Charges", _COLUMNS, lambda answer: map(_row, answer.charges), _charges_lines, _charges_summary)
RECONCILIATION: Final = View(
    "Reconciliation",
    ("result", *_COLUMNS),
    _reconciliation_rows,
    _reconciliation_lines,
    lambda answer: {"settled": len(answer.settled), "still unknown": len(answer.still_unknown)},
)
AUDIT: Final = View(
    "AuditLog",
    ("time", "command", "allowed", "code", "idempotency_key", "repeats", "parameters"),
    _audit_rows,
    _audit_lines,
    lambda answer: {"entries": len(answer.entries)},
)
