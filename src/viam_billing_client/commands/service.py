"""The commands about the service itself. All can be repeated at any time."""

from __future__ import annotations

from viam_billing_client import answers
from viam_billing_client.commands.base import READ_S, Commands


class ServiceCommands(Commands):
    """What the service can do, whether its key works, and its state."""

    async def check_access(self, *, timeout: float = 60.0) -> answers.AccessCheck:
        """Whether the service's API key works and what it may read; a rejected key is an answer, not an error.

        Raises: NotConfiguredError: there is no key.
        """
        return await self._ask(answers.AccessCheck, "check_access", timeout)

    async def get_status(self, *, timeout: float = READ_S) -> answers.ServiceStatus:
        """The service's state, told from memory. Raises: MachineError."""
        return await self._ask(answers.ServiceStatus, "get_status", timeout)

    async def help(self, *, name: str | None = None, timeout: float = READ_S) -> answers.Help:
        """The commands (or one of them), what each takes, and whether this service allows it.

        Raises: UnknownCommandError: there is no command of that name.
        """
        return await self._ask(answers.Help, "help", timeout, name=name)
