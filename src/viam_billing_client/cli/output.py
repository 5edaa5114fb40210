"""Writes answers to stdout: as a table for people, as JSON (the module's own answer), as CSV."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Final, TypeAlias

from viam_billing_client import answers
from viam_billing_client.cli.messages import say
from viam_billing_client.cli.page import Column, Page, dollars, moment
from viam_billing_client.cli.places import Place

_PIPE_CLOSED: Final = 128 + 13
"""As a shell tells a process that SIGPIPE has ended."""

Row: TypeAlias = Mapping[str, object]
"""Values by the names of their columns."""


@dataclass(frozen=True)
class View:
    """How one kind of answer is written. `record` is its name in `viam_billing_client.answers`."""

    record: str
    columns: tuple[str, ...]
    """The columns of the CSV; a row may have others, which follow."""
    rows: Callable[[Any], Iterable[Row]]
    lines: Callable[[Any, Page], Iterable[str]]
    """For people."""
    summary: Callable[[Any], Row]
    """The row of one machine among several, for people."""
    exit_code: Callable[[Any], int] = field(default=lambda _: 0)


@dataclass
class Outcome:
    """What a machine answered: the JSON values and the record of them, or an error as code and text."""

    place: Place
    answer: dict[str, Any] | None = None
    record: Any = None
    error: tuple[str, str] | None = None


def write(outcomes: Sequence[Outcome], view: View, output: str, *, several: bool = False) -> None:
    """Write the answers in the form that `--output` names."""
    if output == "json":
        write_json([_as_json(each) for each in outcomes] if several else outcomes[0].answer)
    elif output == "csv":
        write_csv(view.columns, _csv_rows(outcomes, view, several=several), several=several)
        for each in outcomes:
            say_doubts(each.record, f"{each.place.name}: " if several else "")
    else:
        page = Page.of_stdout()
        lines = _machines(outcomes, view, page) if several else view.lines(outcomes[0].record, page)
        write_lines(lines)


def say_doubts(record: Any, machine: str = "") -> None:  # noqa: ANN401 - any answer
    """Say on stderr what a table says below its figures, and CSV has no place for: that they are old, or not all."""
    if getattr(record, "stale", None):
        say(f"{machine}STALE: as of {moment(record.as_of)} UTC, the cloud is away ({record.stale_reason}).")
    if getattr(record, "complete", True) is False:
        say(f"{machine}{incomplete(record)}")


def incomplete(fleet: answers.FleetUsage) -> str:
    """What is missing of a fleet."""
    reasons = []
    if failed := fleet.failed_count:
        reasons.append(f"{failed:,} {'row' if failed == 1 else 'rows'} failed")
    if left_out := fleet.out_of_scope_count:
        some, them = ("location is", "it") if left_out == 1 else ("locations are", "them")
        reasons.append(f"{left_out:,} {some} left out, because the service's allowed_location_ids lacks {them}")
    return f"Not complete: {'; '.join(reasons)}."


def write_json(value: object) -> None:
    """Write JSON, with names in the order of the alphabet."""
    import msgspec  # noqa: PLC0415 - not for --help

    put(msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2).decode() + "\n")


def write_lines(lines: Iterable[str]) -> None:
    """Write lines of text."""
    put("".join(f"{line}\n" for line in lines))


def write_csv(columns: Sequence[str], rows: Iterable[Row], *, several: bool = False) -> None:
    """Write CSV; of several machines with the columns `machine` and, last, `error`."""
    import csv  # noqa: PLC0415 - not for --help

    found = list(rows)
    names = dict.fromkeys([*(["machine"] if several else []), *columns])
    for row in found:
        names.update(dict.fromkeys(row))
    if several:
        names["error"] = names.pop("error", None)
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([text(row.get(name)) for name in names] for row in found)
    put(lines.getvalue())


def put(what: str | bytes) -> None:
    """Write to stdout. Raises: SystemExit: nobody reads it any more; Typer would take that for an error."""
    left = memoryview(what if isinstance(what, bytes) else what.encode(sys.stdout.encoding, "replace"))
    try:
        while left:  # unbuffered, it may take a part only
            left = left[sys.stdout.buffer.write(left) :]
        sys.stdout.flush()
    except BrokenPipeError:
        raise SystemExit(_PIPE_CLOSED) from None


def fields(row: Row, page: Page) -> Iterator[str]:
    """A line for each value that is known, after its name."""
    known = {name.replace("_", " "): _cell(value) for name, value in row.items() if value not in (None, "", ())}
    width = max(map(len, known), default=0)
    for name, value in known.items():
        yield from page.wrapped(f"{name:{width}}  {value}")


def text(value: object) -> str:
    """A value as CSV has it: empty for one that is not known, times in RFC 3339, amounts in dollars."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, (tuple, list)):
        return " ".join(text(each) for each in value)
    return str(value)


def _as_json(outcome: Outcome) -> dict[str, object]:
    if outcome.error is not None:
        code, message = outcome.error
        return {"machine": outcome.place.name, "error": {"code": code, "message": message}}
    return {"machine": outcome.place.name, "answer": outcome.answer}


def _csv_rows(outcomes: Iterable[Outcome], view: View, *, several: bool) -> Iterator[Row]:
    for each in outcomes:
        machine = {"machine": each.place.name} if several else {}
        if each.error is not None:
            yield {**machine, "error": each.error[0]}
            continue
        for row in view.rows(each.record):
            yield {**machine, **row}


def _machines(outcomes: Sequence[Outcome], view: View, page: Page) -> Iterator[str]:
    """A table with a row for each machine."""
    summaries: list[Row] = [{} if each.error else view.summary(each.record) for each in outcomes]
    names = list(dict.fromkeys(name for row in summaries for name in row))
    failed = any(each.error for each in outcomes)
    amounts = {name for row in summaries for name, value in row.items() if type(value) in (Decimal, int)}
    columns = [
        Column("machine"),
        *([Column("error")] * failed),
        *(Column(name, name in amounts) for name in names),
    ]
    cells = [
        [
            each.place.name,
            *([each.error[0] if each.error else ""] * failed),
            *(_cell(row.get(name)) for name in names),
        ]
        for each, row in zip(outcomes, summaries, strict=True)
    ]
    yield from page.table(columns, cells, ["red" if each.error else None for each in outcomes])


def _cell(value: object) -> str:
    if isinstance(value, Decimal):
        return dollars(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{moment(value)} UTC"
    return text(value)
