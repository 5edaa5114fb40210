"""What the families of commands share: how a command is asked, and types of parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from viam_billing_client.answers.base import Answer

A = TypeVar("A", bound="Answer")

Dollars: TypeAlias = Decimal | float
"""An amount in US dollars; a `float` stands for the decimal that it is printed as. The module takes whole cents."""

READ_S: Final = 30.0
"""How long a caller waits for a command that reads, by default; the module's own `timeout_s` is 20 s."""


class Commands(ABC):
    """Asks the billing service."""

    @abstractmethod
    async def _ask(self, record: type[A], command: str, timeout: float, /, **parameters: object) -> A:
        """Send a command and read its answer; parameters that are None are left out."""

    @abstractmethod
    async def do_command(self, command: Mapping[str, Any], *, timeout: float = READ_S) -> dict[str, Any]:
        """Send any request as JSON values, in either spelling, and return the answer as JSON values.

        For commands that are newer than this client. Errors are those of every other method.
        """
