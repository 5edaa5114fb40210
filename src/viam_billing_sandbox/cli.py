"""The command line of `python -m viam_billing_sandbox`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from viam_billing.version import VERSION
from viam_billing_sandbox import fleet, scenario_file
from viam_billing_sandbox.cloud import Cloud
from viam_billing_sandbox.control_service import ControlService
from viam_billing_sandbox.months import utc_now
from viam_billing_sandbox.scenario import DEFAULT_PATH
from viam_billing_sandbox.server import certificate
from viam_billing_sandbox.server.calls import Calls
from viam_billing_sandbox.server.listener import Listener
from viam_billing_sandbox.strict import ScenarioError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from viam_billing_sandbox.scenario import Scenario

_USAGE_ERROR: Final = 2
_LOOPBACK: Final = "127.0.0.1"


class _UsageError(Exception):
    """The sandbox cannot start as asked; the text is one line."""


@dataclass(frozen=True)
class _Options:
    host: str
    port: int
    socket: Path | None
    control_port: int
    tls: ssl.SSLContext | None
    quiet: bool


def main(arguments: Sequence[str]) -> int:
    """Runs until SIGTERM or SIGINT. Returns the exit code: 2 for a mistake in the arguments or the scenario."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        scenario = _scenario(parsed)
        asyncio.run(_serve(Cloud(scenario), _options(parsed)))
    except (_UsageError, ScenarioError, OSError) as error:
        sys.stderr.write(f"{parser.prog}: error: {error}\n")
        return _USAGE_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="viam_billing_sandbox", description="A Viam cloud for one machine, to develop billing against."
    )
    parser.add_argument("--host", default=_LOOPBACK, help="a loopback address; anything else is refused")
    parser.add_argument("--port", type=int, default=0, help="the TCP port; 0 takes a free one")
    parser.add_argument("--socket", type=Path, help="listen on this unix socket instead")
    parser.add_argument("--control-port", type=int, default=0, help="the control's TCP port; 0 takes a free one")
    parser.add_argument("--tls", action="store_true", help="speak TLS, with a certificate made at the start")
    parser.add_argument("--cert", type=Path, help="speak TLS with this certificate (PEM)")
    parser.add_argument("--key", type=Path, help="the certificate's key (PEM)")
    parser.add_argument("--scenario", type=Path, help="a JSON file in place of the default scenario")
    parser.add_argument("--locations", type=int, help="make a fleet of this many locations instead")
    parser.add_argument("--organizations", type=int, help="billed to this many organizations")
    parser.add_argument("--quiet", action="store_true", help="no line per call")
    parser.add_argument("--version", action="version", version=VERSION)
    return parser


def _scenario(parsed: argparse.Namespace) -> Scenario:
    locations, organizations = parsed.locations, parsed.organizations
    if locations is None and organizations is None:
        path: Path = parsed.scenario or DEFAULT_PATH
        try:
            return scenario_file.load(path, utc_now())
        except ScenarioError as error:
            raise ScenarioError(f"{path}: {error}") from error
    if parsed.scenario is not None:
        raise _UsageError("--scenario and a generated fleet exclude each other")
    counts = (1 if locations is None else locations, 1 if organizations is None else organizations)
    if min(counts) < 1:
        raise _UsageError("--locations and --organizations are at least 1")
    return fleet.generate(*counts, utc_now())


def _options(parsed: argparse.Namespace) -> _Options:
    if not _is_loopback(parsed.host):
        raise _UsageError(f"--host {parsed.host}: the sandbox listens on loopback only")
    if (parsed.cert is None) != (parsed.key is None):
        raise _UsageError("--cert and --key go together")
    tls = None
    if parsed.cert is not None:
        tls = certificate.context(parsed.cert, parsed.key)
    elif parsed.tls:
        tls = certificate.self_signed()
    if tls is not None and parsed.socket is not None:
        raise _UsageError("a unix socket speaks no TLS")
    return _Options(parsed.host, parsed.port, parsed.socket, parsed.control_port, tls, parsed.quiet)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(cloud: Cloud, options: _Options) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    calls = Calls(cloud, quiet=options.quiet)
    listener = Listener(calls.serve, options.tls)
    try:
        control = await ControlService(calls, listener).listen(options.control_port)
        address = _listen(listener, options)
        control_port = control.sockets[0].getsockname()[1]
        sys.stdout.write(f"sandbox ready: {address}\nsandbox control: 127.0.0.1:{control_port}\n")
        sys.stdout.flush()
        await stopped.wait()
    finally:
        listener.close()
        calls.stop()


def _listen(listener: Listener, options: _Options) -> str:
    if options.socket is not None:
        listener.listen_unix(options.socket)
        return str(options.socket)
    port = listener.listen_tcp(options.host, options.port)
    if options.host != _LOOPBACK:
        shown = f"[{options.host}]" if ":" in options.host else options.host
        return f"{'http' if options.tls is None else 'https'}://{shown}:{port}"
    with contextlib.suppress(OSError):
        # "localhost" may mean either, and a client that tries ::1 first would lose time.
        listener.listen_tcp("::1", port)
    return f"http://{_LOOPBACK}:{port}" if options.tls is None else f"https://localhost:{port}"
