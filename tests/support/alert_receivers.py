"""Servers on loopback that take alerts: JSON over HTTP, e-mails over SMTP."""

from __future__ import annotations

import email
import json
import socket
import socketserver
import threading
from collections.abc import Callable
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from typing_extensions import Self

SECRET: Final = "s3cr3t-of-the-address"
"""A part of each address that nobody may be told."""


class HttpReceiver:
    """Takes the alerts of `json://`. `status` is its answer; `hang` keeps it from answering at all.

    `when_received` is called for each request before it is answered.
    """

    def __init__(self, port: int = 0) -> None:
        self.alerts: list[dict[str, str]] = []
        self.status = 200
        self.hang = threading.Event()
        self.when_received: Callable[[], None] = lambda: None
        receiver, released = self, threading.Event()
        self._released = released

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                alert = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if receiver.hang.is_set():
                    released.wait()
                    return
                if receiver.status == 200:
                    receiver.alerts.append(alert)
                receiver.when_received()
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"json://user:{SECRET}@127.0.0.1:{self.port}/{SECRET}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def titles(self) -> list[str]:
        """What the alerts are about, in the order in which they came."""
        return [alert["title"] for alert in self.alerts]

    @property
    def text(self) -> str:
        """All that they say."""
        return "\n".join(alert["message"] for alert in self.alerts)


class SmtpReceiver:
    """Takes the e-mails of `mailto://`."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        receiver = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 receiver")
                while line := self.rfile.readline().strip().upper():
                    if line == b"DATA":
                        self._say("354 go on")
                        content = b""
                        while (part := self.rfile.readline()) not in (b".\r\n", b""):
                            content += part
                        receiver.mails.append(email.message_from_bytes(content, policy=policy.default))
                    self._say("221 bye" if line == b"QUIT" else "250 ok")

            def _say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        port = self._server.server_address[1]
        self.url = f"mailto://127.0.0.1:{port}?from=robot@example.com&to=owner@example.com&name={SECRET}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def dead_url() -> str:
    """An address at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"json://user:{SECRET}@127.0.0.1:{unused.getsockname()[1]}/{SECRET}"
