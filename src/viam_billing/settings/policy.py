"""What the configuration permits: pure decisions over names and ids.

No caller can be told from another, so permission comes from the service's own configuration and from nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from viam_billing.core.errors import CommandNotAllowedError, NotConfiguredError, OutOfScopeError, quoted
from viam_billing.settings.attributes import ANY

if TYPE_CHECKING:
    from viam_billing.settings.attributes import Config

Effect = Literal["read", "notify", "change", "charge", "by_name", "always"]
"""What a command does to the world. The first four are groups of `allowed_commands`; `by_name` has no group."""


class Policy(Struct, frozen=True):
    """The decisions of one service."""

    config: Config

    def allows(self, name: str, effect: Effect) -> bool:
        """Whether `allowed_commands` opens a command, by its name or its group."""
        allowed = self.config.allowed_commands
        return effect == "always" or name in allowed or (effect != "by_name" and effect in allowed)

    def check_allowed(self, name: str, effect: Effect) -> None:
        """Raises: CommandNotAllowedError: naming the attribute to change."""
        if not self.allows(name, effect):
            group = "" if effect == "by_name" else f' or "{effect}", the group of all its kind,'
            raise CommandNotAllowedError(
                f"this service's configuration does not allow {name}. "
                f'Add "{name}"{group} to its attribute allowed_commands if every user of this machine may use it.'
            )

    def check_org(self, org_id: str) -> None:
        """Raises: OutOfScopeError: naming the attribute to change."""
        if not self.sees_org(org_id):
            raise OutOfScopeError(
                f"the organization {quoted(org_id)} is outside of what this service may see. "
                "Add its ID to the attribute allowed_org_ids."
            )

    def sees_org(self, org_id: str) -> bool:
        """Whether an organization is in scope."""
        allowed = self.config.allowed_org_ids
        return org_id in allowed or ANY in allowed

    def check_location(self, location_id: str) -> None:
        """Raises: OutOfScopeError: naming the attribute to change."""
        if not self.sees_location(location_id):
            raise OutOfScopeError(
                f"the location {quoted(location_id)} is outside of what this service may see. "
                "Add its ID to the attribute allowed_location_ids."
            )

    def sees_location(self, location_id: str) -> bool:
        """Whether a location is in scope."""
        allowed = self.config.allowed_location_ids
        return location_id in allowed or ANY in allowed

    def own_org(self) -> str:
        """Raises: NotConfiguredError: if neither the configuration nor the machine says it."""
        if self.config.org_id is None:
            raise NotConfiguredError(
                "no organization is known. Set the attribute org_id, or name the organization in the call."
            )
        return self.config.org_id

    def own_location(self) -> str:
        """Raises: NotConfiguredError: if neither the configuration nor the machine says it."""
        if self.config.location_id is None:
            raise NotConfiguredError("no location is known. Set the attribute location_id, or name it in the call.")
        return self.config.location_id

    def org_in_scope(self, asked: str | None) -> str:
        """The organization asked for, else the own one; in scope.

        Raises:
            NotConfiguredError: if there is none.
            OutOfScopeError: if it is not in scope.
        """
        org_id = asked or self.own_org()
        self.check_org(org_id)
        return org_id

    def location_in_scope(self, asked: str | None) -> str:
        """The same for a location."""
        location_id = asked or self.own_location()
        self.check_location(location_id)
        return location_id
