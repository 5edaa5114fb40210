"""A method for each command, by family."""

from __future__ import annotations

from viam_billing_client.commands.changes import ChangeCommands
from viam_billing_client.commands.charges import ChargeCommands
from viam_billing_client.commands.journal import JournalCommands
from viam_billing_client.commands.organizations import OrganizationCommands
from viam_billing_client.commands.service import ServiceCommands
from viam_billing_client.commands.usage import UsageCommands


class AllCommands(
    UsageCommands, OrganizationCommands, ChangeCommands, ChargeCommands, JournalCommands, ServiceCommands
):
    """Every command of the billing service."""
