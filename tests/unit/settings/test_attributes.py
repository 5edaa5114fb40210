from __future__ import annotations

from collections.abc import Mapping

import pytest

from viam_billing.commands import EFFECTS
from viam_billing.settings.attributes import Config, parse_attributes
from viam_billing.settings.records import InvalidRecordError

KEY: dict[str, object] = {"api_key": "the-secret-key", "api_key_id": "0C7E6B3A-0000-4000-8000-000000000001"}
CHARGING: dict[str, object] = {
    "allowed_commands": ["charge"],
    "allowed_org_ids": ["customer"],
    "charge_limits": {"per_charge": 100, "per_day": 500.5},
    "state_dir": "/var/lib/billing",
}


def parsed(attributes: Mapping[str, object], environment: dict[str, str] | None = None) -> Config:
    """A good block."""
    return parse_attributes(attributes, environment or {}, EFFECTS)


def refused(attributes: Mapping[str, object], environment: dict[str, str] | None = None) -> str:
    """The words for a bad block."""
    with pytest.raises(InvalidRecordError) as caught:
        parse_attributes(attributes, environment or {}, EFFECTS)
    return str(caught.value)


def test_an_empty_block_is_good() -> None:
    """Every attribute has a default, or is not known."""
    assert parsed({}) == Config(
        api_key=None,
        api_key_file=None,
        api_key_id=None,
        app=parsed({"app_address": "https://app.viam.com"}).app,
        org_id=None,
        location_id=None,
        allowed_commands=frozenset({"read"}),
        allowed_org_ids=frozenset(),
        allowed_location_ids=frozenset(),
        reveal_payment_details=False,
        timeout_s=20.0,
        cache_ttl_s=300.0,
        max_stale_s=604_800.0,
        max_pdf_bytes=16 * 1024 * 1024,
        per_charge_limit=None,
        per_day_limit=None,
        state_dir=None,
        ca_file=None,
        accept_lost_journal=None,
        monthly_budget=None,
        warn_at=(),
        alert_urls=(),
    )


def test_defaults_come_from_the_environment() -> None:
    """What viam-server tells a module about its machine."""
    found = parsed(
        {},
        {
            "VIAM_API_KEY": "machine-key",
            "VIAM_API_KEY_ID": "machine-id",
            "VIAM_PRIMARY_ORG_ID": "org",
            "VIAM_LOCATION_ID": "loc",
            "VIAM_MODULE_DATA": "/data",
        },
    )
    assert (found.api_key, found.api_key_id) == ("machine-key", "machine-id")
    assert (found.org_id, found.location_id, found.state_dir) == ("org", "loc", "/data")


def test_attributes_come_before_the_environment() -> None:
    environment = {"VIAM_PRIMARY_ORG_ID": "theirs", "VIAM_API_KEY": "theirs", "VIAM_API_KEY_ID": "theirs"}
    found = parsed({"org_id": "mine", **KEY}, environment)
    assert (found.org_id, found.api_key) == ("mine", "the-secret-key")


def test_an_empty_variable_is_not_known() -> None:
    """A variable that is set to nothing is no ID."""
    found = parsed({}, {"VIAM_PRIMARY_ORG_ID": "", "VIAM_LOCATION_ID": "", "VIAM_MODULE_DATA": "", "VIAM_API_KEY": ""})
    assert (found.org_id, found.location_id, found.state_dir, found.api_key) == (None, None, None, None)


@pytest.mark.parametrize("name", ["VIAM_API_KEY", "VIAM_API_KEY_ID"])
def test_half_a_key_of_the_environment_is_none(name: str) -> None:
    found = parsed({}, {name: "x"})
    assert (found.api_key, found.api_key_id) == (None, None)


@pytest.mark.parametrize("name", ["api_key", "api_key_id"])
def test_half_a_key_is_an_error(name: str) -> None:
    assert "expected both api_key (or api_key_file) and api_key_id or neither" in refused({name: KEY[name]})


def test_the_scope_is_the_own_org_and_location_by_default() -> None:
    """Nothing else is open unless somebody opens it."""
    found = parsed({"org_id": "o", "location_id": "l"})
    assert (found.allowed_org_ids, found.allowed_location_ids) == (frozenset("o"), frozenset("l"))


def test_an_empty_scope_opens_nothing() -> None:
    found = parsed({"org_id": "o", "location_id": "l", "allowed_org_ids": [], "allowed_location_ids": []})
    assert (found.allowed_org_ids, found.allowed_location_ids) == (frozenset(), frozenset())


def test_the_limits_are_cents() -> None:
    found = parsed(CHARGING)
    assert (found.per_charge_limit, found.per_day_limit) == (10_000, 50_050)


def test_a_budget_warns_at_half_and_four_fifths() -> None:
    found = parsed({"budget": {"monthly": 99.99}})
    assert (found.monthly_budget, found.warn_at) == (9999, (0.5, 0.8))


