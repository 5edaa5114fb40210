"""What each scene of a stand-in machine promises, as a caller sees it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from support.machine_process import MachineProcess, do
from support.module_process import PACKAGED

pytestmark = pytest.mark.skipif(PACKAGED, reason="the stand-in machine runs from the source tree")


@contextmanager
def scene(name: str, *arguments: str) -> Iterator[http.client.HTTPConnection]:
    """A connection to a machine with a scene."""
    with MachineProcess("--direct", "--scene", name, *arguments) as machine, machine.http() as connection:
        yield connection


def ask(connection: http.client.HTTPConnection, command: str, **parameters: object) -> dict[str, Any]:
    """The answer to a command that succeeds."""
    status, words, answer = do(connection, {command: parameters})
    assert status == 0, words
    return answer


def test_steady_has_a_budget_that_lasts_and_months_of_history() -> None:
    with scene("steady") as web:
        usage = ask(web, "get_location_usage")
        assert usage["projection"]["method"] == "history"
        assert usage["projection"]["low"] <= usage["projection"]["total"] <= usage["projection"]["high"]
        assert ask(web, "check_budget")["status"] == "ok"
        months = ask(web, "get_usage_history", step="month", by="type")["points"]
        assert len(months) >= 6
        assert all(month["delta_by_type"] for month in months[1:])
        compared = ask(web, "compare_usage")
        assert all("change" in each for each in compared["by_type"])
        assert {each["state"] for each in ask(web, "list_charges")["charges"]} == {"succeeded"}
        codes = {each.get("code") for each in ask(web, "get_audit_log")["entries"]}
        assert {"charge_limit_exceeded", "command_not_allowed"} <= codes


def test_over_budget_is_over_its_budget() -> None:
    with scene("over-budget") as web:
        assert ask(web, "check_budget")["status"] == "exceeded"


def test_overdue_has_invoices_of_every_age_and_failed_payments() -> None:
    with scene("overdue") as web:
        answer = ask(web, "get_invoices_summary")
        assert answer["failed_payment_count"] == 3
        assert answer["overdue_count"] >= 4
        assert answer["aging"]["over_90"] > 0
        assert answer["aging"]["days_31_60"] > 0


def test_cloud_away_has_only_what_it_knew() -> None:
    with scene("cloud-away") as web:
        for command in ("get_location_usage", "get_fleet_usage", "get_invoices_summary", "check_budget"):
            answer = ask(web, command)
            assert (answer["stale"], answer["stale_reason"]) == (True, "cloud_unreachable")
        status, words, _ = do(web, {"get_invoice_pdf": {"invoice_id": "FW-2020-01"}})
        assert (status, words.partition(":")[0]) == (14, "cloud_unreachable")


def test_an_unknown_charge_waits_for_a_person() -> None:
    """Reconciling finds none or two invoices that fit, so only a person can say how each ended."""
    with scene("unknown-charge") as web:
        assert ask(web, "reconcile_charges")["settled"] == []
        unknown = {each["idempotency_key"]: each for each in ask(web, "list_charges", state="unknown")["charges"]}
        assert set(unknown) == {"job-000121", "job-000122"}
        first, second = unknown["job-000122"]["candidates"]
        assert "candidates" not in unknown["job-000121"]
        assert "AF-by-hand" in (first, second)
        (made,) = {first, second} - {"AF-by-hand"}
        resolved = ask(
            web, "resolve_charge", idempotency_key="job-000122", outcome="succeeded", invoice_id=made, note="looked"
        )
        assert resolved["state"] == "succeeded"


def test_a_fleet_has_ten_thousand_locations() -> None:
    with scene("fleet-10000") as web:
        answer = ask(web, "get_fleet_usage")
        assert len(answer["locations"]) == 10_000
        assert len(answer["organizations"]) == 200
        assert (answer["complete"], answer["failed_count"]) == (True, 0)


def test_attributes_can_be_added_and_taken_away() -> None:
    changes = '{"allowed_commands": ["read"], "charge_limits": null, "budget": null}'
    with scene("steady", "--attributes", changes) as web:
        assert do(web, {"check_budget": {}})[1].startswith("not_configured: ")
        assert not ask(web, "help")["commands"]["charge_organization"]["allowed"]
