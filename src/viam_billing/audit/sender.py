"""The process that sends alerts to one address with Apprise, see `courier`. It knows nothing of the module.

What it says of a failure is one of the texts here: Apprise's own words hold parts of the address.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from typing import Any, Final

ARGUMENT: Final = "send-alerts"
"""Starts this instead of the module."""
SEND_S: Final = 30
"""How long one alert may take, and reading the address."""
_READ_S: Final = 20.0
"""How long an HTTP address may take to answer, unless it has its own `rto`: one given up after Apprise's 4 seconds may
have taken the alert, and would get it again."""

UNUSABLE: Final = "Apprise cannot use this address: it knows no such service, or a part is missing or wrong"
_WHYS: Final = (
    (r"error=(\d{3})\b", "it answered with the HTTP status {}"),
    (r"Name or service not known|name resolution|NameResolution|nodename nor servname", "its host has no address"),
    (r"(?i)refused", "the connection was refused"),
    (r"(?i)certificate|ssl", "its TLS certificate is not trusted, or it does not speak TLS"),
    (r"(?i)timed out|timeout|did not finish", "it did not answer in time"),
    (r"(?i)authenticat", "it did not accept the user or the password"),
    (r"(?i)unreachable|connection|socket", "it could not be reached"),
)
"""What a line of Apprise's log looks like, and what is told of it; the first that fits."""


class _Lines(logging.Handler):
    """Keeps what Apprise logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def main() -> None:
    """Read an address and alerts on stdin, a line of JSON each; answer each on stdout."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the module blocks those that end it
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    service: Any = None
    for line in sys.stdin:
        signal.alarm(SEND_S + 5)  # ends the process, also where the module does not live to do it
        message = json.loads(line)
        if "address" in message:
            service = _service(message["address"], message["certificates"])
            why = "" if service is not None else UNUSABLE
        else:
            why = _sent(service, message["title"], message["body"])
        signal.alarm(0)
        answers.write(json.dumps({"why": why} if why else {}) + "\n")


def _service(address: str, certificates: str) -> Any:  # noqa: ANN401 - Apprise's
    """What Apprise makes of the address; None where it makes nothing of it."""
    import certifi  # noqa: PLC0415 - of this process only

    certifi.where = lambda: certificates  # the archive has no file of its own for it

    import apprise  # noqa: PLC0415 - the same

    asset = apprise.AppriseAsset(app_id="viam-billing", app_desc="Viam billing alerts", service_timeout=SEND_S)
    asset.async_mode = False
    service = apprise.Apprise.instantiate(address, asset=asset)
    if service is not None and service.socket_read_timeout == apprise.URLBase.socket_read_timeout:
        service.socket_read_timeout = _READ_S
    return service


def _sent(service: Any, title: str, body: str) -> str:  # noqa: ANN401 - Apprise's
    """Send an alert. Returns why the address did not take it, empty where it did."""
    import apprise  # noqa: PLC0415 - see above

    log = _Lines()
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.handlers = [log]
    services = apprise.Apprise()
    services.add(service)
    if services.notify(body=body, title=title, notify_type="warning", body_format="text"):
        return ""
    return next(
        (
            text.format(*found.groups())
            for pattern, text in _WHYS
            for found in map(re.compile(pattern).search, log.lines)
            if found
        ),
        "it did not take it",
    )
