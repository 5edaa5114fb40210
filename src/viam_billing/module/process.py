"""The module as a process: its start, and an end in time.

The SDK ends on SIGTERM when the last connection is closed, which from Python 3.12 on may be never: viam-server keeps
its connection and kills after some seconds. Signals are therefore taken here, by a thread that waits for them:

    SIGTERM --> begin no charge, wait up to 8 s for those under way --> stop serving --> close the services
                (connections, files) --> cancel what is left, so that it cleans up --> leave
    again   --> the same: viam-server sends a second one after 3 s, and kills after 10
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging as python_logging
import os
import signal
import sys
import threading
from typing import Any, Final, NoReturn

from viam import logging
from viam.module.module import Module

from viam_billing.charging.registry import ChargeServices
from viam_billing.module import rpc, sensor, service

LOGGER: Final = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_CHARGES_S: Final = 8.0
_CLOSING_S: Final = 1.0
_LAST_ANSWERS_S: Final = 0.1
"""For the answers of the last charges to be written."""


def main() -> NoReturn:
    """Serve until told to stop. Never returns: a look-up of a host that hangs in a thread must not hold up the end."""
    # Blocked before any thread is there, so that the waiting thread is the one that gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    _quiet_libraries()
    gc.freeze()  # all that was imported stays: to look through it for garbage holds callers up for tens of milliseconds
    status = 1
    with contextlib.suppress(asyncio.CancelledError):
        status = asyncio.run(_serve())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


async def _serve() -> int:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_lost_error)
    rpc.install()
    charging = ChargeServices()
    service.register(charging)
    sensor.register()
    module = Module.from_args()
    serving = asyncio.create_task(module.start())  # type: ignore[no-untyped-call] # the SDK's
    told_to_stop = asyncio.Event()
    threading.Thread(target=_wait_for_signals, args=(loop, told_to_stop), daemon=True).start()
    stopping = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done() and not told_to_stop.is_set():
        try:
            serving.result()
        except OSError as error:
            LOGGER.error("the module cannot serve on its socket: %s", error)  # noqa: TRY400 - a traceback says no more
        return 1
    if await charging.stop(_CHARGES_S):
        await asyncio.sleep(_LAST_ANSWERS_S)
    serving.cancel()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(module.server.close(), _CLOSING_S)  # type: ignore[no-untyped-call] # the SDK's
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()  # what a call has begun on the disk, it cleans up
    if others:
        await asyncio.wait(others, timeout=_CLOSING_S / 2)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _wait_for_signals(loop: asyncio.AbstractEventLoop, told_to_stop: asyncio.Event) -> None:
    signal.sigwait(_SIGNALS)
    loop.call_soon_threadsafe(told_to_stop.set)


def _quiet_libraries() -> None:
    """Silence grpclib, which logs a caller that hangs up as an error with a traceback."""
    library = python_logging.getLogger("grpclib")
    library.addHandler(python_logging.NullHandler())
    library.propagate = False


def _log_lost_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody waited for, on one line and without a traceback, which Viam's logs drop anyway."""
    error = context.get("exception")
    what = type(error).__name__ if error else "unknown"
    LOGGER.error("error in the event loop: %s: %s", context.get("message", "no message"), what)
