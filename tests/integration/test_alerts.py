"""Alerts, as servers on loopback receive them: once each, over restarts and power cuts, whatever an address does."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import pytest_asyncio

from support.alert_receivers import SECRET, HttpReceiver, SmtpReceiver, dead_url
from support.charging import CHARGING, RPC, charge, read_journal
from support.conditions import holds
from support.faulty_cloud import attributes, service
from support.module_process import ModuleProcess, refused
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUDGET = {"monthly": 100.0, "warn_at": [0.5, 0.8]}
LATE = {"hours_ago": 72, "due_in_days": 1, "status": "outstanding"}
OF_50 = "Viam: 50% of the budget is used"
OF_80 = "Viam: 80% of the budget is used"


@pytest.fixture
def cloud() -> Iterator[SandboxProcess]:
    """A sandbox for one test, whose invoices are nobody else's."""
    with SandboxProcess("--quiet") as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """An address that takes alerts."""
    with HttpReceiver() as made:
        yield made


@pytest.fixture
def block(cloud: SandboxProcess, control: SandboxControl, tmp_path: Path, receiver: HttpReceiver) -> dict[str, Any]:
    """A service with a budget that nothing is used of, and one address."""
    costs(control, 1.0)
    return attributes(
        cloud.address,
        tmp_path / "state",
        timeout_s=5,
        budget=BUDGET,
        alert_urls=[receiver.url],
    )


@pytest_asyncio.fixture(loop_scope="module")
async def own() -> AsyncIterator[ModuleProcess]:
    """A module whose log, with all that can be logged, is the test's alone."""
    async with ModuleProcess(arguments=("--log-level=debug",)) as running:
        yield running


def costs(control: SandboxControl, dollars: float) -> None:
    """Say what the service's organization has cost this month."""
    control.patch_organization(DEFAULT_ORG_ID, usage=[{"costs": {"per_machine": dollars}}], usage_grows=False)


async def told(receiver: HttpReceiver, *titles: str) -> None:
    """Wait until these are the titles that have come."""
    try:
        await holds(lambda: receiver.titles == [*titles])
    except TimeoutError:
        assert receiver.titles == [*titles]


