"""The module as a process: it starts, serves, and ends in time.

On SIGTERM the SDK waits for the last connection to be closed, which from Python 3.12 on may never happen: viam-server
keeps its connection, and kills the module after some seconds. A thread therefore waits for the signals here:

    SIGTERM --> start no charge, wait up to 8 s for those under way --> stop serving --> close the services
                (connections, files) --> cancel what is left, so that it cleans up --> exit
    again   --> ignored: viam-server sends a second one after 3 s, and kills after 10
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging as python_logging
import os
import signal
import sys
import threading
from typing import Any, Final, NoReturn

from viam import logging
from viam.module.module import Module

from viam_billing.core.memory import keep_little_memory
from viam_billing.core.secrets import Secrets
from viam_billing.core.tasks import within
from viam_billing.module import sensor, service
from viam_billing.module.shared import Shared

LOGGER: Final = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_CHARGES_S: Final = 8.0
_CLOSING_S: Final = 1.0
_LAST_ANSWERS_S: Final = 0.1
"""For the last charges' answers to be written to their callers."""


def main() -> NoReturn:
    """Serve until told to stop. Never returns: a thread that hangs, as in a DNS lookup, must not delay the exit."""
    # Blocked before there is any thread, so that only the waiting one gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    library = python_logging.getLogger("grpclib")  # it logs a caller that hangs up as an error with a traceback
    library.addHandler(python_logging.NullHandler())
    library.propagate = False
    keep_little_memory()
    _open_missing_streams()
    gc.freeze()  # what was imported stays: looking through it for garbage would delay callers by tens of milliseconds
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve())
    _end(1)


def _open_missing_streams() -> None:
    """Let what is logged lose at most itself: a stream may be closed, broken, full, or of a locale without an "…"."""
    python_logging.raiseExceptions = False  # else each line that is lost becomes a traceback on the other stream
    for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)):
        try:
            os.fstat(number)
        except OSError:  # else the next file that is opened gets the number, and what a library prints
            os.open(os.devnull, os.O_RDWR)
        if number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _end(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, or nobody reads it
            stream.flush()
    os._exit(status)


async def _serve() -> None:
    """Ends the process when it is told to stop; returns if it could not serve."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_log_lost_error)
    shared = Shared()
    _keep_out_of_logs(shared.secrets)
    service.register(shared)
    sensor.register()
    module = Module.from_args()
    serving = asyncio.create_task(module.start())  # type: ignore[no-untyped-call] # the SDK's
    told_to_stop = asyncio.Event()

    def wait_for_signals() -> None:
        signal.sigwait(_SIGNALS)
        loop.call_soon_threadsafe(told_to_stop.set)

    threading.Thread(target=wait_for_signals, daemon=True).start()
    stopping = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done() and not told_to_stop.is_set():
        try:
            serving.result()
        except OSError as error:
            LOGGER.error("the module cannot serve on its socket: %s", error)  # noqa: TRY400 - a traceback says no more
        return
    if await shared.stop_charging(_CHARGES_S):
        await asyncio.sleep(_LAST_ANSWERS_S)
    serving.cancel()
    with contextlib.suppress(asyncio.TimeoutError):
        await within(_CLOSING_S, module.server.close())  # type: ignore[no-untyped-call] # the SDK's
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()  # each cleans up what it has on the disk
    if others:
        await asyncio.wait(others, timeout=_CLOSING_S / 2)
    _end(0)


def _keep_out_of_logs(secrets: Secrets) -> None:
    """Take secrets out of every line that is logged: libraries log texts of their own."""
    make = python_logging.getLogRecordFactory()

    def made(*args: Any, **kwargs: Any) -> python_logging.LogRecord:  # noqa: ANN401 - those of a LogRecord
        record = make(*args, **kwargs)
        with contextlib.suppress(Exception):  # the arguments do not fit: the handler says so
            record.msg, record.args = secrets.redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = secrets.redact(python_logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return record

    python_logging.setLogRecordFactory(made)


def _log_lost_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an error of a background task on one line, without a traceback, which Viam's logs drop anyway."""
    error = context.get("exception")
    what = type(error).__name__ if error else "unknown"
    LOGGER.error("error in the event loop: %s: %s", context.get("message", "no message"), what)
