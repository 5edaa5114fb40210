"""Asks one machine or several at once, shows how far it is on a terminal, and writes what they answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import typer

from viam_billing_client import answers, errors
from viam_billing_client.cli import failures
from viam_billing_client.cli.messages import plain, say
from viam_billing_client.cli.output import Outcome, View, write
from viam_billing_client.cli.places import Options, Place, chosen
from viam_billing_client.cli.sandbox import TERMINATING, sandbox

T = TypeVar("T")

MODULE_ERROR: Final = 1
NOT_REACHED: Final = 3
SIGNALS: Final = (signal.SIGINT, *TERMINATING)
_AT_ONCE: Final = 16
"""Machines that are connected at the same time."""
_READ_S: Final = 30.0
_CONNECT_S: Final = 20.0


def ask(options: Options, command: str, view: View, *, timeout_s: float = _READ_S, **parameters: object) -> None:
    """Ask the chosen machines and write the answers. Raises: typer.Exit, with another code than 0."""
    with places(options) as asked:
        several = len(asked) > 1
        slow = several or command == "get_fleet_usage"
        request = {"command": command, **parameters}
        outcomes = ask_all(options, asked, request, view.record, timeout_s, slow=slow)
        for each in outcomes:
            if each.error is not None:
                say_failure(each, several=several)
        if several or outcomes[0].error is None:
            write(outcomes, view, options.output, several=several)
    leave(exit_code(outcomes) or max(view.exit_code(each.record) for each in outcomes))


def ask_one(
    options: Options, place: Place, request: Mapping[str, object], record: str, timeout_s: float = _READ_S
) -> Outcome:
    """Ask one machine. Raises: typer.Exit where it has no answer; what went wrong is then said."""
    (outcome,) = ask_all(options, [place], request, record, timeout_s, slow=False)
    if outcome.error is not None:
        say_failure(outcome)
        leave(exit_code([outcome]))
    return outcome


@contextlib.contextmanager
def places(options: Options) -> Iterator[Sequence[Place]]:
    """The chosen machines; the sandbox's runs until the end of the `with`."""
    if options.sandbox:
        with contextlib.ExitStack() as running:
            with _progress("starting the sandbox", None):
                place = running.enter_context(sandbox(options))
            yield [place]
    else:
        yield chosen(options)


@contextlib.contextmanager
def one_place(options: Options) -> Iterator[Place]:
    """The chosen machine, for what is done on one only. Raises: typer.BadParameter where there are several."""
    with places(options) as asked:
        if len(asked) > 1:
            raise typer.BadParameter("this command takes one --machine.")
        yield asked[0]


def say_failure(outcome: Outcome, more: str | None = None, *, several: bool = False) -> None:
    """Say on stderr what went wrong, the error's code first, if it is the module's, `more`, and which commands help."""
    code, words = outcome.error or ("", "")
    machine = f"{outcome.place.name}: " if several else ""
    say(f"{machine}{f'{code}: ' if code in errors.CLASSES else ''}{words}")
    for line in (more, failures.advice(code)):
        if line:
            say(f"{machine}{line}")


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """1 where a service answered with an error, or in an unknown form; else 3 where one was not reached, else 0."""
    codes = {each.error[0] for each in outcomes if each.error is not None}
    answered = codes & {*errors.CLASSES, errors.UnreadableAnswerError.__name__}
    return MODULE_ERROR if answered else NOT_REACHED if codes else 0


def leave(code: int) -> None:
    """End the command with a code, unless it is 0."""
    if code:
        raise typer.Exit(code)


def ask_all(
    options: Options,
    asked: Sequence[Place],
    request: Mapping[str, object],
    record: str,
    timeout_s: float,
    *,
    slow: bool,
) -> list[Outcome]:
    """Ask all machines at once. Each has its own outcome; `slow` shows the progress."""
    from viam_billing_client.values import given  # noqa: PLC0415 - not for --help

    sent = given(request)
    what = f"asking {len(asked)} machines" if len(asked) > 1 else f"asking {asked[0].name}"
    _quiet_sdk(
        native=not all(place.insecure and place.api_key is None for place in asked)
    )  # before rich looks at stderr
    with _progress(what, len(asked)) if slow else contextlib.nullcontext(lambda: None) as step:

        async def all_of_them() -> list[Outcome]:
            room = asyncio.Semaphore(_AT_ONCE)

            async def one(place: Place) -> Outcome:
                async with room:
                    outcome = await _answer(place, sent, record, timeout_s, options.timeout)
                step()
                return outcome

            return list(await asyncio.gather(*(one(place) for place in asked)))

        return _in_loop(all_of_them())


async def _answer(
    place: Place, request: dict[str, Any], record: str, timeout_s: float, own_timeout_s: float | None
) -> Outcome:
    from viam_billing_client.billing import Billing, read  # noqa: PLC0415 - the SDK

    outcome = Outcome(place)
    connected = False
    try:
        async with Billing.connect(
            place.address,
            api_key=place.api_key,
            api_key_id=place.api_key_id,
            service=place.service,
            insecure=place.insecure,
            timeout=own_timeout_s or _CONNECT_S,
        ) as billing:
            connected = True
            outcome.answer = await billing.do_command(request, timeout=own_timeout_s or timeout_s)
        outcome.record = read(outcome.answer, getattr(answers, record), place.service) if record else outcome.answer
    except errors.BillingError as error:
        outcome.error = error.code, error.text
    except errors.MachineError as error:
        not_reached = isinstance(error, errors.NoConnectionError) and not connected
        words = failures.of_connecting(error, place) if not_reached else failures.of_call(error, place)
        outcome.error = type(error).__name__, words
    return outcome


def _in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run it in an event loop that ends at once when the process is told to: it waits for no thread of the SDK."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    told: list[int] = []

    def end(number: int) -> None:
        told.append(number)
        task.cancel()

    before = {number: signal.getsignal(number) for number in SIGNALS}
    with contextlib.suppress(NotImplementedError):  # Windows
        for number in SIGNALS:
            loop.add_signal_handler(number, end, number)
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        if told and told[0] != signal.SIGINT:
            raise SystemExit(128 + told[0]) from None
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, handler)  # a sandbox has its own


def _quiet_sdk(*, native: bool) -> None:
    """Keep the SDK's logs away; its native library, which dials WebRTC, writes to the process's own stdout and stderr.

    Those lead to nowhere from then on, and Python's to where they led.
    """
    logging.disable(logging.CRITICAL)
    if not native or sys.stdout.fileno() != 1:
        return
    sys.stdout, sys.stderr = (
        os.fdopen(os.dup(each.fileno()), "w", encoding=each.encoding, errors=each.errors)
        for each in (sys.stdout, sys.stderr)
    )
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


@contextlib.contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A bar on stderr, if that is a terminal; what it gives counts one more."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - not for --help
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    many = total is not None and total > 1
    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(20)]
    columns += [MofNCompleteColumn()] if many else []
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(plain(what), total=total if many else None)
        yield lambda: shown.advance(task)
