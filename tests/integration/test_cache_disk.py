"""Known answers outlive reconfiguration, kill -9 and bad disks; and nothing is kept that should not be."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.faulty_cloud import CACHED_READS, attributes, outcome, service, until
from support.module_process import ModuleProcess, Service, refused
from support.sandbox_caller import HARBOR_ID, HARBOR_KEY, NORTHWIND_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.control import SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRETS = (b"accounts@harbor.example", b"110000000", b"verify.example", DEFAULT_API_KEY.encode(), b"Bearer")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "state"


@pytest.fixture
def block(cloud: SandboxProcess, control: SandboxControl, state_dir: Path) -> dict[str, Any]:  # noqa: ARG001 - every test starts without faults
    """A service's attributes."""
    return attributes(cloud.address, state_dir, timeout_s=5)


async def power_cut(module: ModuleProcess) -> None:
    """Kill -9, and a new process."""
    module.kill()
    await module.restart()


async def read_all(billing: Service) -> dict[str, dict[str, Any]]:
    """Every read command whose answer is kept, with the provenance of its answer."""
    return {name: dict((await outcome(billing.ask(name, **CACHED_READS[name]))).answer) for name in CACHED_READS}


def all_bytes(state_dir: Path) -> bytes:
    """The content of every file of a folder."""
    return b"".join(path.read_bytes() for path in state_dir.rglob("*") if path.is_file())


