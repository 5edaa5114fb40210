"""Each fault of the cloud times each read command: a fresh answer, the last known one, or an error, always in time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import pytest_asyncio

import viam_billing_sandbox
from support.faulty_cloud import CACHED_READS, Outcome, attributes, outcome, service
from support.module_process import ModuleProcess, Service
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.faults import Pdf

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT_S: Final = 1.5
A_LITTLE_S: Final = 1.0
RPCS: Final = (
    "GetCurrentMonthUsage",
    "GetOrgBillingInformation",
    "GetInvoicesSummary",
    "GetInvoicePdf",
    "GetAvailableBillingTiers",
    "GetLocationBillingOrganization",
    "GetLocation",
    "ListLocations",
)
NO_INVOICE: Final = {"invoice_id": "FW-2000-01"}
READS: Final[Mapping[str, Mapping[str, Any]]] = {**CACHED_READS, "get_invoice_pdf": {}}


def key_of(number: int) -> dict[str, str]:
    """One of many owners' keys, so that services know nothing of each other's outages."""
    return {"api_key_id": f"00000000-0000-4000-8000-{number:012}", "api_key": f"sandbox-key-{number}-of-many"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox with the default scenario and a key for every service of a test."""
    scenario = json.loads((Path(viam_billing_sandbox.__file__).parent / "scenario.json").read_text())
    keys = [key_of(number) for number in range(2 * len(READS))]
    scenario["keys"] += [{"id": k["api_key_id"], "key": k["api_key"], "organizations": ["*"]} for k in keys]
    path = tmp_path_factory.mktemp("scenario") / "scenario.json"
    path.write_text(json.dumps(scenario))
    with SandboxProcess("--quiet", "--scenario", str(path)) as running:
        yield running


@pytest.fixture
def control(cloud: SandboxProcess) -> Iterator[SandboxControl]:
    """Its control, without faults."""
    cloud.control.clear_faults()
    yield cloud.control
    cloud.control.clear_faults()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module() -> AsyncIterator[ModuleProcess]:
    """One module process for all tests of the file."""
    async with ModuleProcess() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def services(
    module: ModuleProcess, cloud: SandboxProcess, control: SandboxControl, tmp_path: Path
) -> AsyncIterator[dict[str, tuple[Service, Service]]]:
    """For each read command a service that knows its answer and one that does not, all of them logged in."""
    async with contextlib.AsyncExitStack() as stack:
        made: list[Service] = []
        for number in range(2 * len(READS)):
            block = attributes(cloud.address, tmp_path / f"state{number}", timeout_s=TIMEOUT_S, **key_of(number))
            made.append(await stack.enter_async_context(service(module, block)))
        pairs = dict(zip(READS, zip(made[::2], made[1::2], strict=True), strict=True))
        known = [pairs[name][0].ask(name, **CACHED_READS[name]) for name in CACHED_READS]
        others = [*(pairs[name][1] for name in READS), pairs["get_invoice_pdf"][0]]
        # A PDF logs in and leaves no answer behind, least of all one that is not there.
        await asyncio.gather(*known, *(outcome(one.ask("get_invoice_pdf", **NO_INVOICE)) for one in others))
        control.reset_stats()
        yield pairs


async def asked(services: dict[str, tuple[Service, Service]]) -> dict[str, tuple[Outcome, Outcome]]:
    """Every command of both kinds of services, at the same time."""
    parameters = {name: {**values, "max_age_s": 0} for name, values in CACHED_READS.items()}
    parameters["get_invoice_pdf"] = NO_INVOICE
    pairs = [outcome(one.ask(name, **parameters[name])) for name in READS for one in services[name]]
    found = iter(await asyncio.gather(*pairs))
    return {name: (next(found), next(found)) for name in READS}


class Case(NamedTuple):
    """A fault, and what each read comes to with and without a known answer."""

    set_it: Callable[[SandboxControl], None]
    known: str
    unknown: str


def every(**kwargs: Any) -> Callable[[SandboxControl], None]:  # noqa: ANN401 - of Fault
    """The fault at every read call, each of which counts for itself."""

    def set_it(control: SandboxControl) -> None:
        for rpc in RPCS:
            control.set_fault(Fault(rpc, **kwargs))

    return set_it


def silent(control: SandboxControl) -> None:
    """Open connections are gone, new ones never hear a word."""
    control.connections("silent")
    control.cut()


def no_login(control: SandboxControl) -> None:
    """Tokens have ended, and there are no new ones."""
    control.set_fault(Fault("Authenticate", status="UNAVAILABLE"))
    control.expire_tokens()


