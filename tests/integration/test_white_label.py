"""White-labelled billing: what is read, changed and read back, and what is refused before it is sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from support.module_process import Service, refused
from support.sandbox_caller import HARBOR_ID
from support.white_label import ADDRESS, LOGO, chunk, encoded, picture, png
from viam_billing_sandbox.control import Fault, SandboxControl
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = {**ADDRESS, "address_line_2": "Floor 2"}
WRONG_EMAILS = (
    *("nobody", "a b@x.com", "a@x.com\nBcc: b@x.com", "x" * 249 + "@x.com", "a@x.com\n", "mailto:a@x.com", "a@x..com"),
    *(
        "a@x.com.",
        "a@.com",
        ".a@x.com",
        "a.@x.com",
        "a..b@x.com",
        "a@x",
        "a@-x.com",
        "a@x-.com",
        "a@1.2.3.4",
        "<a@x.com>",
    ),
    *("a@x.com,b@x.com", "a@b@x.com", "@x.com", "a@", "a@x.com?subject=b", "a@" + "x" * 64 + ".com"),
)
CHANGES: dict[str, dict[str, Any]] = {
    "enable_billing_service": {"billing_address": ADDRESS},
    "update_billing_service": {"billing_address": ADDRESS},
    "disable_billing_service": {},
    "organization_set_support_email": {"email": "help@example.com"},
    "organization_set_logo": {"content_base64": LOGO},
}


@pytest_asyncio.fixture(loop_scope="module")
async def biller(make: Callable[..., Awaitable[Service]], control: SandboxControl) -> Service:
    """A service that may change, and an organization that bills nobody yet."""
    service = await make(allowed_commands=["read", "change"], timeout_s=2)
    await service.ask("disable_billing_service", org_id=DEFAULT_ORG_ID)
    await service.ask("organization_set_support_email", org_id=DEFAULT_ORG_ID, email="old@example.com")
    control.reset_stats()
    return service


async def test_billing_is_enabled_changed_and_disabled(biller: Service, control: SandboxControl) -> None:
    """Each change is read back, and seen at once by who takes a remembered answer."""
    ids = {"org_id": DEFAULT_ORG_ID}
    config = await biller.ask("get_billing_service_config")
    assert "billing_address" not in config
    assert config["stale"] is False
    enabled = await biller.ask("enable_billing_service", **ids, billing_address=ADDRESS)
    assert enabled == {**ids, "billing_address": ADDRESS, "changed": True}
    config = await biller.ask("get_billing_service_config")
    assert config["billing_address"] == ADDRESS
    assert config["billing_dashboard_url"].endswith(DEFAULT_ORG_ID)
    updated = await biller.ask("update_billing_service", **ids, billing_address=OTHER)
    assert updated == {**ids, "billing_address": OTHER, "changed": True}
    assert (await biller.ask("get_billing_service_config"))["billing_address"] == OTHER
    assert await biller.ask("disable_billing_service", **ids) == {**ids, "changed": True}
    assert "billing_address" not in await biller.ask("get_billing_service_config")
    sent: Any = control.stats().changes
    assert [change["billing_address"] for change in sent] == [ADDRESS, OTHER, None]


@pytest.mark.parametrize(
    "email", ["help@example.com", "o'neil.x+y@sub-domain.co.uk", "hilfe@bücher.example", "x" * 248 + "@x.com"]
)
async def test_the_support_email_is_changed(biller: Service, email: str) -> None:
    assert (await biller.ask("organization_get_support_email"))["email"] == "old@example.com"
    answer = await biller.ask("organization_set_support_email", org_id=DEFAULT_ORG_ID, email=email)
    assert answer == {"org_id": DEFAULT_ORG_ID, "email": email, "changed": True}
    assert (await biller.ask("organization_get_support_email"))["email"] == email
    assert (await biller.ask("get_billing_service_config"))["support_email"] == email


@pytest.mark.parametrize("size_bytes", [0, 200_000])
async def test_a_logo_is_set(biller: Service, control: SandboxControl, size_bytes: int) -> None:
    """Up to 200 KB, in either spelling."""
    logo = png(size_bytes)
    request = {"org_id": DEFAULT_ORG_ID, "content_base64": encoded(logo)}
    answer = await biller.ask("organization_set_logo", **request)
    assert (answer["org_id"], answer["size_bytes"]) == (DEFAULT_ORG_ID, len(logo))
    assert (await biller.ask("organization_get_logo"))["url"] == answer["url"]
    nested = await biller.do({"organization_set_logo": request})
    assert nested["organization_set_logo"] == answer
    sent: Any = control.stats().changes
    assert [change["logo_bytes"] for change in sent] == [len(logo)] * 2


@pytest.mark.parametrize(
    "logo",
    [
        picture(10_000, 1),
        picture(1, 10_000, depth=1, colour=3),
        picture(2, 2, depth=16, colour=6),
        picture(1, 1, colour=2, interlaced=1),
    ],
)
async def test_a_logo_may_be_of_any_kind_of_png(biller: Service, logo: bytes) -> None:
    answer = await biller.ask("organization_set_logo", org_id=DEFAULT_ORG_ID, content_base64=encoded(logo))
    assert answer["size_bytes"] == len(logo)


@pytest.mark.parametrize(
    "content",
    [
        encoded(png(200_001)),
        encoded(b"\xff\xd8\xff\xe0" + b"x" * 100),
        encoded(png()[:-1]),
        encoded(png() + b"x"),
        encoded(png().replace(b"IDAT", b"IDAX")),
        encoded(png()[:8] + chunk(b"IHDR", b"") + chunk(b"IEND", b"")),
        encoded(png()[:8]),
        encoded(picture(1, 1).replace(chunk(b"IDAT", b"pixels"), b"")),
        encoded(picture(1, 1).replace(chunk(b"IDAT", b"pixels"), chunk(b"IDAT", b""))),
        encoded(picture(1, 1, colour=3).replace(chunk(b"PLTE", bytes(3)), b"")),
        encoded(picture(0, 1)),
        encoded(picture(1, 0)),
        encoded(picture(10_001, 1)),
        encoded(picture(1, 60_000)),
        encoded(picture(1, 1, depth=3)),
        encoded(picture(1, 1, colour=5)),
        encoded(picture(1, 1, interlaced=2)),
        LOGO[:-2],
        LOGO + "\n",
        "",
        "\u00e9",
    ],
)
async def test_what_is_no_png_of_200_kb_is_refused(biller: Service, control: SandboxControl, content: str) -> None:
    refusal = await refused(biller.ask("organization_set_logo", org_id=DEFAULT_ORG_ID, content_base64=content))
    assert refusal.code == "invalid_request"
    assert "expected a whole PNG of at most 200,000 bytes and 10,000 pixels a side" in refusal.text
    assert control.stats().calls == {}


@pytest.mark.parametrize(
    ("command", "wrong", "named"),
    [
        *(
            ("organization_set_support_email", {"email": email}, "expected an e-mail address of at most 254 characters")
            for email in WRONG_EMAILS
        ),
        ("organization_set_support_email", {}, "email"),
        ("enable_billing_service", {"billing_address": {**ADDRESS, "city": ""}}, "billing_address.city"),
        ("enable_billing_service", {"billing_address": {**ADDRESS, "town": "x"}}, "town"),
        ("update_billing_service", {"billing_address": {"city": "x"}}, "billing_address.state"),
        ("update_billing_service", {"billing_address": "1 Main Street"}, "billing_address"),
    ],
)
async def test_a_wrong_parameter_is_named(
    biller: Service, control: SandboxControl, command: str, wrong: dict[str, Any], named: str
) -> None:
    refusal = await refused(biller.ask(command, org_id=DEFAULT_ORG_ID, **wrong))
    assert (refusal.code, named in refusal.text) == ("invalid_request", True)
    assert control.stats().calls == {}


@pytest.mark.parametrize("command", CHANGES)
async def test_a_dry_run_sends_nothing(biller: Service, control: SandboxControl, command: str) -> None:
    answer = await biller.ask(command, org_id=DEFAULT_ORG_ID, dry_run=True, **CHANGES[command])
    assert answer["dry_run"] is True
    assert answer["would_send"]["org_id"] == DEFAULT_ORG_ID
    assert control.stats().changes == []


@pytest.mark.parametrize("command", ["enable_billing_service", "organization_set_support_email"])
async def test_what_is_so_already_is_not_sent_again(biller: Service, control: SandboxControl, command: str) -> None:
    request = {"org_id": DEFAULT_ORG_ID, **CHANGES[command]}
    await biller.ask(command, **request)
    assert (await biller.ask(command, **request))["changed"] is False
    assert (await biller.ask(command, **request, dry_run=True))["would_send"] == {}
    assert len(control.stats().changes) == 1


@pytest.mark.parametrize("command", CHANGES)
async def test_another_organization_stays_as_it_is(biller: Service, control: SandboxControl, command: str) -> None:
    """It is out of scope, and there is no default."""
    assert (await refused(biller.ask(command, org_id=HARBOR_ID, **CHANGES[command]))).code == "out_of_scope"
    assert (await refused(biller.ask(command, **CHANGES[command]))).code == "invalid_request"
    assert control.stats().calls == {}


async def test_a_change_that_cannot_be_read_back_is_no_failure(biller: Service, control: SandboxControl) -> None:
    control.set_fault(Fault("OrganizationGetSupportEmail", status="PERMISSION_DENIED"))
    answer = await biller.ask("organization_set_support_email", org_id=DEFAULT_ORG_ID, email="help@example.com")
    assert answer == {"org_id": DEFAULT_ORG_ID, "email": "help@example.com"}


@pytest.mark.parametrize("command", CHANGES)
async def test_a_lost_answer_says_that_it_may_have_been_done(
    biller: Service, control: SandboxControl, command: str
) -> None:
    rpc = "".join(word.capitalize() for word in command.split("_"))
    control.set_fault(Fault(rpc, drop_connection=True, when="after"))
    if command == "update_billing_service":
        await biller.ask("enable_billing_service", org_id=DEFAULT_ORG_ID, billing_address=OTHER)
    refusal = await refused(biller.ask(command, org_id=DEFAULT_ORG_ID, **CHANGES[command]))
    assert refusal.code == "cloud_unreachable"
    assert "It may have been done" in refusal.text
    assert control.stats().calls[rpc] == 1


async def test_every_attempt_is_in_the_audit_log_and_no_logo(biller: Service) -> None:
    await biller.ask("organization_set_logo", org_id=DEFAULT_ORG_ID, content_base64=encoded(png(200_000)))
    entry = (await biller.ask("get_audit_log", limit=1))["entries"][0]
    assert (entry["command"], entry["allowed"]) == ("organization_set_logo", True)
    assert entry["parameters"]["org_id"] == DEFAULT_ORG_ID
    assert len(json.dumps(entry)) < 2048
