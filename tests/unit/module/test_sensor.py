from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from grpclib import GRPCError, Status
from viam.errors import NoCaptureToStoreError, ValidationError
from viam.proto.app.robot import ComponentConfig
from viam.proto.common import ResourceName
from viam.resource.base import ResourceBase
from viam.services.generic import Generic

from support.fake_billing import INVOICES, USAGE, FakeBilling
from support.module_process import struct
from viam_billing.module.sensor import UsageSensor

CAPTURE = {"fromDataManagement": True}
ALL = {
    *("month_to_date", "projected_total", "projected_low", "projected_high"),
    *("used_fraction", "outstanding_balance", "overdue_count"),
    *("cost_per_machine", "cost_logs_upload", "unknown_charges", "charged_last_24h"),
    *("billing_organization_id", "location_id", "as_of", "stale"),
}
INVOICE_READINGS = {"outstanding_balance", "overdue_count"}
STATUS_READINGS = {"unknown_charges", "charged_last_24h"}
REFUSED = GRPCError(Status.FAILED_PRECONDITION, "key_lacks_permission: the key may not. Use an owner's.")


def config(**attributes: object) -> ComponentConfig:
    """The configuration of a sensor."""
    return ComponentConfig(name="usage", attributes=struct(attributes))


def service(name: str) -> ResourceName:
    """The full name of a generic service."""
    return Generic.get_resource_name(name)


def sensor(billing: FakeBilling, **attributes: object) -> UsageSensor:
    """A sensor of a service."""
    return UsageSensor.new(config(service="billing", **attributes), {service("billing"): billing})


async def refused(made: UsageSensor, extra: Mapping[str, Any] | None = None) -> GRPCError:
    """The error of a reading."""
    with pytest.raises(GRPCError) as caught:
        await made.get_readings(extra=extra)
    return caught.value


async def test_a_reading_is_complete() -> None:
    """Everything that the service knows, as old as its oldest part."""
    readings = await sensor(FakeBilling()).get_readings()
    assert readings.keys() == ALL
    assert readings["as_of"] == "2026-11-21T11:59:00Z"


async def test_the_invoices_are_those_of_the_organization_that_pays() -> None:
    """One is enough for the sums; the location is left to the service."""
    billing = FakeBilling()
    await sensor(billing).get_readings()
    assert billing.asked == {
        "get_location_usage": {},
        "get_invoices_summary": {"org_id": "org", "limit": 1},
        "get_status": {},
    }


async def test_usage_and_status_are_asked_at_the_same_time() -> None:
    billing = FakeBilling()
    billing.hold = {"get_location_usage": asyncio.Event(), "get_status": asyncio.Event()}
    reading = asyncio.create_task(_readings(sensor(billing)))
    await asyncio.gather(*(billing.seen[question].wait() for question in billing.hold))
    for held in billing.hold.values():
        held.set()
    assert (await reading).keys() == ALL


async def _readings(made: UsageSensor) -> Mapping[str, Any]:
    return await made.get_readings()


@pytest.mark.parametrize("extra", [None, CAPTURE])
@pytest.mark.parametrize(
    ("question", "missing"), [("get_invoices_summary", INVOICE_READINGS), ("get_status", STATUS_READINGS)]
)
@pytest.mark.parametrize(
    "answer",
    [REFUSED, GRPCError(Status.UNAVAILABLE, "cloud_unreachable: gone."), GRPCError(Status.UNKNOWN), OSError(), {}],
)
async def test_a_part_that_fails_leaves_out_its_readings_only(
    answer: Any,  # noqa: ANN401 - an answer or an error
    question: str,
    missing: set[str],
    extra: Mapping[str, Any] | None,
) -> None:
    """For whatever reason, for data capture as for others."""
    billing = FakeBilling()
    billing.answers[question] = answer
    assert ALL - (await sensor(billing).get_readings(extra=extra)).keys() == missing


async def test_what_the_status_does_not_tell_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """The service could not read its journal, and says so itself; the rest of a status is a status."""
    billing = FakeBilling()
    billing.answers["get_status"] = {"version": "1", "charged_last_24h": 2.5}
    readings = await sensor(billing).get_readings()
    assert (ALL - readings.keys(), readings["charged_last_24h"], caplog.text) == ({"unknown_charges"}, 2.5, "")


async def test_the_log_tells_once_what_is_left_out_and_once_that_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    """Another reason is told too; all codes of a cloud that is away are one."""
    billing = FakeBilling()
    made = sensor(billing)
    away = (
        GRPCError(Status.UNAVAILABLE, "cloud_unreachable: x"),
        GRPCError(Status.DEADLINE_EXCEEDED, "cloud_timeout: y"),
    )
    with caplog.at_level(logging.INFO, "viam_billing.module.sensor"):
        for answer in (REFUSED, REFUSED, *away, *away, INVOICES, INVOICES):
            billing.answers["get_invoices_summary"] = answer
            await made.get_readings()
    assert [record.getMessage() for record in caplog.records] == [
        f'sensor "usage" leaves out outstanding_balance and overdue_count: {REFUSED.message}',
        'sensor "usage" leaves out outstanding_balance and overdue_count: cloud_unreachable: x',
        'sensor "usage" has outstanding_balance and overdue_count again',
    ]


