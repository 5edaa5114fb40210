from __future__ import annotations

import pytest

from viam_billing.commands import EFFECTS
from viam_billing.core.errors import CommandNotAllowedError, NotConfiguredError, OutOfScopeError
from viam_billing.settings.attributes import parse_attributes
from viam_billing.settings.policy import Effect, Policy, not_allowed


def policy(**attributes: object) -> Policy:
    """The decisions of a service with these attributes."""
    return Policy(parse_attributes(attributes, {}, EFFECTS))


@pytest.mark.parametrize(
    ("allowed", "name", "effect", "open_"),
    [
        (["read"], "get_location_usage", "read", True),
        (["read"], "send_payment_required_email", "notify", False),
        (["read"], "update_organization_billing_tier", "change", False),
        (["notify"], "get_location_usage", "read", False),
        (["change"], "update_organization_billing_tier", "change", True),
        (["get_location_usage"], "get_location_usage", "read", True),
        (["get_location_usage"], "get_current_month_usage", "read", False),
        ([], "help", "always", True),
        ([], "get_location_usage", "read", False),
        (["read", "notify", "change"], "resolve_charge", "by_name", False),
    ],
)
def test_a_command_is_opened_by_its_name_or_its_group(
    allowed: list[str],
    name: str,
    effect: Effect,
    open_: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """And by nothing else; help is always open."""
    assert policy(allowed_commands=allowed).allows(name, effect) is open_


def test_a_refused_command_names_the_attribute() -> None:
    """With the command's name and its group, either of which opens it."""
    with pytest.raises(CommandNotAllowedError, match=r'"send_payment_required_email" or "notify".*allowed_commands'):
        raise not_allowed("send_payment_required_email", "notify")


def test_a_command_without_a_group_is_opened_by_name_only() -> None:
    with pytest.raises(CommandNotAllowedError, match='Add "resolve_charge" to its attribute'):
        raise not_allowed("resolve_charge", "by_name")


def test_an_organization_outside_is_refused() -> None:
    with pytest.raises(OutOfScopeError, match="allowed_org_ids"):
        policy(org_id="own").org_in_scope("other")


def test_a_location_outside_is_refused() -> None:
    with pytest.raises(OutOfScopeError, match="allowed_location_ids"):
        policy(location_id="own").location_in_scope("other")


def test_a_star_opens_every_organization() -> None:
    opened = policy(allowed_org_ids=["*"])
    assert opened.org_in_scope("any") == "any"
    assert not opened.sees_location("any")


def test_a_star_opens_every_location() -> None:
    opened = policy(allowed_location_ids=["*"])
    assert opened.location_in_scope("any") == "any"
    with pytest.raises(OutOfScopeError):
        opened.check_org("any")


def test_an_id_is_compared_as_it_is() -> None:
    """In its own case and at its full length."""
    opened = policy(allowed_org_ids=["abc"])
    for other in ("ABC", "abcd", "ab", "abc "):
        with pytest.raises(OutOfScopeError):
            opened.check_org(other)


def test_the_own_ids_are_the_defaults() -> None:
    own = policy(org_id="o", location_id="l")
    assert (own.org_in_scope(), own.location_in_scope()) == ("o", "l")


def test_the_own_organization_can_be_outside() -> None:
    with pytest.raises(OutOfScopeError):
        policy(org_id="o", allowed_org_ids=["p"]).org_in_scope()


def test_without_an_organization_there_is_no_default() -> None:
    """And nothing is advised that would be out of scope."""
    with pytest.raises(NotConfiguredError, match=r"Set the attribute org_id\.$"):
        policy().org_in_scope()
    with pytest.raises(NotConfiguredError, match="org_id, or name it in the call"):
        policy(allowed_org_ids=["o"]).org_in_scope()


def test_without_a_location_there_is_no_default() -> None:
    """The same for a location."""
    with pytest.raises(NotConfiguredError, match=r"Set the attribute location_id\.$"):
        policy(allowed_org_ids=["*"]).location_in_scope()
    with pytest.raises(NotConfiguredError, match="location_id, or name it in the call"):
        policy(allowed_location_ids=["*"]).location_in_scope()
