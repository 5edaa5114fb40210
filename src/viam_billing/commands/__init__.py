"""The table of commands. Each family of commands has a file, with its parameters, handlers and rows."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from viam_billing.commands import (
    budget,
    charges,
    fleet,
    history,
    invoices,
    journal,
    locations,
    meta,
    organizations,
    usage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viam_billing.commands.context import Command
    from viam_billing.settings.policy import Effect

_FAMILIES: Final = (usage, fleet, budget, history, invoices, organizations, locations, charges, journal, meta)

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {row.name: row for family in _FAMILIES for row in family.ROWS}
)

EFFECTS: Final[Mapping[str, Effect]] = MappingProxyType({row.name: row.effect for row in COMMANDS.values()})
