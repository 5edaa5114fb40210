"""A fake for tests of code that uses `Billing`: answers and errors without a machine.

    billing = FakeBilling()
    billing.script["get_location_usage"] = CloudTimeoutError("no answer in time.")
    billing.script["get_location_usage"] = replace(
        sample("get_location_usage", answers.LocationUsage), stale=True
    )
    billing.script["get_location_usage"] = lambda parameters: ...
    ...
    assert billing.calls == [("get_location_usage", {"location_id": "abc"})]

`replace` is that of `msgspec.structs`. A command without a script answers its sample, apart from charges, which are
kept by their key, and dry runs, which answer what would be sent. What the service always
refuses (`requests`) is refused first.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar, cast, get_args, get_type_hints

import msgspec
from msgspec.structs import asdict, replace

from viam_billing_client import answers, errors
from viam_billing_client.billing import Billing
from viam_billing_client.commands.base import READ_S
from viam_billing_client.testing.requests import checked
from viam_billing_client.testing.samples import ENTRY, SAMPLES
from viam_billing_client.values import given, plain

__all__ = ["FakeBilling", "replace", "sample"]

A = TypeVar("A", bound=answers.Answer)
Scripted: TypeAlias = answers.Answer | errors.BillingError | errors.MachineError | Callable[[dict[str, Any]], Any]
"""An answer, an error to raise, or a function that makes either from the call's parameters, which are JSON values."""


def sample(command: str, record: type[A]) -> A:
    """An answer as the module may give it, of the record that the command's method returns."""
    return msgspec.convert(SAMPLES[command], record)


class Script(UserDict[str, Scripted]):
    """What commands answer, by name. Raises: ValueError: a name that is no command."""

    def __setitem__(self, command: str, scripted: Scripted) -> None:
        if command not in SAMPLES:
            raise ValueError(f'there is no command "{command}"; the commands are {", ".join(sorted(SAMPLES))}')
        super().__setitem__(command, scripted)


class FakeBilling(Billing):
    """A `Billing` that needs no machine."""

    def __init__(self) -> None:
        self._script = Script()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """The calls made, in order: the command and its parameters as JSON values."""
        self.charges: dict[str, answers.ChargeMade] = {}
        """The charges made, by key."""
        self._charged: dict[str, dict[str, Any]] = {}

    @property
    def script(self) -> Script:
        """What commands answer or raise instead of what the fake has by itself."""
        return self._script

    async def _ask(self, record: type[A], command: str, timeout: float, /, **parameters: object) -> A:  # noqa: ARG002 - it never waits
        return cast("A", self._answer(record, command, given(parameters)))

    async def do_command(self, command: Mapping[str, Any], *, timeout: float = READ_S) -> dict[str, Any]:  # noqa: ARG002, D102 - as its base says
        nested = "command" not in command
        name = next(iter(command), "") if nested else command["command"]
        asked = command.get(name) if nested else _without(command, "command")
        if (nested and len(command) != 1) or not isinstance(asked, Mapping):
            raise errors.InvalidRequestError("expected one command with an object of parameters.")
        if name not in SAMPLES:
            raise errors.UnknownCommandError(f'there is no command "{name}".')
        returned = get_type_hints(getattr(Billing, name))["return"]
        record, *dry_run = get_args(returned) or (returned,)
        if dry_run and asked.get("dry_run") is True:
            record = dry_run[0]
        answer = self._answer(record, name, dict(asked))
        values = cast("dict[str, Any]", _json(msgspec.to_builtins(answer, builtin_types=(Decimal,))))
        return {name: values} if nested else values

    def _answer(self, record: type[answers.Answer], command: str, asked: dict[str, Any]) -> answers.Answer:
        """The one way of every call: note it, then answer or raise what is scripted, or what the fake has by itself."""
        self.calls.append((command, asked))
        named = checked(command, asked)
        scripted = self._script.get(command)
        if callable(scripted):
            scripted = scripted(asked)
        if isinstance(scripted, Exception):
            raise scripted
        if scripted is None:
            return self._usual(record, command, named)
        if not isinstance(scripted, record):
            raise TypeError(f"{command} answers {record.__name__}, and the script has {scripted!r}")
        return scripted

    def _usual(self, record: type[answers.Answer], command: str, asked: dict[str, Any]) -> answers.Answer:
        if record is answers.ChargeMade:
            return self._charge(command, asked)
        if record is answers.DryRun:
            return answers.DryRun(dry_run=True, would_send=_sent(asked))
        if command == "list_charges":
            made = [msgspec.convert(asdict(each), answers.Charge) for each in reversed(self.charges.values())]
            return answers.Charges(charges=tuple(made) if asked.get("state", "succeeded") == "succeeded" else ())
        if command == "get_charge":
            key = asked["idempotency_key"]
            if key not in self.charges:
                raise errors.NotFoundError(f'the journal has no charge with the idempotency key "{key}".')
            return msgspec.convert(asdict(self.charges[key]), answers.ChargeFound)
        return sample(command, record)

    def _charge(self, command: str, asked: dict[str, Any]) -> answers.ChargeMade:
        request = {**_sent(asked), "idempotency_key": asked["idempotency_key"], "command": command}
        key, amount = request["idempotency_key"], request.get("subtotal", request.get("amount"))
        if key in self.charges:
            if self._charged[key] != request:
                raise errors.IdempotencyConflictError(f'the idempotency_key "{key}" stands for another charge.')
            return replace(self.charges[key], replayed=True)
        made = {
            **ENTRY,
            "idempotency_key": key,
            "command": command,
            "org_id": request["org_id_to_charge"],
            "total": Decimal(str(amount)) + Decimal(str(request.get("tax", 0))),
            "invoice_id": f"in_{len(self.charges) + 1}",
            "replayed": False,
        }
        self.charges[key], self._charged[key] = msgspec.convert(made, answers.ChargeMade), request
        return self.charges[key]


def _sent(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the cloud would get; no tax and a flag that is false are what it takes for granted."""
    named = _without(asked, "dry_run", "idempotency_key")
    return {name: value for name, value in named.items() if value != 0}


def _without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _json(value: object) -> object:
    if isinstance(value, dict):
        return {name: _json(each) for name, each in value.items()}
    return [_json(each) for each in value] if isinstance(value, (list, tuple)) else plain(value)