async def test_what_is_newly_crossed_is_told_once_over_http_and_smtp(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """Also over a restart; the figures and the organization are told, and that no location is judged."""
    with SmtpReceiver() as mail:
        both = {**block, "alert_urls": [mail.url, receiver.url]}
        async with service(own, both) as billing:
            costs(control, 50.0)
            await billing.ask("check_budget", max_age_s=0)
            await told(receiver, OF_50)
            await billing.ask("check_budget", max_age_s=0)
            own.terminate()
        await own.restart()
        async with service(own, both) as billing:
            costs(control, 80.0)
            await billing.ask("check_budget", max_age_s=0)
            await told(receiver, OF_50, OF_80)
            await holds(lambda: len(mail.mails) == 2)
    assert [each["subject"] for each in mail.mails] == receiver.titles
    assert receiver.alerts[0]["message"] in mail.mails[0].get_content()
    assert all(
        word in receiver.text for word in (DEFAULT_ORG_ID, "50.00 dollars", "100.00 dollars", "in all its locations")
    )


async def test_what_waits_when_the_power_fails_is_told_late_and_once(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """Noted, and nobody there to take it: kill -9, and the address is back after the start."""
    url = dead_url()
    costs(control, 50.0)
    async with service(own, {**block, "alert_urls": [url]}) as billing:
        await billing.ask("check_budget", max_age_s=0)
        await holds(lambda: b"50% of the budget" in written(block))
        own.kill()
    with HttpReceiver(int(url.rpartition(":")[2].partition("/")[0])) as back:
        await own.restart()
        async with service(own, {**block, "alert_urls": [url]}) as billing:
            await told(back, OF_50)
            costs(control, 80.0)
            await billing.ask("check_budget", max_age_s=0)
            await told(back, OF_50, OF_80)


async def test_what_is_being_sent_when_the_power_fails_is_not_told_twice(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """Kill -9 while the receiver has it and has not answered: what sends it is another process, and goes on."""
    receiver.when_received = own.kill
    costs(control, 50.0)
    async with service(own, block) as billing:
        await billing.ask("check_budget", max_age_s=0)
        await told(receiver, OF_50)
        await holds(lambda: own.process.poll() is not None)
    receiver.when_received = lambda: None
    await own.restart()
    async with service(own, block) as billing:
        await holds(lambda: "1 alerts to address 1 of alert_urls may not have arrived" in own.log)
        costs(control, 80.0)
        await billing.ask("check_budget", max_age_s=0)
        await told(receiver, OF_50, OF_80)


async def test_an_address_that_refuses_gets_it_again_until_it_takes_it(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """Once, and the log has nothing of it."""
    refusals: list[bool] = []
    receiver.status = 503
    receiver.when_received = lambda: refusals.append(True)
    costs(control, 50.0)
    async with service(own, block) as billing:
        await billing.ask("check_budget", max_age_s=0)
        await holds(lambda: len(refusals) == 2)
        receiver.status = 200
        await told(receiver, OF_50)
    assert "alerts" not in own.log


async def test_an_address_that_takes_its_time_gets_it_once(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """It answers after more than the 4 seconds that Apprise would give it."""
    answered = Event()

    def slowly() -> None:
        time.sleep(5)
        answered.set()

    receiver.when_received = slowly
    costs(control, 50.0)
    async with service(own, block) as billing:
        await billing.ask("check_budget", max_age_s=0)
        await holds(answered.is_set)
        receiver.when_received = lambda: None
        costs(control, 80.0)
        await billing.ask("check_budget", max_age_s=0)
        await told(receiver, OF_50, OF_80)


async def test_an_address_that_hangs_or_is_dead_holds_nobody_up(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """Neither a caller nor another address; and no address stands in the log, a status, an audit log or a file."""
    with HttpReceiver() as hanging:
        hanging.hang.set()
        urls = [f"{hanging.url}?rto=1", dead_url(), "nonsense://" + SECRET, receiver.url]
        more = {"alert_urls": urls, "allowed_commands": ["read", "notify"]}
        async with service(own, {**block, **more}) as billing:
            for dollars, title in ((50.0, OF_50), (80.0, OF_80)):
                costs(control, dollars)
                await billing.ask("check_budget", max_age_s=0)
                await holds(lambda title=title: title in receiver.titles)  # type: ignore[misc]
            answer = await billing.ask("test_alert")
            asked = [answer, await billing.status(), await billing.ask("get_audit_log"), await billing.ask("help")]
    assert answer["sent"] == 1
    assert {each["position"]: each["why"] for each in answer["failed"]} == {
        1: "it did not answer in time",
        2: "the connection was refused",
        3: "Apprise cannot use this address: it knows no such service, or a part is missing or wrong",
    }
    assert receiver.titles == [OF_50, OF_80, "Viam: a test alert"]
    assert SECRET not in json.dumps(asked) + own.log
    assert SECRET.encode() not in written(block)


async def test_it_looks_by_itself(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """Nobody asks; and who asks then still gets what is newly crossed."""
    costs(control, 50.0)
    async with service(own, block) as billing:
        await told(receiver, OF_50)
        assert (await billing.ask("check_budget"))["newly_crossed"] == [0.5]


async def test_invoices_that_are_late_or_whose_payment_failed_are_told_once(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """One of them each; many at once together. Credit notes and what is paid are none."""
    async with service(own, block) as billing:
        control.patch_organization(DEFAULT_ORG_ID, add_invoices=[{**LATE, "id": "late-1", "amount": 10.0}])
        await billing.ask("get_invoices_summary", org_id=DEFAULT_ORG_ID, max_age_s=0)
        await told(receiver, "Viam: an invoice is overdue")
        assert all(word in receiver.text for word in ("late-1", "10.00 dollars", DEFAULT_ORG_ID))
        failed = {**LATE, "id": "declined", "amount": 20.0, "due_in_days": 30, "failure_reason": "card_declined"}
        paid = {**LATE, "id": "paid", "amount": 20.0, "status": "paid"}
        control.patch_organization(DEFAULT_ORG_ID, add_invoices=[failed, paid])
        await billing.ask("get_invoices_summary", org_id=DEFAULT_ORG_ID, max_age_s=0)
        await told(receiver, "Viam: an invoice is overdue", "Viam: the payment of an invoice failed")
        assert "card_declined" in receiver.alerts[1]["message"]
        many = [{**LATE, "id": f"many-{number}", "amount": 1.0} for number in range(30)]
        control.patch_organization(DEFAULT_ORG_ID, add_invoices=many)
        await billing.ask("get_invoices_summary", org_id=DEFAULT_ORG_ID, max_age_s=0)
        await holds(lambda: len(receiver.alerts) == 3)
    assert receiver.titles[2] == "Viam: 30 things to look at"
    assert receiver.alerts[2]["message"].count("many-") == 20
    assert receiver.text.count("late-1") == 1


async def test_a_charge_that_became_unknown_is_told(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """And a start after it tells nothing more; a journal that is gone afterwards is told."""
    charging = {**block, **CHARGING}
    async with service(own, charging) as billing:
        control.set_fault(Fault(RPC, when="after", status="UNAVAILABLE", count=1))
        assert (await refused(billing.do(charge("k")))).code == "charge_outcome_unknown"
        await told(receiver, "Viam: it is not known whether a charge was made")
        assert '"k"' in receiver.text
        own.kill()
    await own.restart()
    async with service(own, charging) as billing:
        await billing.ask("list_charges")
        shutil.rmtree(block["state_dir"])
        assert (await refused(billing.ask("list_charges"))).code == "state_unavailable"
        await holds(lambda: len(receiver.titles) == 2)
    assert receiver.titles[1] == "Viam: the charge journal is gone"


async def test_without_a_state_dir_nothing_is_told_and_the_log_says_so(
    block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """The addresses can be tried all the same."""
    costs(control, 50.0)
    without = {name: value for name, value in block.items() if name != "state_dir"}
    async with ModuleProcess({"VIAM_MODULE_DATA": ""}) as bare:
        async with service(bare, {**without, "allowed_commands": ["read", "notify"]}) as billing:
            assert (await billing.ask("check_budget", max_age_s=0))["newly_crossed"] == [0.5]
            assert (await billing.ask("test_alert"))["sent"] == 1
        assert "alerts are held back: there is no folder to keep this in." in bare.log
    assert receiver.titles == ["Viam: a test alert"]


async def test_stale_figures_tell_nothing(
    own: ModuleProcess, block: dict[str, Any], control: SandboxControl, receiver: HttpReceiver
) -> None:
    """What they reach is told when the cloud is back."""
    async with service(own, {**block, "budget": None} | {"budget": {"monthly": 1000.0}}) as billing:
        costs(control, 60.0)
        await billing.ask("get_current_month_usage", org_id=DEFAULT_ORG_ID, max_age_s=0)
    async with service(own, block) as billing:
        control.go_dark()
        assert (await billing.ask("check_budget", max_age_s=0))["stale"] is True
        control.clear_faults()
        await billing.back()
        await told(receiver, OF_50)


async def test_trying_the_addresses_needs_them_and_permission(own: ModuleProcess, block: dict[str, Any]) -> None:
    """What was tried is among what was executed; what was refused is not."""
    async with service(own, block) as billing:
        assert (await refused(billing.ask("test_alert"))).code == "command_not_allowed"
    async with service(own, {**block, "alert_urls": [], "allowed_commands": ["notify"]}) as billing:
        assert (await refused(billing.ask("test_alert"))).code == "not_configured"
    async with service(own, {**block, "allowed_commands": ["notify"]}) as billing:
        assert await billing.ask("test_alert") == {"sent": 1, "failed": []}
        own.terminate()
    ended = "SELECT json_group_array(executed || ' ' || coalesce(code, 'done')) FROM audit"
    (found,) = read_journal(block["state_dir"], ended)
    assert sorted(json.loads(found)) == ["0 command_not_allowed", "0 not_configured", "1 done"]


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        (f"json://{SECRET}", ": found a value that is not shown, expected a list"),
        ([f"json://{SECRET}"] * 2, ": found a list of 2, expected a list .*each once"),
        *(
            (
                ["json://a", url],
                r"\[1\]: found a value that is not shown, expected an Apprise address of at most 2,048 characters",
            )
            for url in (SECRET, "json://" + "x" * 2042, f"json:/{SECRET}", f"json://{SECRET} b", 7, None)
        ),
    ],
)
async def test_what_is_no_list_of_addresses_is_refused_without_showing_it(
    own: ModuleProcess, urls: object, told: str
) -> None:
    with pytest.raises(Exception, match=f"alert_urls{told}") as caught:
        await own.validate({"alert_urls": urls})
    assert SECRET not in str(caught.value)


def written(block: dict[str, Any]) -> bytes:
    """All bytes of the files of the state."""
    return b"".join(path.read_bytes() for path in Path(block["state_dir"]).glob("*") if path.is_file())
