"""How many functions of the module one read enters, cold and cached: what a maintainer walks through to follow it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from viam.resource.manager import ResourceManager

import viam_billing
from benchmarks.figures import Bar, Figure
from benchmarks.processes import attributes
from support.fake_stream import FakeStream
from support.sandbox_process import SandboxProcess
from viam_billing.commands import EFFECTS
from viam_billing.module.container import Container
from viam_billing.module.service import BillingRPCService, BillingService
from viam_billing.module.shared import Shared
from viam_billing.settings.attributes import parse_attributes

if TYPE_CHECKING:
    from benchmarks.load import Size

_OURS = str(Path(viam_billing.__file__).parent)
_COMPREHENSIONS = {"<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"}
_QUESTION: dict[str, Any] = {"get_location_billing_organization": {}}


async def entered(call: Awaitable[object]) -> list[str]:
    """The functions of the module that this thread enters during a call, each once, in their order."""
    found: dict[CodeType, None] = {}

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(_OURS) and code.co_name not in _COMPREHENSIONS:
            found.setdefault(code)

    sys.setprofile(profile)
    try:
        await call
    finally:
        sys.setprofile(None)
    return [f"{Path(code.co_filename).relative_to(_OURS)}:{code.co_name}" for code in found]


async def of_reads() -> tuple[list[str], list[str]]:
    """The functions of a cold `get_location_billing_organization`, and of the same one cached."""
    with SandboxProcess("--quiet") as sandbox:
        service = BillingService("billing", Container(parse_attributes(attributes(sandbox), {}, EFFECTS), Shared()))
        handler = BillingRPCService(ResourceManager([service]))
        await handler.DoCommand(FakeStream({"get_available_billing_tiers": {}}))  # connects and logs in
        cold, cached = [await entered(handler.DoCommand(FakeStream(_QUESTION))) for _ in range(2)]
        await service.close()
    return cold, cached


async def functions(size: Size) -> list[Figure]:  # noqa: ARG001 - the signature of every measurement
    """Both counts."""
    cold, cached = await of_reads()
    what = "functions of ours that a read of who pays enters"
    return [
        Figure("functions_cold", f"{what}, cold", len(cold), "", Bar(at_most=30), details={"functions": cold}),
        Figure("functions_cached", f"{what}, cached", len(cached), "", Bar(at_most=20), details={"functions": cached}),
    ]
