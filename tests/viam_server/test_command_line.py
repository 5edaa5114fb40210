"""The command line against a machine that wants a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from support.cli_process import Done, run
from support.viam_server import ViamServer, billing, until

KEY = "the machine's key"
KEY_ID = "5e1d0c3b-7a69-4f58-8e47-1d2c3b4a5f60"
AUTH = {"handlers": [{"type": "api-key", "config": {KEY_ID: KEY, "keys": [KEY_ID]}}]}


async def test_a_key_of_the_environment_opens_the_machine(
    start: Callable[..., ViamServer], attributes: dict[str, Any]
) -> None:
    """And errors of the module, of the machine and of the key each have their exit code."""
    server = start(services=[billing(attributes)], auth=AUTH)

    async def ask(*arguments: str, key: str = KEY) -> Done:
        env = {"VIAM_BILLING_API_KEY": key, "VIAM_BILLING_API_KEY_ID": KEY_ID, "VIAM_BILLING_INSECURE": "1"}
        return await run(*arguments, "--address", f"localhost:{server.port}", env=env)

    async def usage() -> str | None:
        done = await ask("usage", "-o", "json")
        return None if done.code else done.output

    answer = json.loads(await until(usage, f"the service answers: {server.log}"))
    assert answer["location_id"] == attributes["location_id"]
    refused = await ask("do", '{"get_invoices_summary": {"limit": 0}}')
    assert (refused.code, refused.errors.startswith("viam-billing: invalid_request: limit")) == (1, True)
    assert (await ask("usage", "--service", "other")).code == 3
    wrong = await ask("usage", key="another key")
    assert (wrong.code, wrong.output, wrong.errors.count("\n")) == (3, "", 1)
    assert "another key" not in wrong.errors
    without = await run("usage", "--insecure", "--address", f"localhost:{server.port}")
    assert (without.code, "needs an API key" in without.errors, without.errors.count("\n")) == (3, True, 1)
