"""What starts a viam-server with the sandbox: beginning and end, with a program in viam-server's place."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.module_process import PACKAGED

pytestmark = pytest.mark.skipif(PACKAGED, reason="the sandbox runs from the source tree")

STAND_IN = f"""#!{sys.executable}
import http.server, json, socketserver, sys
address = json.load(open(sys.argv[sys.argv.index("-config") + 1]))["network"]["bind_address"]
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/end":
            sys.exit(3)
server = socketserver.TCPServer(("127.0.0.1", int(address.rpartition(":")[2])), Answer)
while True:
    server.handle_request()
"""
"""Answers every question, and ends when it is asked for /end."""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The starter, ready, and what it printed, by its words."""
    stand_in = tmp_path / "viam-server"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o700)
    command = [sys.executable, "-m", "viam_billing_sandbox.viam_server", str(stand_in), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:  # noqa: S603 - this project's own
        assert process.stdout is not None
        printed: dict[str, str] = {}
        for line in process.stdout:
            name, _, printed[name] = line.strip().partition(": ")
            if name == "machine ready":
                break
        yield process, printed
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_after_a_signal(
    started: tuple[subprocess.Popen[str], dict[str, str]], number: signal.Signals
) -> None:
    """The configuration has what the machine needs and is gone with the folder; the port is free."""
    process, printed = started
    file = Path(printed["configuration"])
    services = json.loads(file.read_text())["services"]
    assert [service["name"] for service in services] == ["billing", "data_manager"]
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert not file.parent.exists()
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", int(printed["machine ready"].rpartition(":")[2]))) != 0


def test_a_viam_server_that_ends_is_told(started: tuple[subprocess.Popen[str], dict[str, str]]) -> None:
    process, printed = started
    with socket.create_connection(("127.0.0.1", int(printed["machine ready"].rpartition(":")[2]))) as caller:
        caller.sendall(b"GET /end HTTP/1.0\r\n\r\n")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "error: viam-server ended with status 3." in errors


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ("/nowhere/viam-server", 2, "/nowhere/viam-server cannot be executed"),
        ("/bin/false --port 65536", 2, "port 65536 cannot be used ("),
        ("/bin/false --port {taken}", 2, "port {taken} cannot be used ([Errno 98] "),
        ("/bin/false --port 0", 1, "the viam-server ended with status 1 before it was ready."),
    ],
)
def test_what_cannot_start_is_told(arguments: str, code: int, told: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = {"taken": taken.getsockname()[1]}
        command = [sys.executable, "-m", "viam_billing_sandbox.viam_server", *arguments.format(**words).split()]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)  # noqa: S603 - this project's own
    assert done.returncode == code
    assert f"error: {told.format(**words)}" in done.stderr
