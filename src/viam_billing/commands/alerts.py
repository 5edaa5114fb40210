"""The command that tries the addresses of alerts."""

from __future__ import annotations

from functools import partial

from viam_billing.cache.readings import Call
from viam_billing.commands.context import Answer, Context, command
from viam_billing.core.errors import NotConfiguredError
from viam_billing.settings.records import Record


@command("notify", Record, "Send a test alert to each address of alert_urls, and tell which of them took it.")
async def test_alert(parameters: Record, context: Context, call: Call) -> Answer:  # noqa: ARG001 - the signature of every command
    """An address that did not take it is told by its place in the list: it is a secret."""
    if context.alerts is None:
        raise NotConfiguredError("no address is known. Set the attribute alert_urls.")
    whys = await context.alerts.test(partial(context.begin, call))
    failed = [{"position": position, "why": why} for position, why in enumerate(whys, 1) if why]
    return {"sent": len(whys) - len(failed), "failed": failed}
