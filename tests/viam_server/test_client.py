"""The client for callers, of a machine that wants a key."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from support.viam_server import ViamServer, billing, until
from viam_billing_client import Billing, InvalidRequestError, NoConnectionError, NoServiceError

KEY_ID = "5e1d0c3b-7a69-4f58-8e47-1d2c3b4a5f60"
AUTH = {"handlers": [{"type": "api-key", "config": {KEY_ID: "the machine's key", "keys": [KEY_ID]}}]}


async def test_a_key_opens_the_machine(start: Callable[..., ViamServer], attributes: dict[str, Any]) -> None:
    """The right one; answers and errors are the module's, and a service that is not there is told."""
    server = start(services=[billing(attributes)], auth=AUTH)

    async def asked() -> str | None:
        try:
            async with connected("the machine's key") as opened:
                return (await opened.get_location_usage()).location_id
        except (NoConnectionError, NoServiceError):  # not yet
            return None

    def connected(key: str, service: str = "billing") -> AbstractAsyncContextManager[Billing]:
        return Billing.connect(
            f"localhost:{server.port}", api_key=key, api_key_id=KEY_ID, service=service, insecure=True
        )

    assert await until(asked, f"the service answers: {server.log}") == attributes["location_id"]
    async with connected("the machine's key") as opened:
        with pytest.raises(InvalidRequestError, match="limit: found 0"):
            await opened.get_invoices_summary(limit=0)
    async with connected("the machine's key", "other") as other:
        with pytest.raises(NoServiceError, match='"other"'):
            await other.help()
    with pytest.raises(NoConnectionError):
        async with connected("another key"):
            pass
