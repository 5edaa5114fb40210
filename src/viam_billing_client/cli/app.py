"""The command line's commands and the options that all of them have, and what becomes of errors."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import typer
from typer.core import TyperGroup

from viam_billing_client.cli import (
    charge,
    export,
    fleet,
    history,
    invoice_pdf,
    invoices,
    journal,
    payers,
    service,
    usage,
)
from viam_billing_client.cli.messages import keep_arguments_secret, plain, say
from viam_billing_client.cli.parameters import address_of, id_of, seconds_of, text_of
from viam_billing_client.cli.places import Options, UnhelpedError, has_sandbox

_USAGE: Final = 2
_DEFECT: Final = 1
_SHORTEST_S: Final = 0.1
_Form: TypeAlias = Literal["table", "json", "csv"]
_GLUED: Final = tuple(f"-o{form}" for form in get_args(_Form))
_COMMAND: Final = re.compile(r"No such command '([a-z-]{1,20})'")


class _Group(TyperGroup):
    """Takes the options of all commands before the command's name and after it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Click's, wherever Typer has it
        return super().parse_args(ctx, _own_first(self.get_params(ctx), args))


def _own_first(own: Sequence[Any], arguments: Sequence[str]) -> list[str]:
    """The arguments with the group's own options (all but --help) moved to the front."""
    flags = {name: each.is_flag for each in own for name in each.opts if name not in ("--help", "-h")}
    first: list[str] = []
    rest: list[str] = []
    left = list(arguments)
    while left and left[0] != "--":
        argument = left.pop(0)
        name, equals, _ = argument.partition("=")
        if argument in _GLUED:
            first.append(argument)
            continue
        if name not in flags:
            rest.append(argument)
            continue
        first.append(argument)
        if not equals and not flags[name] and left:
            first.append(left.pop(0))
    return [*first, *rest, *left]


def _timeout(text: str) -> float:
    seconds = seconds_of(text)
    if seconds < _SHORTEST_S:
        raise typer.BadParameter(f"expected at least {_SHORTEST_S} seconds.")
    return seconds


app: Final = typer.Typer(
    cls=_Group,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Without a machine and an account: viam-billing --sandbox usage" if has_sandbox() else None,
)
for _family in (usage, fleet, history, invoices, invoice_pdf, payers, charge, journal, service, export):
    app.add_typer(_family.app)


@app.callback()
def billing(  # noqa: PLR0913 - the options of all commands
    ctx: typer.Context,
    *,
    address: Annotated[
        str | None,
        typer.Option(envvar="VIAM_BILLING_ADDRESS", metavar="HOST", parser=address_of, help="The machine's address."),
    ] = None,
    api_key_id: Annotated[
        str | None,
        typer.Option(envvar="VIAM_BILLING_API_KEY_ID", metavar="ID", parser=id_of, help="The ID of the machine key."),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="VIAM_BILLING_API_KEY", metavar="KEY", parser=text_of, help="The machine key; better not typed."
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            envvar="VIAM_BILLING_SERVICE",
            metavar="NAME",
            parser=text_of,
            help="The service's name; by default billing.",
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", envvar="VIAM_BILLING_INSECURE", help="No TLS, no WebRTC: on this computer.")
    ] = False,
    machine: Annotated[
        list[str] | None,
        typer.Option(
            envvar="VIAM_BILLING_MACHINE",
            metavar="NAME",
            parser=text_of,
            help="A profile; several give a row for each.",
        ),
    ] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use a simulated machine and cloud.")] = False,
    scene: Annotated[str, typer.Option(metavar="NAME", help="What the sandbox shows.")] = "steady",
    output: Annotated[
        _Form,
        typer.Option("--output", "-o", envvar="VIAM_BILLING_OUTPUT", help="How figures are written."),
    ] = "table",
    timeout: Annotated[
        float | None, typer.Option(metavar="S", parser=_timeout, help="Seconds to wait, at least 0.1.")
    ] = None,
) -> None:
    """What Viam machines cost, asked of the billing service on a machine.

    These options may stand before the command or after it. Exit codes: 0; 1 an error of the service, its code on
    stderr; 2 wrong usage; 3 no connection; budget: 10 at a warning, 11 where it is exceeded.
    """
    given = ("address", "api_key_id", "api_key", "service", "insecure", "machine", "scene", "output")
    ctx.obj = Options(
        address=address,
        api_key_id=api_key_id,
        api_key=api_key,
        service=service,
        insecure=insecure,
        machine=tuple(machine or ()),
        sandbox=sandbox,
        scene=scene,
        output=output,
        timeout=timeout,
        typed=frozenset(name for name in given if _is_typed(ctx, name)),
    )


def _is_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def run(arguments: Sequence[str]) -> int:
    """Run a command. Returns the exit code; errors are said on stderr, none is raised but those that end a process."""
    try:
        keep_arguments_secret(arguments)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr] # they are files
        code = app(list(arguments), prog_name="viam-billing", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except OSError as error:  # of stdout, such as a full disk
        say(str(error))
        return _DEFECT
    except Exception as error:
        if not hasattr(error, "format_message"):
            if os.environ.get("VIAM_BILLING_TRACEBACK"):
                raise
            say(f"defect: {type(error).__name__}: {error}. VIAM_BILLING_TRACEBACK=1 shows where; please report it.")
            return _DEFECT
        _say_usage(error)
        return _USAGE
    return code if isinstance(code, int) else 0


def _say_usage(error: Any) -> None:  # noqa: ANN401 - Click's, wherever Typer has it
    """Say what is wrong with the command line, without words that stand where a key could."""
    words = error.format_message().removeprefix("Invalid value: ").replace(": Value error, ", ": ")  # Typer's prefixes
    words = words.replace("Choose from:\n\t", "Choose from: ").replace(",\n\t", ", ")  # of a missing option
    if not words or words.startswith("Usage: "):  # a command that needs another word shows its help
        sys.stderr.write(f"{words}\n" if words else "")
        return
    if words.startswith("Got unexpected extra argument"):
        words = "there is one argument too many."
    elif words.startswith("No such command") and not _COMMAND.match(words):
        words = "No such command."
    ctx = getattr(error, "ctx", None)
    say(words)
    if ctx is not None and not isinstance(error, UnhelpedError):
        sys.stderr.write(plain(f"Try: {ctx.command_path} --help") + "\n")
