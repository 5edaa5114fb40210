"""A fake for tests of code that uses `Billing`: answers and errors without a machine.

    billing = FakeBilling()
    billing.script["get_location_usage"] = ChargeBlockedError("settle the other one first.")
    billing.script["get_location_usage"] = replace(
        sample("get_location_usage", answers.LocationUsage), stale=True
    )
    billing.script["get_location_usage"] = lambda parameters: ...
    ...
    assert billing.calls == [("get_location_usage", {"location_id": "abc"})]

`replace` is that of `msgspec.structs`. What is not scripted answers its sample; charges are kept by their key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar, cast

import msgspec
from msgspec.structs import asdict, replace

from viam_billing_client import answers, errors
from viam_billing_client.billing import Billing
from viam_billing_client.commands.base import READ_S
from viam_billing_client.testing.samples import ENTRY, SAMPLES
from viam_billing_client.values import given, plain

__all__ = ["FakeBilling", "replace", "sample"]

A = TypeVar("A", bound=answers.Answer)
Scripted: TypeAlias = answers.Answer | errors.BillingError | errors.MachineError | Callable[[dict[str, Any]], Any]
"""An answer, an error to raise, or what makes either of the call's parameters, which are JSON values."""


def sample(command: str, record: type[A]) -> A:
    """An answer as the module may give it, of the record that the command's method answers."""
    return msgspec.convert(SAMPLES[command], record)


class FakeBilling(Billing):
    """A `Billing` that needs no machine."""

    def __init__(self) -> None:
        self.script: dict[str, Scripted] = {}
        """What commands answer, by name."""
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """What was asked, in order: the command and its parameters as JSON values."""
        self.charges: dict[str, answers.ChargeMade] = {}
        """The charges made, by key."""
        self._charged: dict[str, dict[str, Any]] = {}

    async def _ask(self, record: type[A], command: str, timeout: float, /, **parameters: object) -> A:  # noqa: ARG002 - it never waits
        asked = given(parameters)
        self.calls.append((command, asked))
        scripted = self.script.get(command)
        if callable(scripted):
            scripted = scripted(asked)
        if isinstance(scripted, Exception):
            raise scripted
        if scripted is not None:
            if not isinstance(scripted, record):
                raise TypeError(f"{command} answers {record.__name__}, and the script has {scripted!r}")
            return scripted
        return cast("A", self._usual(record, command, asked))

    async def do_command(self, command: Mapping[str, Any], *, timeout: float = READ_S) -> dict[str, Any]:  # noqa: ARG002, D102 - as its base says
        nested = "command" not in command
        name = next(iter(command)) if nested else command["command"]
        asked = dict(command[name]) if nested else _without(command, "command")
        self.calls.append((name, asked))
        scripted = self.script.get(name)
        if callable(scripted):
            scripted = scripted(asked)
        if scripted is None:
            answer = dict(SAMPLES[name])
            return {name: answer} if nested else answer
        if isinstance(scripted, Exception):
            raise scripted
        answer = cast("dict[str, Any]", _json(msgspec.to_builtins(scripted, builtin_types=(Decimal, datetime))))
        return {name: answer} if nested else answer

    def _usual(self, record: type[answers.Answer], command: str, asked: dict[str, Any]) -> answers.Answer:
        if record is answers.ChargeMade:
            return self._charge(command, asked)
        if record is answers.DryRun:
            return answers.DryRun(dry_run=True, would_send=_without(asked, "dry_run", "idempotency_key"))
        if command == "list_charges":
            made = [msgspec.convert(asdict(each), answers.Charge) for each in reversed(self.charges.values())]
            return answers.Charges(charges=tuple(made))
        if command == "get_charge":
            if (one := self.charges.get(asked["idempotency_key"])) is None:
                raise errors.NotFoundError(f'the journal has no charge with the key "{asked["idempotency_key"]}".')
            return msgspec.convert(asdict(one), answers.ChargeFound)
        return sample(command, record)

    def _charge(self, command: str, asked: dict[str, Any]) -> answers.ChargeMade:
        key, request = asked["idempotency_key"], {"command": command, **asked}
        if key in self.charges:
            if self._charged[key] != request:
                raise errors.IdempotencyConflictError(f'the idempotency_key "{key}" stands for another charge.')
            return replace(self.charges[key], replayed=True)
        dollars = [asked.get(name, 0) for name in ("subtotal", "tax", "amount")]
        made = {
            **ENTRY,
            "idempotency_key": key,
            "command": command,
            "org_id": asked["org_id_to_charge"],
            "total": sum(Decimal(str(each)) for each in dollars),
            "invoice_id": f"in_{len(self.charges) + 1}",
            "replayed": False,
        }
        self.charges[key], self._charged[key] = msgspec.convert(made, answers.ChargeMade), request
        return self.charges[key]


def _without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _json(value: object) -> object:
    if isinstance(value, dict):
        return {name: _json(each) for name, each in value.items()}
    return [_json(each) for each in value] if isinstance(value, (list, tuple)) else plain(value)
