"""The command that tries the addresses of alerts."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from viam_billing.cache.readings import Call
from viam_billing.commands.context import Context, command
from viam_billing.core.errors import NotConfiguredError
from viam_billing.settings.answers import AnswerRecord, says
from viam_billing.settings.records import Record


class FailedAddress(AnswerRecord, frozen=True, kw_only=True):
    """An address that did not take the test alert. The address itself is a secret."""

    position: Annotated[int, says("Its place in alert_urls; the first is 1")]
    why: Annotated[str, says("Why it did not take it, without anything of the address")]


class AlertTest(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `test_alert`."""

    sent: Annotated[int, says("How many addresses took it")]
    failed: Annotated[list[FailedAddress], says("The addresses that did not")]


@command("notify", Record, "Send a test alert to each address of alert_urls, and tell which of them took it.")
async def test_alert(parameters: Record, context: Context, call: Call) -> AlertTest:  # noqa: ARG001 - the signature of every command
    """An address that did not take it is told by its place in the list: it is a secret."""
    if context.alerts is None:
        raise NotConfiguredError("no address is known. Set the attribute alert_urls.")
    whys = await context.alerts.test(partial(context.begin, call))
    failed = [FailedAddress(position=position, why=why) for position, why in enumerate(whys, 1) if why]
    return AlertTest(sent=len(whys) - len(failed), failed=failed)
