"""The recipes of docs/ways-in.md for those who ask a machine: HTTP, the Viam CLI, monitoring."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from grpclib import GRPCError
from grpclib.client import Channel, UnaryUnaryMethod
from viam.proto.common import DoCommandRequest, DoCommandResponse

from support.docs_pages import PAGES, blocks
from support.shell import PAGE, run, script
from support.viam_server import ViamServer, billing, until
from support.white_label import encoded, png
from viam_billing_sandbox.control import SandboxControl

HOST = "localhost:8080"
KEY_ID = "5e1d0c3b-7a69-4f58-8e47-1d2c3b4a5f60"
KEYS = {
    KEY_ID: "a" * 32,
    "7f3e2d1c-0b9a-4876-9543-2f1e0d9c8b7a": "A key of %s and \\ and more than 64 characters".ljust(90, "-"),
}
"""One as long as Viam's are, one that is longer and has what a shell's printf could take for its own."""
AUTH = {"handlers": [{"type": "api-key", "config": {**KEYS, "keys": list(KEYS)}}]}


async def asked(server: ViamServer, word: str, folder: Path) -> Any:  # noqa: ANN401 - any JSON
    """What the page's command prints."""
    async with server.machine() as machine:
        await machine.ready()
    done = await run(script(word, {HOST: f"localhost:{server.port}"}), folder)
    assert done.code == 0, done.errors
    return json.loads(done.output)


async def test_a_command_is_sent_with_curl(server: ViamServer, tmp_path: Path) -> None:
    answer = await asked(server, "get_invoices_summary", tmp_path)
    assert len(answer["result"]["get_invoices_summary"]["invoices"]) == 3


async def test_the_largest_logo_is_sent_with_curl_from_a_file(
    start: Callable[..., ViamServer], attributes: dict[str, Any], tmp_path: Path
) -> None:
    """With the option of the page; on a command line it has no room."""
    (option,) = re.findall(r"`(--data-urlencode command@.+)`", PAGES[PAGE])
    logo = {"org_id": attributes["org_id"], "content_base64": encoded(png(200_000))}
    (tmp_path / option.partition("@")[2]).write_text(json.dumps({"organization_set_logo": logo}))
    server = start(services=[billing({**attributes, "allowed_commands": ["organization_set_logo"]})])
    async with server.machine() as machine:
        await machine.ready()
    done = await run(f"curl -s localhost:{server.port}/api/v1/service/generic/billing/do_command {option}", tmp_path)
    assert json.loads(done.output)["result"]["organization_set_logo"]["size_bytes"] == 200_000


async def test_the_status_is_asked_with_curl(server: ViamServer, tmp_path: Path) -> None:
    answer = await asked(server, "get_status", tmp_path)
    assert answer["result"]["allowed_commands"] == ["read"]


@pytest.mark.parametrize(
    "sent",
    [
        """-d '{"command": {"help": {}}}'""",
        """-H 'content-type: application/json' -d '{"help": {}}'""",
        """--data-urlencode 'comand={"help": {}}'""",
        "-d ''",
    ],
)
async def test_a_command_that_got_lost_is_told(server: ViamServer, sent: str, tmp_path: Path) -> None:
    """The error says what did not arrive, and its own curl options work."""
    async with server.machine() as machine:
        await machine.ready()
    url = f"localhost:{server.port}/api/v1/service/generic/billing/do_command"
    done = await run(f"curl -s -w '\\n%{{http_code}}' {url} {sent}", tmp_path)
    body, status = done.output.rsplit("\n", 1)
    message = json.loads(body)["message"]
    assert status == "400"
    assert message.startswith("invalid_request: found no command, expected one. ")
    advice = message[message.index("(curl ") + len("(curl ") : message.index(");")]
    assert '"commands"' in (await run(f"curl -s {url} {advice}", tmp_path)).output


async def test_a_token_opens_a_machine_that_wants_a_key(
    start: Callable[..., ViamServer], attributes: dict[str, Any], tmp_path: Path
) -> None:
    """Of each key; with another key there is none, and the answer is viam-server's refusal."""
    server = start(services=[billing(attributes)], auth=AUTH)

    async def ask(key_id: str, key: str) -> Any:  # noqa: ANN401 - any JSON
        own = {
            HOST: f"localhost:{server.port}",
            "=MACHINE-KEY-ID": f"={key_id}",
            "=MACHINE-KEY\n": f"={shlex.quote(key)}\n",
        }
        done = await run(script("TOKEN=", own), tmp_path)
        return json.loads(done.output or "{}")

    async def result() -> Any:  # noqa: ANN401 - any JSON
        return (await ask(KEY_ID, KEYS[KEY_ID])).get("result")

    usage = (await until(result, f"the service answers: {server.log}"))["get_location_usage"]
    assert usage["location_id"] == attributes["location_id"]
    assert [set(await ask(*pair)) for pair in KEYS.items()] == [{"result"}] * 2
    refused = await ask(KEY_ID, "b" * 32)
    assert refused["code"] == 16
    assert "location_id" not in json.dumps(refused)


async def test_the_request_of_the_viam_cli_is_one(server: ViamServer) -> None:
    """Read as the CLI reads it, which drops unknown fields, and sent to the method that it names."""
    words = shlex.split(script("viam machines part run", {}))
    data, (service, _, method) = json.loads(words[words.index("--data") + 1]), words[-1].rpartition(".")
    async with server.machine() as machine:
        await machine.ready()
    channel = Channel("localhost", server.port)
    call = UnaryUnaryMethod(channel, f"/{service}/{method}", DoCommandRequest, DoCommandResponse)
    try:
        request = json_format.ParseDict(data, DoCommandRequest(), ignore_unknown_fields=True)
        answer = json_format.MessageToDict((await call(request, timeout=20)).result)
        assert answer["get_location_usage"]["month_to_date"] > 0
        data["comand"] = data.pop("command")
        misspelt = json_format.ParseDict(data, DoCommandRequest(), ignore_unknown_fields=True)
        with pytest.raises(GRPCError, match='for the Viam CLI it is "command" in --data'):
            await call(misspelt, timeout=20)
    finally:
        channel.close()


async def test_monitoring_costs_no_call(
    start: Callable[..., ViamServer], attributes: dict[str, Any], control: SandboxControl
) -> None:
    """Before the first question it is not connected; the function of the page needs nobody."""
    names: dict[str, Any] = {}
    (code,) = (block.text for block in blocks(PAGE) if block.language == "python")
    exec(code, names)  # noqa: S102 - the page's own
    server = start(services=[billing(attributes)])
    async with server.machine() as machine:
        await machine.ready()
        assert await names["needs_a_person"](machine.robot) is False
        assert (await machine.ask({"get_status": {}}))["get_status"]["connected"] is False
        assert control.stats().calls == {}
        await machine.ask({"get_location_usage": {}})
        assert (await machine.ask({"command": "get_status"}))["connected"] is True
