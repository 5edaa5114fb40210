"""Draws questions, requests and answers with rich, for a terminal or a pipe."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from viam_billing.core.times import from_rfc3339
from viam_billing_sandbox.demo.charts import bar_length, dollars

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from grpclib.exceptions import GRPCError
    from rich.console import RenderableType

_PIPE_WIDTH: Final = 100
_MARGIN: Final = 2
_LABEL_WIDTH: Final = 12
_AGES: Final = ("not_due", "days_1_30", "days_31_60", "days_61_90", "over_90")
_LABEL: Final = "bold"
_BAR: Final = "blue"
_REQUEST: Final = "cyan"
_GOOD: Final = "green"
_BAD: Final = "bold red"
_QUIET: Final = "dim"


class OutputClosedError(Exception):
    """The other end of the pipe is closed."""


class _Console(Console):
    """Raises an error when the pipe breaks, where rich would exit the process from inside a task."""

    def on_broken_pipe(self) -> None:
        # Python must not try to write its buffered output at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputClosedError from None


class View:
    """Draws the module's answers.

    `names` are the names of organizations and locations by ID; answers have only IDs.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        terminal = sys.stdout.isatty()
        # Characters that the encoding of a pipe lacks become question marks.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")
        self._console = _Console(
            width=None if terminal else _PIPE_WIDTH, force_terminal=None if terminal else False, highlight=False
        )
        self.full, self.empty = ("#", ".") if self._console.options.ascii_only else ("█", "░")
        self._names = names
        self._steps = 0

    def heading(self, text: str) -> None:
        """Draws a horizontal line with a heading."""
        self._console.print()
        self._console.rule(Text(text, style="bold"), align="left", style=_QUIET)

    def text(self, words: str, style: str = "") -> None:
        """Prints a paragraph."""
        self.put(Text(words, style=style))

    def question(self, words: str) -> None:
        """Prints the next question."""
        self._steps += 1
        self.heading(f"{self._steps}. {words}")

    def request(self, request: Mapping[str, object]) -> None:
        """Prints a request to do_command, on one line where it fits."""
        line = json.dumps(request)
        if _MARGIN + _LABEL_WIDTH + _MARGIN + len(line) <= self._console.width:
            self.put(_pairs([("do_command", Text(line, style=_REQUEST))]))
        else:
            self.block("do_command", request)
        self.space()

    def block(self, label: str, value: object) -> None:
        """Prints a label and JSON on lines of its own."""
        self.put(Text(label, style=_LABEL))
        self.put(Text(json.dumps(value, indent=2), style=_REQUEST), 2 * _MARGIN)

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Prints names and values, one pair to a line."""
        self.put(_pairs((name, Text(value, overflow="fold")) for name, value in facts))

    def named(self, identifier: str) -> str:
        """Returns an ID with its name."""
        name = self._names.get(identifier)
        return identifier if name is None else f"{identifier} ({name})"

    def usage(self, answer: Mapping[str, Any]) -> None:
        """Draws the month's costs by kind, its total and its projection."""
        costs = sorted(answer["cost_by_type"].items(), key=lambda item: -item[1])
        table = _table("kind of usage", "this month", "")
        table.columns[1].justify = "right"
        largest = max((cost for _, cost in costs), default=0.0)
        for kind, cost in costs:
            table.add_row(kind, dollars(cost), Text(self.full * bar_length(cost, largest), style=_BAR))
        self.put(table)
        self.space()
        projection = answer.get("projection")
        estimate = "left out while less than 5 % of the month has passed"
        if projection is not None:
            passed = f"{projection['method']}, {projection['elapsed_fraction']:.1%} of the month has passed"
            estimate = f"{dollars(projection['total'])} ({passed})"
        self.facts(
            [
                ("paid by", self.named(answer["billing_organization_id"])),
                ("month", f"{answer['start_date'][:10]} to {answer['end_date'][:10]}"),
                ("total so far", dollars(answer["month_to_date"])),
                ("whole month", estimate),
                *_provenance(answer),
            ]
        )

    def invoices(self, answer: Mapping[str, Any]) -> None:
        """Prints invoices, overdue and failed ones marked, and the balances."""
        table = _table("invoice", "date", "due", "amount", "status", "to note")
        table.columns[3].justify = "right"
        table.columns[-1].no_wrap = False
        for invoice in answer["invoices"]:
            remarks = _remarks(invoice, answer["as_of"])
            style = _BAD if remarks else _GOOD if invoice["status"] == "paid" else "yellow"
            table.add_row(
                invoice["id"],
                invoice.get("invoice_date", "")[:10],
                invoice.get("due_date", "")[:10],
                dollars(invoice["invoice_amount"]),
                Text(invoice["status"], style=style),
                Text(remarks, style=_BAD),
            )
        self.put(table)
        self.space()
        by_age = [f"{name} {dollars(answer['aging'][name])}" for name in _AGES if answer["aging"][name]]
        overdue = f"{dollars(answer['overdue_balance'])} in {_count(answer['overdue_count'], 'invoice')}"
        self.facts(
            [
                ("shown", f"{len(answer['invoices'])} of {_count(answer['total_invoices'], 'invoice')}"),
                ("outstanding", dollars(answer["outstanding_balance"])),
                ("overdue", overdue),
                ("by age", ", ".join(by_age) or "nothing"),
                *_provenance(answer),
            ]
        )

    def payer(self, answer: Mapping[str, Any]) -> None:
        """Prints who pays for a location."""
        location, payer = answer["location_id"], answer["billing_organization_id"]
        self.facts([("location", self.named(location)), ("paid by", self.named(payer)), *_provenance(answer)])

    def refusal(self, error: GRPCError) -> None:
        """Prints an error as callers get it: code, status, sentence."""
        code, _, words = (error.message or "").partition(": ")
        rows = [
            ("refused", Text(code, style=_BAD)),
            ("gRPC status", Text(error.status.name)),
            ("message", Text(words)),
        ]
        self.put(_pairs(rows))

    def status(self, answer: Mapping[str, Any]) -> None:
        """Prints the fields of a status."""
        self.facts((name, _plain(value)) for name, value in sorted(answer.items()))

    def json(self, value: object) -> None:
        """Prints JSON for copying: not indented and not wrapped."""
        self._console.print_json(data=value)

    def command(self, line: str) -> None:
        """Prints a line for a shell."""
        self._console.print(Text(" " * 2 * _MARGIN + line, style=_REQUEST), soft_wrap=True)

    def space(self) -> None:
        """Prints an empty line."""
        self._console.print()

    def failure(self, words: str, logs: Mapping[str, str]) -> None:
        """Prints an error and the end of the processes' logs."""
        self.space()
        self._console.print(Text(f"The demonstration failed: {words}", style=_BAD))
        for name, log in logs.items():
            self.space()
            self.text(f"The end of the {name}'s log:" if log else f"The {name} printed nothing.")
            self.put(Text.from_ansi(log))

    def put(self, what: RenderableType, margin: int = _MARGIN) -> None:
        """Draws anything that rich can draw."""
        self._console.print(Padding(what, (0, 0, 0, margin), expand=False))


def _pairs(rows: Iterable[tuple[str, Text]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=_LABEL, no_wrap=True, min_width=_LABEL_WIDTH)
    table.add_column()
    for name, value in rows:
        table.add_row(name, value)
    return table


def _table(*headers: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style=_LABEL, pad_edge=False, show_edge=False)
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table


def _provenance(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the age of an answer and whether it is stale."""
    return [("as of", answer["as_of"]), ("stale", f"yes, {answer['stale_reason']}" if answer["stale"] else "no")]


def _remarks(invoice: Mapping[str, Any], as_of: str) -> str:
    """Returns why an invoice needs attention; overdue means outstanding after its due date, and no credit note is."""
    remarks = []
    due = invoice.get("due_date")
    owed = invoice["status"] == "outstanding" and invoice["invoice_amount"] > 0
    if owed and due is not None and from_rfc3339(due) < from_rfc3339(as_of):
        remarks.append("OVERDUE")
    if invoice.get("last_payment_failure_reason"):
        remarks.append(f"payment failed: {invoice['last_payment_failure_reason']}")
    return "\n".join(remarks)


def _count(number: float, what: str) -> str:
    return f"{number:.0f} {what}{'' if number == 1 else 's'}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in sorted(value.items()))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
