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

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        **usage.ROWS,
        **fleet.ROWS,
        **budget.ROWS,
        **history.ROWS,
        **invoices.ROWS,
        **organizations.ROWS,
        **locations.ROWS,
        **charges.ROWS,
        **journal.ROWS,
        **meta.ROWS,
    }
)

EFFECTS: Final[Mapping[str, Effect]] = MappingProxyType({row.name: row.effect for row in COMMANDS.values()})
