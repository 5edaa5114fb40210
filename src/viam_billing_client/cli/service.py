"""How the service is, and any command of it: `access`, `status`, `do`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from viam_billing_client import answers
from viam_billing_client.cli.asking import ask, ask_one, one_place
from viam_billing_client.cli.output import Row, View, fields, write
from viam_billing_client.cli.page import Column, Page

app: Final = typer.Typer()
_SLOWEST_S: Final = 180.0
"""The oldest command that charges may take 150 s."""
_ACCESS_S: Final = 60.0
_STATUS: Final = (
    *("version", "connected", "last_success", "last_error", "cloud_calls", "logins", "retries", "cache_hits"),
    *("cache_misses", "stale_answers", "unknown_charges", "charged_last_24h", "allowed_commands"),
)


@app.command(epilog="Example: viam-billing access")
def access(ctx: typer.Context) -> None:
    """Whether the service's API key works, and what it may read."""
    ask(ctx.obj, "check_access", ACCESS, timeout_s=_ACCESS_S)


@app.command(epilog="Example: viam-billing status --machine north --machine south")
def status(ctx: typer.Context) -> None:
    """The service's state, told from memory."""
    ask(ctx.obj, "get_status", SERVICE_STATUS)


@app.command(epilog="""Example: viam-billing do '{"command": "get_fleet_usage", "max_age_s": 60}'""")
def do(
    ctx: typer.Context,
    request: Annotated[str, typer.Argument(metavar="JSON", help="A request in either spelling; - reads stdin.")],
) -> None:
    """Send any command as JSON and print its answer as JSON. Nothing is asked: it does what it says."""
    text = sys.stdin.read() if request == "-" else request
    try:
        command = json.loads(text)
    except (ValueError, RecursionError):
        command = None
    if not isinstance(command, dict):
        raise typer.BadParameter("""expected a JSON object, such as '{"get_location_usage": {}}'.""")
    with one_place(ctx.obj) as place:
        write([ask_one(ctx.obj, place, command, "", _SLOWEST_S)], ANYTHING, ctx.obj.output)


def _access_rows(answer: answers.AccessCheck) -> Iterator[Row]:
    shared = {"api_key_id": answer.api_key_id, "app_address": answer.app_address, "authenticated": answer.authenticated}
    for call, result in sorted(answer.calls.items()):
        yield {**shared, "call": call, "result": result}


def _access_lines(answer: answers.AccessCheck, page: Page) -> Iterator[str]:
    works = {True: "works", False: "is rejected", None: "could not be tried: the cloud is away"}[answer.authenticated]
    style = {True: "green", False: "red", None: "yellow"}[answer.authenticated]
    yield from page.wrapped(f"The API key {answer.api_key_id} at {answer.app_address} {works}.", style)
    calls = sorted(answer.calls.items())
    columns = [Column("call"), Column("result")]
    yield from page.table(columns, calls, [None if result == "ok" else "yellow" for _, result in calls])


def _access_summary(answer: answers.AccessCheck) -> Row:
    refused = sorted({result for result in answer.calls.values() if result != "ok"})
    return {"authenticated": answer.authenticated, "calls": ", ".join(refused) or "ok"}


def _status_row(answer: answers.ServiceStatus) -> dict[str, object]:
    journal = answer.journal
    return {
        **{name: getattr(answer, name) for name in _STATUS},
        "journal_id": journal.id if journal else None,
        "journal_entries": journal.entries if journal else None,
    }


def _status_lines(answer: answers.ServiceStatus, page: Page) -> Iterator[str]:
    return fields(_status_row(answer), page)


def _status_summary(answer: answers.ServiceStatus) -> Row:
    return {
        "version": answer.version,
        "connected": answer.connected,
        "stale": answer.stale_answers,
        "unknown": answer.unknown_charges,
    }


def _leaves(value: Any, name: str = "") -> Iterator[Row]:  # noqa: ANN401 - a JSON value
    """The values of any JSON with the way to each: `organizations.0.org_id`."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield {"name": name, "value": value}
        return
    for key, each in parts:
        yield from _leaves(each, f"{name}.{key}" if name else str(key))


def _as_json(answer: dict[str, Any], _: Page) -> list[str]:
    return [json.dumps(answer, indent=2, sort_keys=True)]


ACCESS: Final = View(
    "AccessCheck",
    ("api_key_id", "app_address", "authenticated", "call", "result"),
    _access_rows,
    _access_lines,
    _access_summary,
)
SERVICE_STATUS: Final = View(
    "ServiceStatus",
    (*_STATUS, "journal_id", "journal_entries"),
    lambda answer: [_status_row(answer)],
    _status_lines,
    _status_summary,
)
ANYTHING: Final = View("", ("name", "value"), _leaves, _as_json, lambda _: {})
