"""The client of a sandbox's control, for tests and the demonstration, and its command line.

python -m viam_billing_sandbox.control 127.0.0.1:PORT fault '{"rpc": "GetInvoicePdf", "status": "UNAVAILABLE"}'
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from viam_billing_sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

    from viam_billing_sandbox.server.listener import Connections

_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.01
_COMMANDS: Final = {
    "fault": "SetFault",
    "clear": "ClearFaults",
    "stats": "Stats",
    "reset": "ResetStats",
    "patch": "Patch",
    # of a stand-in machine's control
    "errors": "Errors",
    "kill-module": "KillModule",
    "stop-module": "StopModule",
    "start-module": "StartModule",
    "stop-machine": "StopMachine",
    "start-machine": "StartMachine",
    "status": "Status",
}

__all__ = ["ControlError", "Fault", "SandboxControl", "Stats", "main"]


@dataclass(frozen=True)
class Stats:
    """What the sandbox has seen since it started or since `reset_stats`.

    `calls` counts the requests by RPC name, `finished` those whose work was done, whether or not the caller stayed.
    """

    calls: Mapping[str, int]
    finished: Mapping[str, int]
    in_flight: int
    max_in_flight: int
    logins: int
    emails: Sequence[Mapping[str, str]]
    charges: Sequence[Mapping[str, Any]]
    changes: Sequence[Mapping[str, str]]
    open_connections: int


class ControlError(Exception):
    """The sandbox refused a request; the text says why."""


class SandboxControl:
    """A blocking client of one sandbox's control; threads may share it."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=_TIMEOUT_S)
        self._file = self._socket.makefile("rwb")
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the sandbox keeps running."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._socket.close()

    def call(self, method: str, request: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Sends one request as it is; the other methods use this one.

        Raises:
            ControlError: The request is wrong.
            OSError: The sandbox is gone.
        """
        line = json.dumps({"method": method, "request": request or {}}).encode() + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            line = self._file.readline()
        if not line:
            raise ConnectionResetError("the sandbox has closed its control")
        response = json.loads(line)
        if "error" in response:
            raise ControlError(response["error"])
        answer: dict[str, Any] = response["answer"]
        return answer

    def set_fault(self, fault: Fault) -> None:
        """Adds a fault."""
        self.call("SetFault", fault.to_request())

    def connections(self, mode: Connections) -> None:
        """Sets what happens to new connections; open ones stay."""
        self.call("SetFault", {"connections": mode})

    def cut(self) -> None:
        """Resets all open connections."""
        self.call("SetFault", {"connections": "cut"})

    def mute(self) -> None:
        """Silences all open connections without closing them, as a broken network does."""
        self.call("SetFault", {"connections": "mute"})

    def go_dark(self) -> None:
        """Refuses new connections and resets the open ones: an outage, until `clear_faults`."""
        self.connections("refuse")
        self.cut()

    def token_lifetime(self, *, seconds: float | None = None, calls: int | None = None) -> None:
        """Limits the lifetime of all tokens, older ones included; None leaves a limit as it is."""
        limits = {"token_lifetime_s": seconds, "token_lifetime_calls": calls}
        self.call("SetFault", {name: value for name, value in limits.items() if value is not None})

    def expire_tokens(self) -> None:
        """Expires all tokens given out so far."""
        self.call("SetFault", {"expire_tokens": True})

    def clear_faults(self) -> None:
        """Removes all faults of calls, connections and tokens."""
        self.call("ClearFaults")

    def stats(self) -> Stats:
        """Returns what has happened."""
        return Stats(**self.call("Stats"))

    def wait_for(self, condition: Callable[[Stats], bool], *, timeout_s: float = 5.0) -> Stats:
        """Polls until the condition holds. Returns the stats for which it does.

        Raises:
            TimeoutError: It does not hold in time.
        """
        end_s = time.monotonic() + timeout_s
        while not condition(stats := self.stats()):
            if time.monotonic() > end_s:
                raise TimeoutError(f"the condition does not hold; last seen: {stats}")
            time.sleep(_POLL_S)
        return stats

    def reset_stats(self) -> None:
        """Sets counters and records to zero; the cloud's state stays."""
        self.call("ResetStats")

    def patch_organization(self, org_id: str, **changes: object) -> None:
        """Changes name, billing_email, billing_tier, tells_tier, pdf_size_bytes, usage, its growth or its month.

        Names and values are those of the scenario; `usage_start` and `usage_end` are None where the API tells no date.
        `add_invoices` takes a list of the scenario's invoices and appends them.
        """
        self.call("Patch", {"organization": org_id, **changes})

    def patch_location(self, location_id: str, **changes: object) -> None:
        """Changes name, organization_id, billing_organization_id (empty: the API names none) or robot_count."""
        self.call("Patch", {"location": location_id, **changes})


def main(arguments: Sequence[str]) -> int:
    """Sends one request and prints the answer. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="viam_billing_sandbox.control", description="Steers a running sandbox or stand-in machine."
    )
    parser.add_argument("address", help="what was printed after `sandbox control:` or `machine control:`")
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.add_argument("json", nargs="?", default="{}", help="the request, for fault, patch and errors")
    parsed = parser.parse_args(arguments)
    try:
        request = json.loads(parsed.json)
    except ValueError as error:
        parser.error(f"not JSON: {error}")
    if not isinstance(request, dict):
        parser.error("the request is a JSON object")
    try:
        with SandboxControl(parsed.address) as control:
            answer = control.call(_COMMANDS[parsed.command], request)
    except (ControlError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{json.dumps(answer, indent=2)}\n" if answer else "done\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