async def test_without_usage_there_is_no_reading() -> None:
    """The service's error, unchanged, for data capture too; what else was asked is let go."""
    billing = FakeBilling()
    billing.answers["get_location_usage"] = REFUSED
    billing.hold["get_status"] = asyncio.Event()
    for extra in (None, CAPTURE):
        error = await refused(sensor(billing), extra)
        assert (error.status, error.message) == (REFUSED.status, REFUSED.message)


async def test_an_error_on_the_way_to_the_service_has_the_contracts_form() -> None:
    """The SDK would make UNKNOWN of it, with the path of a source file."""
    billing = FakeBilling()
    billing.answers["get_location_usage"] = ConnectionRefusedError("no")
    error = await refused(sensor(billing))
    assert error.status is Status.UNAVAILABLE
    assert (error.message or "").startswith("cloud_unreachable: ")


async def test_a_defect_has_the_contracts_form() -> None:
    billing = FakeBilling()
    billing.answers["get_location_usage"] = ZeroDivisionError("secret")
    error = await refused(sensor(billing))
    assert error.status is Status.INTERNAL
    assert (error.message or "").startswith("internal_error: ")
    assert "secret" not in (error.message or "")


async def test_a_stale_reading_is_shown_and_not_captured() -> None:
    """Data capture knows the error, and leaves the reading out."""
    billing = FakeBilling()
    billing.answers["get_location_usage"] = {**USAGE, "stale": True, "stale_reason": "cloud_unreachable"}
    made = sensor(billing)
    assert (await made.get_readings())["stale"] is True
    assert (await made.get_readings(extra={"fromDataManagement": False}))["stale"] is True
    with pytest.raises(NoCaptureToStoreError):
        await made.get_readings(extra=CAPTURE)


async def test_stale_invoices_do_not_keep_fresh_usage_from_being_captured() -> None:
    billing = FakeBilling()
    billing.answers["get_invoices_summary"] = {**INVOICES, "stale": True, "stale_reason": "cloud_timeout"}
    made = sensor(billing)
    shown, captured = await made.get_readings(), await made.get_readings(extra=CAPTURE)
    assert shown.keys() == ALL
    assert captured.keys() == ALL - INVOICE_READINGS
    assert (shown["stale"], captured["stale"]) == (True, False)


async def test_a_reading_ends_before_its_callers_time_does() -> None:
    """With a part that does not come left out, or with an error that has its code."""
    billing = FakeBilling()
    billing.hold["get_invoices_summary"] = asyncio.Event()
    readings = await asyncio.wait_for(sensor(billing).get_readings(timeout=0.6), 0.6)
    assert ALL - readings.keys() == INVOICE_READINGS
    billing.hold["get_location_usage"] = asyncio.Event()
    with pytest.raises(GRPCError) as caught:
        await asyncio.wait_for(sensor(billing).get_readings(timeout=0.6), 0.6)
    assert caught.value.status is Status.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("configured", "given"),
    [
        ("billing", ["billing"]),
        ("billing", ["other", "billing"]),
        ("office:billing", ["office:billing", "billing"]),
        ("office:billing", ["billing"]),
        ("office:billing", ["berlin-billing"]),
    ],
)
async def test_the_service_is_found_among_the_dependencies(configured: str, given: list[str]) -> None:
    """The last one here; that of a remote comes without the remote's name, perhaps with a prefix."""
    billings = {service(name): FakeBilling(name) for name in given}
    dependencies: dict[ResourceName, ResourceBase] = {**billings}
    wanted = billings[service(configured if configured in given else given[-1])]
    await UsageSensor.new(config(service=configured), dependencies).get_readings()
    assert wanted.asked


def test_a_sensor_without_its_service_is_not_made() -> None:
    other = {service("a"): FakeBilling("a"), service("b"): FakeBilling("b")}
    for dependencies in ({}, other):
        with pytest.raises(GRPCError, match='not_configured: the sensor got no generic service "billing"'):
            UsageSensor.new(config(service="billing"), dependencies)


def test_a_null_and_a_number_that_is_none_are_validation_errors() -> None:
    with pytest.raises(ValidationError, match="location_id: found null, expected a non-empty text"):
        UsageSensor.validate_config(config(service="billing", location_id=None))
    with pytest.raises(ValidationError, match=r"service.*expected a finite number"):
        UsageSensor.validate_config(config(service=float("inf")))