async def test_reconfiguration_keeps_answers(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """viam-server removes and adds the service for each change of its attributes."""
    async with service(module, block) as billing:
        before = await read_all(billing)
    control.reset_stats()
    async with service(module, {**block, "timeout_s": 4}) as billing:
        after = await read_all(billing)
    assert after == before
    assert control.stats().calls == {}


async def test_a_start_without_a_network_still_answers(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """Every read as it was last known, at once, with the time of then; nothing is said to be fresh."""
    async with service(module, {**block, "cache_ttl_s": 0}) as billing:
        before = await read_all(billing)
        control.go_dark()
        await power_cut(module)
    async with service(module, {**block, "cache_ttl_s": 0}) as billing:
        after = await read_all(billing)
    for name, answer in before.items():
        expected = {**answer, "stale": True, "stale_reason": "cloud_unreachable"}
        assert after[name] == {**expected, "as_of": after[name]["as_of"]}
        assert after[name]["as_of"] == answer["as_of"]


async def test_an_answer_that_was_fresh_is_fresh_after_a_power_cut(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """The cloud need not be asked for what is a moment old."""
    async with service(module, block) as billing:
        before = await read_all(billing)
        await power_cut(module)
    control.reset_stats()
    async with service(module, block) as billing:
        assert await read_all(billing) == before
    assert control.stats().calls == {}


async def test_what_is_too_old_is_not_told(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """After `max_stale_s` there is no answer, and none on disk."""
    async with service(module, block) as billing:
        await billing.ask("get_current_month_usage")
        control.go_dark()
        await power_cut(module)
    async with service(module, {**block, "max_stale_s": 0.01}) as billing:
        assert (await refused(billing.ask("get_current_month_usage", max_age_s=0))).code == "cloud_unreachable"
    async with service(module, block) as billing:
        assert (await refused(billing.ask("get_current_month_usage", max_age_s=0))).code == "cloud_unreachable"


@pytest.mark.parametrize("other", ["key", "address"])
async def test_answers_belong_to_their_key_and_address(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl, other: str
) -> None:
    """Another one does not see them, in the same folder and without a network."""
    key = {"api_key_id": HARBOR_KEY[0], "api_key": HARBOR_KEY[1]}
    address = {"app_address": block["app_address"].replace("127.0.0.1", "localhost")}
    async with service(module, block) as billing:
        await billing.ask("get_current_month_usage")
        control.go_dark()
        await power_cut(module)
    async with service(module, {**block, **(key if other == "key" else address)}) as billing:
        assert (await refused(billing.ask("get_current_month_usage"))).code == "cloud_unreachable"
    async with service(module, block) as billing:
        assert (await billing.ask("get_current_month_usage", max_age_s=0))["stale"] is True


async def test_a_change_is_not_forgotten_by_a_power_cut(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """The first command of the new process changes what the old one had on disk."""
    block["allowed_commands"] = ["read", "change"]
    async with service(module, block) as billing:
        await billing.ask("get_location_billing_organization")
        await power_cut(module)
    async with service(module, block) as billing:
        names = {"location_id": DEFAULT_LOCATION_ID, "billing_organization_id": NORTHWIND_ID}
        await billing.ask("update_location_billing_organization", **names)
        answer = await billing.ask("get_location_billing_organization")
    control.patch_location(DEFAULT_LOCATION_ID, billing_organization_id=DEFAULT_ORG_ID)
    assert answer["billing_organization_id"] == NORTHWIND_ID


async def test_payment_details_are_not_on_disk(module: ModuleProcess, block: dict[str, Any], state_dir: Path) -> None:
    """No e-mail, routing number, verification link; nor the key or a token."""
    async with service(module, block) as billing:
        answer = (await read_all(billing))["get_org_billing_information"]
        module.kill()
        content = all_bytes(state_dir)
    await module.restart()
    assert answer["billing_email"] == "a***@harbor.example"
    assert HARBOR_ID.encode() in content
    assert [secret for secret in SECRETS if secret in content] == []


async def test_revealed_payment_details_are_kept_apart(
    module: ModuleProcess, block: dict[str, Any], control: SandboxControl
) -> None:
    """A service that may not show them does not get them from one that may."""
    async with service(module, {**block, "reveal_payment_details": True}) as billing:
        shown = await billing.ask("get_org_billing_information", org_id=HARBOR_ID)
        async with service(module, block) as other:
            masked = await other.ask("get_org_billing_information", org_id=HARBOR_ID)
    assert (shown["billing_email"], masked["billing_email"]) == ("accounts@harbor.example", "a***@harbor.example")
    assert control.stats().calls["GetOrgBillingInformation"] == 2


async def test_revealed_payment_details_are_never_on_disk(
    module: ModuleProcess, block: dict[str, Any], state_dir: Path, control: SandboxControl
) -> None:
    """They are remembered in memory, and gone with the service that may show them."""
    async with service(module, block) as other:
        await other.ask("get_current_month_usage")
        async with service(module, {**block, "reveal_payment_details": True}) as billing:
            for _ in range(2):
                await billing.ask("get_org_billing_information", org_id=HARBOR_ID)
            await read_all(billing)
            content = all_bytes(state_dir)
        async with service(module, {**block, "reveal_payment_details": True}) as billing:
            await billing.ask("get_org_billing_information", org_id=HARBOR_ID)
    assert HARBOR_ID.encode() in content
    assert [secret for secret in SECRETS if secret in content] == []
    assert control.stats().calls["GetOrgBillingInformation"] == 2


@pytest.mark.parametrize("key", ["same", "other", "in a file that is not there", "none"])
async def test_what_earlier_versions_revealed_is_gone_from_the_disk(
    module: ModuleProcess, block: dict[str, Any], state_dir: Path, key: str
) -> None:
    """Also where the key changes together with `reveal_payment_details`; a power cut brings nothing back."""
    async with service(module, block) as billing:
        await billing.ask("get_current_month_usage")
        await power_cut(module)
    if key == "other":
        block |= {"api_key_id": HARBOR_KEY[0], "api_key": HARBOR_KEY[1]}
    if key == "none":
        del block["api_key"], block["api_key_id"]
    if key == "in a file that is not there":
        del block["api_key"]
        block["api_key_file"] = str(state_dir.parent / "missing")

    async def is_clean() -> bool:
        content = all_bytes(state_dir)
        return not any(secret in content for secret in SECRETS)

    with contextlib.closing(sqlite3.connect(state_dir / "cache.db")) as old:  # open, so that the log is not emptied
        details = " ".join(map(bytes.decode, SECRETS)) * 500
        insert = "INSERT INTO answers SELECT cloud, 'revealed:' || question, ?, as_of, valid_until FROM answers"
        old.execute(insert, (details,))
        old.commit()
        assert SECRETS[0] in (state_dir / "cache.db-wal").read_bytes()
        async with service(module, block):
            await until(is_clean)
            await power_cut(module)
    assert await is_clean()


@pytest.mark.parametrize("held", [False, True])
async def test_a_call_whose_service_is_removed_before_the_disk_has_answered_ends_at_once(
    module: ModuleProcess, block: dict[str, Any], state_dir: Path, *, held: bool
) -> None:
    """The service is new and reads what an earlier process left, if need be from a file that another process holds."""
    state_dir.mkdir(0o700)  # noqa: ASYNC240 - the test itself may wait for its own small files
    with contextlib.closing(sqlite3.connect(state_dir / "cache.db", isolation_level=None)) as other:
        if held:
            other.execute("BEGIN EXCLUSIVE")
        await module.add(block)
        call = outcome(module.do({"get_location_usage": {}}, timeout_s=30))
        found, _ = await asyncio.wait_for(asyncio.gather(call, module.remove()), 5)
    assert found.code == "cloud_unreachable"


def damaged(state_dir: Path) -> None:
    """The file is no database."""
    state_dir.mkdir()
    (state_dir / "cache.db").write_bytes(b"no database at all" * 1000)


def no_parent(state_dir: Path) -> None:
    """The folder cannot be made, as something else has its name."""
    state_dir.write_text("")


def no_file(state_dir: Path) -> None:
    """The file cannot be opened."""
    (state_dir / "cache.db").mkdir(parents=True)


@pytest.mark.parametrize("harm", [damaged, no_parent, no_file])
async def test_a_bad_disk_changes_no_answer(
    module: ModuleProcess, block: dict[str, Any], state_dir: Path, harm: Callable[[Path], None]
) -> None:
    """One line in the log; answers, memory and the last known answer are as on a good one."""
    harm(state_dir)
    before = module.log.count("answers are")
    async with service(module, block) as billing:
        first = await read_all(billing)
        second = await read_all(billing)
    assert first == second
    assert {answer["stale"] for answer in first.values()} == {False}
    assert module.log.count("answers are") == before + 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
async def test_a_full_disk_changes_no_answer(block: dict[str, Any], control: SandboxControl) -> None:
    """No file may grow any more; what is known in memory serves as before, stale answers too."""
    async with ModuleProcess() as own, service(own, block) as billing:
        resource.prlimit(own.process.pid, resource.RLIMIT_FSIZE, (8192, 8192))
        first = await read_all(billing)
        assert await read_all(billing) == first
        control.go_dark()
        assert (await billing.ask("get_invoices_summary", max_age_s=0))["stale"] is True
        assert own.log.count("answers are") == 1
