"""The table of commands. Each family of commands has a file, with the parameters and handlers of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from viam_billing.commands import alerts, budgets, charges, fleet, history, invoices, journal, meta, payers, usage
from viam_billing.commands.context import Command
from viam_billing.settings.policy import Effect

_FAMILIES: Final = (usage, fleet, budgets, history, invoices, payers, charges, journal, alerts, meta)

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {row.name: row for family in _FAMILIES for row in vars(family).values() if isinstance(row, Command)}
)
EFFECTS: Final[Mapping[str, Effect]] = MappingProxyType({row.name: row.effect for row in COMMANDS.values()})