def test_thresholds_are_in_order_and_each_once() -> None:
    assert parsed({"budget": {"monthly": 1, "warn_at": [0.9, 0.1, 0.9]}}).warn_at == (0.1, 0.9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key", 5),
        ("api_key", ""),
        ("api_key_id", "not-a-uuid"),
        ("api_key_id", "0c7e6b3a000040008000000000000001"),
        ("app_address", "http://app.viam.com"),
        ("app_address", ""),
        ("org_id", ""),
        ("org_id", "  "),
        ("org_id", None),
        ("location_id", 7),
        ("allowed_commands", "read"),
        ("allowed_commands", [1]),
        ("allowed_commands", ["reed"]),
        ("allowed_commands", ["by_name"]),
        ("allowed_commands", ["always"]),
        ("allowed_org_ids", "*"),
        ("allowed_org_ids", [""]),
        ("allowed_location_ids", {}),
        ("reveal_payment_details", 1),
        ("reveal_payment_details", "true"),
        ("timeout_s", 0),
        ("timeout_s", -1),
        ("timeout_s", "20"),
        ("timeout_s", True),
        ("cache_ttl_s", -0.1),
        ("max_stale_s", None),
        ("max_pdf_bytes", 0),
        ("max_pdf_bytes", 22 * 1024 * 1024 + 1),
        ("max_pdf_bytes", 1.5),
        ("charge_limits", 100),
        ("charge_limits.per_charge", {"per_charge": 0, "per_day": 1}),
        ("charge_limits.per_charge", {"per_charge": 0.001, "per_day": 1}),
        ("charge_limits.per_day", {"per_charge": 1}),
        ("state_dir", "relative"),
        ("state_dir", ""),
        ("state_dir", "/a\0b"),
        ("ca_file", "ca.pem"),
        ("ca_file", 1),
        ("budget.monthly", {}),
        ("budget.monthly", {"monthly": 0}),
        ("budget.monthly", {"monthly": 1e13}),
        ("budget.warn_at", {"monthly": 1, "warn_at": [1.1]}),
        ("budget.warn_at", {"monthly": 1, "warn_at": 0.5}),
        ("no_such_attribute", 1),
    ],
)
def test_a_wrong_attribute_is_named(name: str, value: object) -> None:
    """With what was found and what is expected."""
    words = refused({name.partition(".")[0]: value})
    assert name in words
    assert "found" in words
    assert "expected" in words


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout_s", 0.001),
        ("cache_ttl_s", 0),
        ("max_stale_s", 0),
        ("max_pdf_bytes", 1),
        ("max_pdf_bytes", 22 * 1024 * 1024),
        ("allowed_commands", []),
        ("allowed_commands", ["read", "notify", "change", "help", "get_location_usage"]),
        ("allowed_org_ids", ["*"]),
        ("app_address", "/run/sandbox.sock"),
        ("state_dir", "/"),
        ("ca_file", "/etc/ssl/own.pem"),
        ("budget", {"monthly": 0.01, "warn_at": [0, 1]}),
        ("budget", {"monthly": 1, "warn_at": []}),
    ],
)
def test_the_edges_of_what_is_allowed_are_good(name: str, value: object) -> None:
    parsed({name: value})


def test_every_error_is_told_at_once() -> None:
    """One mistake does not hide another, and rules between attributes are checked among what is good."""
    words = refused({"timeout_s": 0, "org_id": "", "allowed_commands": ["charge", "nonsense"], "api_key": "k"})
    for name in ("timeout_s", "org_id", '"nonsense"', "api_key_id", "charge_limits", "allowed_org_ids", "state_dir"):
        assert name in words


@pytest.mark.parametrize("block", [{**KEY, "api_key": 12345678}, {"api_key": "", "api_key_id": "the-secret-key"}])
def test_a_key_is_never_shown(block: dict[str, object]) -> None:
    """Not the key, nor what stands where its ID should: who mixes the two up would find the key in the log."""
    words = refused(block)
    assert "12345678" not in words
    assert "the-secret-key" not in words


@pytest.mark.parametrize("allowed", ["charge", "charge_organization", "create_invoice_and_charge_immediately"])
@pytest.mark.parametrize("missing", ["charge_limits", "allowed_org_ids", "state_dir"])
def test_a_charge_needs_limits_organizations_and_a_folder(allowed: str, missing: str) -> None:
    """By the group or by a command's name."""
    block: dict[str, object] = {**CHARGING, "allowed_commands": [allowed]}
    parsed(block)
    del block[missing]
    assert missing in refused(block)


def test_a_charge_of_any_organization_is_refused() -> None:
    assert 'allowed_org_ids: found "*"' in refused({**CHARGING, "allowed_org_ids": ["a", "*"]})


def test_a_charge_of_no_organization_is_refused() -> None:
    assert "allowed_org_ids: found no organization" in refused({**CHARGING, "allowed_org_ids": []})


@pytest.mark.parametrize("variable", ["VIAM_MODULE_DATA", "VIAM_MODULE_ROOT"])
@pytest.mark.parametrize("folder", ["/opt/module", "/opt/module/", "/opt/x/../module/state", "//opt/module/state"])
def test_a_charges_folder_outlives_the_module(variable: str, folder: str) -> None:
    assert f"inside {variable}" in refused({**CHARGING, "state_dir": folder}, {variable: "/opt/module/"})


def test_a_folder_with_a_similar_name_is_another() -> None:
    parsed({**CHARGING, "state_dir": "/opt/module2"}, {"VIAM_MODULE_DATA": "/opt/module"})


def test_one_folder_has_one_spelling() -> None:
    """The journal, its lock and its limits belong to the folder, however two services spell it."""
    found = {parsed({"state_dir": spelling}).state_dir for spelling in ("/x/y", "/x/y/", "/x//y", "/x/z/../y", "//x/y")}
    assert found == {"/x/y"}
