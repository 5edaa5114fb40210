"""What the documentation says of charges, held to the code: entries, states, codes, and the lines of the log."""

from __future__ import annotations

import ast
import re
from typing import get_args

import pytest
from msgspec import to_builtins

from support.documentation import BILLING, CHARGING, CODE, GUIDE, ROOT, leaf_errors, prose, sections, table
from viam_billing.audit.entries import AuditEntry
from viam_billing.charging.charge import NEXT, Entry, State
from viam_billing.commands.charges import shown
from viam_billing.commands.status import Status
from viam_billing.core.money import Cents

ELSEWHERE = {"unknown_command", "cooldown_active", "result_too_large"}
"""Codes that a charge never ends in."""

FULL = Entry(
    key="a",
    command="charge_organization",
    org_id="o",
    total=Cents(1),
    parameters="{}",
    state="unknown",
    created_at=1.0,
    journal_time=1.0,
    attempts=1,
    sent_at=1.0,
    invoice_id="i",
    error_code="cloud_timeout",
    error_text="no answer",
    note="n",
    late_invoice="l",
    candidates=("c",),
    checked_at=1.0,
    known_invoices=("k",),
)
"""An entry of which nothing is left out."""

COMMANDS = sections(sections(BILLING.read_text(), 2)["DoCommand"], 3)
PAGE = sections(prose(CHARGING), 2)
LOG_TABLE = {name: row[1] for name, row in table(prose(GUIDE), "Line").items()}


def fields_in(section: str) -> dict[str, str]:
    """The fields that a section's table explains, several in a row too: name -> row."""
    rows = re.findall(r"^\| (`.+?) (\|.+)$", COMMANDS[section], re.MULTILINE)
    return {name: row for names, row in rows for name in CODE.findall(names)}


def log_lines() -> list[tuple[str, str, str]]:
    """Every line that the module can log: file, level, format."""
    found = []
    source = ROOT / "src" / "viam_billing"
    for path in sorted(source.rglob("*.py")):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "LOGGER"
            ):
                form = ast.literal_eval(node.args[0])
                found.append((path.relative_to(source).as_posix(), node.func.attr, form))
    return found


def is_documented(form: str, level: str) -> bool:
    """Whether the guide's table has a row for a format: `...` stands for what differs, and for the rest of a line."""
    patterns = (re.escape(row).replace(re.escape("..."), ".+") for row, of in LOG_TABLE.items() if of == level)
    return any(re.fullmatch(pattern, form.replace("%%", "%")) for pattern in patterns)


def test_the_fields_of_an_entry_are_those_that_are_shown() -> None:
    """A field that is added or dropped shows here."""
    assert fields_in("Fields of an entry").keys() == to_builtins(shown(FULL)).keys()


@pytest.mark.parametrize("state", get_args(State))
def test_a_state_is_on_the_pages(state: str) -> None:
    """In the drawing, in the table of states, in the row of the field, and with the parameter."""
    drawing = re.findall(r"^```text$(.+?)^```$", CHARGING.read_text(), re.DOTALL | re.MULTILINE)[0]
    assert re.search(rf"\b{state}\b", drawing)
    assert state in table(PAGE["The states of a charge"], "State")
    assert f"`{state}`" in fields_in("Fields of an entry")["state"]
    assert f"`{state}`" in re.findall(r"^- `state` .+$", COMMANDS["get_charge, list_charges"], re.MULTILINE)[0]


def test_the_table_of_states_has_no_other() -> None:
    """Those of the code."""
    assert table(PAGE["The states of a charge"], "State").keys() == NEXT.keys()


def test_the_errors_of_a_charge_are_all_there() -> None:
    """Every code that a charge can end in, once, with what it says about the money."""
    rows = re.findall(r"^\| (`.+?) \|", PAGE["The errors of a charge"], re.MULTILINE)
    codes = [code for row in rows for code in CODE.findall(row)]
    assert sorted(codes) == sorted(leaf_errors().keys() - ELSEWHERE)


def test_the_fields_of_the_audit_log_are_on_the_page() -> None:
    """Those of an attempt, in the example or in words; and below it no others are explained."""
    fields = {"time" if name == "time_s" else name for name in AuditEntry.__struct_fields__}
    section = COMMANDS["get_audit_log"]
    assert {name for name in fields if not re.search(rf"`{name}`|\"{name}\"", section)} == set()
    assert set(re.findall(r"^- `(\w+)`", section.rpartition("```")[2], re.MULTILINE)) <= fields


def test_every_field_of_get_status_has_its_row() -> None:
    """In the table, and no others."""
    assert fields_in("get_status").keys() == set(Status.__struct_fields__)


@pytest.mark.parametrize(("file", "level", "form"), log_lines())
def test_a_line_of_the_log_is_in_the_guide(file: str, level: str, form: str) -> None:
    """With its level."""
    assert is_documented(form, level), file
