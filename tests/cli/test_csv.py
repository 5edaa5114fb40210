"""CSV says on stderr what a table says below its figures, and has every field that a table has."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from support.cli_process import run, run_all
from support.fake_robot import FakeRobot
from viam_billing_client.testing.samples import SAMPLES

OLD = {"stale": True, "stale_reason": "cloud_timeout", "as_of": "2026-11-21T12:00:00Z"}
WARNING = "viam-billing: STALE: as of 2026-11-21 12:00 UTC, the cloud is away (cloud_timeout).\n"
STALE: list[tuple[str, ...]] = [
    ("usage",),
    ("fleet",),
    ("fleet", "--locations"),
    ("budget",),
    ("history",),
    ("compare",),
    ("invoices",),
    ("payer",),
    ("payer", "--org", "a"),
    ("tiers",),
    ("charges", "show", "k"),
    ("export", "focus"),
]


@pytest.mark.parametrize("command", STALE, ids=" ".join)
async def test_old_figures_are_told(robot: FakeRobot, command: tuple[str, ...]) -> None:
    """On stderr in CSV, where a table has it on stdout."""
    robot.answer = lambda request: {**SAMPLES[request["command"]], **OLD}
    as_csv, table = await run_all((*command, *form, *robot.options) for form in (("-o", "csv"), ()))
    assert as_csv.errors.startswith(WARNING)
    if command != ("export", "focus"):  # which is CSV in any case
        assert ("STALE" in table.output, table.errors) == (True, "")


async def test_rows_that_are_missing_are_told(robot: FakeRobot) -> None:
    answer = {**SAMPLES["get_fleet_usage"], "complete": False, "failed_count": 2, "out_of_scope_count": 1}
    robot.answer = lambda _: answer
    done = await run("fleet", "-o", "csv", *robot.options)
    left_out = "1 location is left out, because the service's allowed_location_ids lacks it"
    told = f"viam-billing: Not complete: 2 rows failed; {left_out}.\n"
    assert (done.code, done.errors) == (0, told)


@pytest.mark.parametrize(
    ("command", "more", "fields"),
    [
        (("usage",), {}, ("used_fraction", "0.52644")),
        (("tiers",), {}, ("stale", "false")),
        (("invoices",), {}, ("stale", "false")),
        (("fleet", "--locations"), {}, ("as_of", "2026-11-21T12:00:00Z")),
        (("history",), {"location_id": "wh1"}, ("location_id", "wh1")),
        (("compare",), {"change_fraction": 0.25}, ("change_fraction", "0.25")),
        (("compare",), {"previous_total": 99.5}, ("previous_total", "99.5")),
        (("charges", "show", "k"), {"error": {"code": "not_found", "message": "none."}}, ("error_message", "none.")),
    ],
)
async def test_a_field_of_the_table_is_in_the_csv(
    robot: FakeRobot, command: tuple[str, ...], more: dict[str, Any], fields: tuple[str, str]
) -> None:
    robot.answer = lambda request: {**SAMPLES[request["command"]], **more}
    row = next(csv.DictReader((await run(*command, "-o", "csv", *robot.options)).output.splitlines()))
    assert row[fields[0]] == fields[1]
