"""What the configuration permits: pure decisions about command names and IDs.

A module cannot tell its callers apart, so permission comes from the service's own configuration only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from viam_billing.core.errors import CommandNotAllowedError, NotConfiguredError, OutOfScopeError, quoted
from viam_billing.settings.attributes import ANY, Config

Effect = Literal["read", "notify", "change", "charge", "by_name", "always"]
"""What a command does. The first four are groups of `allowed_commands`; `by_name` belongs to no group."""


class Policy(Struct, frozen=True):
    """What one service permits. Errors name the attribute to change."""

    config: Config

    def allows(self, name: str, effect: Effect) -> bool:
        """Whether `allowed_commands` permits a command, by its name or its group."""
        allowed = self.config.allowed_commands
        return effect == "always" or name in allowed or (effect != "by_name" and effect in allowed)

    def sees_org(self, org_id: str) -> bool:
        """Whether an organization is in scope."""
        return not self.config.allowed_org_ids.isdisjoint((org_id, ANY))

    def sees_location(self, location_id: str) -> bool:
        """Whether a location is in scope."""
        return not self.config.allowed_location_ids.isdisjoint((location_id, ANY))

    def own_org(self) -> str:
        """The service's own organization. Raises: NotConfiguredError: nothing names one."""
        if self.config.org_id is None:
            raise _not_known("organization", "org_id", self.config.allowed_org_ids)
        return self.config.org_id

    def check_org(self, org_id: str) -> None:
        """Raises: OutOfScopeError: the organization is not in scope."""
        if not self.sees_org(org_id):
            allowed = self.config.allowed_org_ids
            raise _out_of_scope("organization", org_id, "allowed_org_ids", allowed, self.config.org_id)

    def org_in_scope(self, asked: str | UnsetType = UNSET) -> str:
        """The organization asked for, by default the own one. Raises: as `own_org` and `check_org`."""
        org_id = self.own_org() if asked is UNSET else asked
        self.check_org(org_id)
        return org_id

    def location_in_scope(self, asked: str | UnsetType = UNSET) -> str:
        """The location asked for, by default the own one. Raises: NotConfiguredError, OutOfScopeError."""
        location_id = self.config.location_id if asked is UNSET else asked
        if location_id is None:
            raise _not_known("location", "location_id", self.config.allowed_location_ids)
        allowed = self.config.allowed_location_ids
        if location_id not in allowed and ANY not in allowed:  # as `sees_location`, without a call on every read's way
            raise _out_of_scope("location", location_id, "allowed_location_ids", allowed, self.config.location_id)
        return location_id


def not_allowed(name: str, effect: Effect) -> CommandNotAllowedError:
    """The error for a command that `allowed_commands` does not permit; names the attribute to change."""
    group = "" if effect == "by_name" else f' or "{effect}", the group of all its kind,'
    return CommandNotAllowedError(
        f"this service's configuration does not allow {name}. "
        f'Add "{name}"{group} to its attribute allowed_commands if every user of this machine may use it.'
    )


def _not_known(kind: str, attribute: str, allowed: Collection[str]) -> NotConfiguredError:
    """The error for a call that names none, where the service has none; it advises nothing that would be refused."""
    either = ", or name it in the call" if allowed else ""
    return NotConfiguredError(f"no {kind} is known. Set the attribute {attribute}{either}.")


def _out_of_scope(kind: str, name: str, attribute: str, allowed: Collection[str], own: str | None) -> OutOfScopeError:
    """The error for a name that is not allowed; a list that is set in place of the default has to keep the own one."""
    keep = ", and keep the own one in it" if [*allowed] == [own] else ""
    where = f"the {kind} {quoted(name)} is outside of what this service may see"
    return OutOfScopeError(f"{where}. Add its ID to the attribute {attribute}{keep}.")