UNREACHABLE = ("stale because of cloud_unreachable", "cloud_unreachable")
TIMEOUT = ("stale because of cloud_timeout", "cloud_timeout")
LIMITED = ("stale because of cloud_rate_limited", "cloud_rate_limited")
FRESH = ("fresh", "fresh")
CASES: Final = {
    "slow": Case(every(latency_before_s=0.05, latency_after_s=0.05), *FRESH),
    "unavailable twice": Case(every(status="UNAVAILABLE", count=2), *FRESH),
    "rate limited once": Case(every(status="RESOURCE_EXHAUSTED", count=1), *FRESH),
    "connection dropped once": Case(every(drop_connection=True, count=1), *FRESH),
    "connection dropped after the work": Case(every(drop_connection=True, when="after", count=1), *FRESH),
    "connections cut": Case(SandboxControl.cut, *FRESH),
    "tokens expired": Case(SandboxControl.expire_tokens, *FRESH),
    "tokens of one call": Case(lambda control: control.token_lifetime(calls=1), *FRESH),
    "unavailable": Case(every(status="UNAVAILABLE"), *UNREACHABLE),
    "unavailable after the work": Case(every(status="UNAVAILABLE", when="after"), *UNREACHABLE),
    "connections dropped": Case(every(drop_connection=True), *UNREACHABLE),
    "dark": Case(SandboxControl.go_dark, *UNREACHABLE),
    "no login": Case(no_login, *UNREACHABLE),
    "rate limited": Case(every(status="RESOURCE_EXHAUSTED"), *LIMITED),
    "no answer": Case(every(never_answer=True), *TIMEOUT),
    "no answer after the work": Case(every(never_answer=True, when="after"), *TIMEOUT),
    "too slow": Case(every(latency_before_s=3.0), *TIMEOUT),
    "the cloud's own deadline": Case(every(status="DEADLINE_EXCEEDED"), *TIMEOUT),
    "silent": Case(silent, *TIMEOUT),
    "internal": Case(every(status="INTERNAL"), "cloud_error", "cloud_error"),
    "data loss": Case(every(status="DATA_LOSS"), "cloud_error", "cloud_error"),
    "not found": Case(every(status="NOT_FOUND"), "not_found", "not_found"),
    "not permitted": Case(every(status="PERMISSION_DENIED"), "key_lacks_permission", "key_lacks_permission"),
    "refused": Case(every(status="FAILED_PRECONDITION"), "cloud_rejected", "cloud_rejected"),
    "unimplemented": Case(every(status="UNIMPLEMENTED"), "cloud_unimplemented", "cloud_unimplemented"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_every_read_ends_well_and_in_time(
    services: dict[str, tuple[Service, Service]], control: SandboxControl, case: Case
) -> None:
    """What is known serves where the cloud gives no answer of its own; errors are the contract's; nobody waits long."""
    case.set_it(control)
    found = await asked(services)
    words = {name: (known.word, unknown.word) for name, (known, unknown) in found.items()}
    expected = dict.fromkeys(CACHED_READS, (case.known, case.unknown))
    # A PDF is never known, and the one that is asked for is not there.
    pdf = "not_found" if case.unknown == "fresh" else case.unknown
    assert words == {**expected, "get_invoice_pdf": (pdf, pdf)}
    late = {name: pair for name, pair in found.items() if max(one.time_s for one in pair) > TIMEOUT_S + A_LITTLE_S}
    assert late == {}


@pytest.mark.parametrize("name", ["dark", "silent", "no answer", "unavailable", "internal", "not permitted"])
async def test_check_access_tells_the_fault(
    services: dict[str, tuple[Service, Service]], control: SandboxControl, name: str
) -> None:
    """It is an answer whatever happens, in time, with the same code for every call."""
    CASES[name].set_it(control)
    found = await outcome(services["get_invoice_pdf"][0].ask("check_access"))
    assert set(found.answer["calls"].values()) == {CASES[name].unknown}
    assert found.answer.get("authenticated", True)
    assert found.time_s < TIMEOUT_S + A_LITTLE_S


@pytest.mark.parametrize(("how", "code"), [("half", "cloud_unreachable"), ("cut", "cloud_error")])
async def test_half_a_pdf_is_none(
    services: dict[str, tuple[Service, Service]], control: SandboxControl, how: Pdf, code: str
) -> None:
    """Whether the cloud says that it broke off or not."""
    billing = services["get_invoice_pdf"][0]
    invoice = (await billing.ask("get_invoices_summary"))["invoices"][0]["id"]
    control.set_fault(Fault("GetInvoicePdf", pdf=how))
    found = await outcome(billing.ask("get_invoice_pdf", invoice_id=invoice))
    assert found.code == code
    assert found.time_s < TIMEOUT_S + A_LITTLE_S


async def test_a_pdf_that_breaks_off_once_arrives(
    services: dict[str, tuple[Service, Service]], control: SandboxControl
) -> None:
    """It is asked for again, from its beginning."""
    billing = services["get_invoice_pdf"][0]
    invoice = (await billing.ask("get_invoices_summary"))["invoices"][0]["id"]
    whole = await billing.ask("get_invoice_pdf", invoice_id=invoice)
    control.set_fault(Fault("GetInvoicePdf", pdf="half", count=1))
    again = await billing.ask("get_invoice_pdf", invoice_id=invoice)
    assert again["sha256"] == whole["sha256"]
