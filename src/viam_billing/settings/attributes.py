"""The attributes of the billing service: every error at once, every default resolved."""

from __future__ import annotations

import os.path
import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from viam_billing.core.errors import quoted
from viam_billing.core.money import Cents, is_whole_cents, to_cents
from viam_billing.settings import app_address, records
from viam_billing.settings.records import Record, given

MIB: Final = 1024 * 1024
ANY: Final = "*"
GROUPS: Final = ("read", "notify", "change", "charge")
"""Effect groups that `allowed_commands` may name."""

Text = Annotated[str, Meta(min_length=1, pattern=r"\S", title="a non-empty text")]
Amount = Annotated[float, Meta(gt=0, title="an amount in dollars above 0, in whole cents")]
Seconds = Annotated[float, Meta(ge=0, title="a number of seconds, at least 0")]
Fraction = Annotated[float, Meta(ge=0, le=1)]


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


class ChargeLimits(Record, frozen=True, kw_only=True):
    """The most that one charge and all charges of 24 hours may come to, tax included."""

    per_charge: Amount
    per_day: Amount
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"per_charge": is_whole_cents, "per_day": is_whole_cents}


class Budget(Record, frozen=True, kw_only=True):
    """What a month may cost and at which fractions of it to warn."""

    monthly: Amount
    warn_at: Annotated[tuple[Fraction, ...], Meta(title="a list of numbers between 0 and 1")] = (0.5, 0.8)
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"monthly": is_whole_cents}


class Attributes(Record, frozen=True, kw_only=True):
    """The attributes block as it stands in the machine's configuration."""

    api_key: Annotated[str, Meta(min_length=1, title="an API key of Viam, a non-empty text")] | UnsetType = UNSET
    api_key_id: Annotated[str, Meta(title="the API key's ID, a UUID")] | UnsetType = UNSET
    app_address: Annotated[str, Meta(title=app_address.FORMS)] = app_address.DEFAULT_ADDRESS
    org_id: Text | UnsetType = UNSET
    location_id: Text | UnsetType = UNSET
    allowed_commands: Annotated[
        tuple[Text, ...], Meta(title="a list of command names and of the groups read, notify, change, charge")
    ] = ("read",)
    allowed_org_ids: Annotated[tuple[Text, ...], Meta(title='a list of organization IDs, or ["*"]')] | UnsetType = UNSET
    allowed_location_ids: Annotated[tuple[Text, ...], Meta(title='a list of location IDs, or ["*"]')] | UnsetType = (
        UNSET
    )
    reveal_payment_details: Annotated[bool, Meta(title="true or false")] = False
    timeout_s: Annotated[float, Meta(gt=0, title="a number of seconds above 0")] = 20.0
    cache_ttl_s: Seconds = 300.0
    max_stale_s: Seconds = 604_800.0
    max_pdf_bytes: Annotated[int, Meta(ge=1, le=22 * MIB, title="a whole number from 1 to 23068672 (22 MiB)")] = (
        16 * MIB
    )
    charge_limits: Annotated[ChargeLimits, Meta(title='{"per_charge": dollars, "per_day": dollars}')] | UnsetType = (
        UNSET
    )
    state_dir: Annotated[str, Meta(title="the absolute path of a folder")] | UnsetType = UNSET
    accept_lost_journal: (
        Annotated[str, Meta(min_length=1, pattern=r"\S", title="the ID of a charge journal")] | UnsetType
    ) = UNSET
    budget: Annotated[Budget, Meta(title='{"monthly": dollars, "warn_at": [fractions]}')] | UnsetType = UNSET

    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {
        "api_key_id": _is_uuid,
        "app_address": lambda text: app_address.parse(text) is not None,
        "state_dir": lambda text: os.path.isabs(text) and "\0" not in text,
    }
    secrets: ClassVar[frozenset[str]] = frozenset({"api_key", "api_key_id"})
    """The ID too: who mixes the two up would else find the key in the log."""


class Config(Struct, frozen=True):
    """The configuration of one service, with defaults from the environment; None is not known."""

    api_key: str | None
    api_key_id: str | None
    app: app_address.AppAddress
    org_id: str | None
    location_id: str | None
    allowed_commands: frozenset[str]
    allowed_org_ids: frozenset[str]
    allowed_location_ids: frozenset[str]
    reveal_payment_details: bool
    timeout_s: float
    cache_ttl_s: float
    max_stale_s: float
    max_pdf_bytes: int
    per_charge_limit: Cents | None
    per_day_limit: Cents | None
    state_dir: str | None
    accept_lost_journal: str | None
    monthly_budget: Cents | None
    warn_at: tuple[float, ...]


class ConfigError(ValueError):
    """All errors of an attributes block, one sentence each."""


def parse_attributes(
    attributes: Mapping[str, object], environment: Mapping[str, str], effects: Mapping[str, str]
) -> Config:
    """Check an attributes block and resolve its defaults. No I/O: it runs on the event loop.

    Args:
        attributes: native values, null as None, whole numbers as `int`.
        environment: the module's environment variables.
        effects: the effect group of each command.

    Raises:
        ConfigError: with every error found.
    """
    key = attributes.get("api_key")
    hidden = key if isinstance(key, str) else environment.get("VIAM_API_KEY")
    found, errors = records.read(Attributes, attributes, "attribute", hidden=hidden)
    # Rules between attributes are checked on what is good by itself, so that one mistake does not hide another.
    sound, _ = records.read(Attributes, _sound(attributes), "attribute")
    block = sound or Attributes()
    errors = [*errors, *_errors_between(block, attributes, environment, effects)]
    if found is None or errors:
        raise ConfigError("invalid configuration: " + "; ".join(errors))
    return _resolved(found, environment)


def _sound(attributes: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in attributes.items() if not records.read(Attributes, {name: value}, "")[1]}


def _errors_between(
    block: Attributes, attributes: Mapping[str, object], environment: Mapping[str, str], effects: Mapping[str, str]
) -> list[str]:
    errors = []
    for missing, other in (("api_key", "api_key_id"), ("api_key_id", "api_key")):
        if other in attributes and missing not in attributes:
            errors.append(f"{missing}: found nothing, expected both api_key and api_key_id or neither")
    errors += [
        f"allowed_commands: found {_shown(name, attributes)}, "
        f"expected {records.expected(Attributes, 'allowed_commands')}"
        for name in block.allowed_commands
        if name not in effects and name not in GROUPS
    ]
    allows_charge = any(name == "charge" or effects.get(name) == "charge" for name in block.allowed_commands)
    return [*errors, *(_errors_of_charging(block, attributes, environment) if allows_charge else ())]


def _shown(name: str, attributes: Mapping[str, object]) -> str:
    key = attributes.get("api_key")
    return "a value that is not shown" if isinstance(key, str) and key in name else quoted(name)


def _errors_of_charging(
    block: Attributes, attributes: Mapping[str, object], environment: Mapping[str, str]
) -> list[str]:
    errors = []
    why = "because allowed_commands allows a charge"
    if "charge_limits" not in attributes:
        errors.append(f'charge_limits: found nothing, expected {{"per_charge": dollars, "per_day": dollars}}, {why}')
    orgs = given(block.allowed_org_ids, ())
    if not orgs:
        errors.append(f"allowed_org_ids: found no organization, expected those that may be charged, {why}")
    elif ANY in orgs:
        errors.append(f'allowed_org_ids: found "*", expected the organizations that may be charged by name, {why}')
    folder = given(block.state_dir)
    if "state_dir" not in attributes:
        errors.append(f"state_dir: found nothing, expected a folder that outlives the module, {why}")
    elif folder is not None:
        errors += [
            f"state_dir: found a folder inside {variable}, expected one outside of it, {why}: "
            "the platform deletes that one when the module leaves the configuration"
            for variable in ("VIAM_MODULE_DATA", "VIAM_MODULE_ROOT")
            if environment.get(variable) and _is_inside(folder, environment[variable])
        ]
    return errors


def _is_inside(folder: str, parent: str) -> bool:
    inner, outer = os.path.normpath(folder), os.path.normpath(parent)
    return os.path.isabs(outer) and os.path.commonpath([inner, outer]) == outer


def _resolved(block: Attributes, environment: Mapping[str, str]) -> Config:
    key, key_id = given(block.api_key), given(block.api_key_id)
    if key is None and environment.get("VIAM_API_KEY") and environment.get("VIAM_API_KEY_ID"):
        key, key_id = environment["VIAM_API_KEY"], environment["VIAM_API_KEY_ID"]
    org = given(block.org_id) or environment.get("VIAM_PRIMARY_ORG_ID") or None
    location = given(block.location_id) or environment.get("VIAM_LOCATION_ID") or None
    app = app_address.parse(block.app_address)
    if app is None:
        raise AssertionError("the address was checked when the block was read")
    limits, budget = given(block.charge_limits), given(block.budget)
    state_dir = given(block.state_dir) or environment.get("VIAM_MODULE_DATA") or None
    return Config(
        api_key=key,
        api_key_id=key_id,
        app=app,
        org_id=org,
        location_id=location,
        allowed_commands=frozenset(block.allowed_commands),
        allowed_org_ids=frozenset(given(block.allowed_org_ids, (org,) if org else ())),
        allowed_location_ids=frozenset(given(block.allowed_location_ids, (location,) if location else ())),
        reveal_payment_details=block.reveal_payment_details,
        timeout_s=block.timeout_s,
        cache_ttl_s=block.cache_ttl_s,
        max_stale_s=block.max_stale_s,
        max_pdf_bytes=block.max_pdf_bytes,
        per_charge_limit=to_cents(limits.per_charge) if limits else None,
        per_day_limit=to_cents(limits.per_day) if limits else None,
        state_dir=os.path.normpath(state_dir) if state_dir else None,
        accept_lost_journal=given(block.accept_lost_journal),
        monthly_budget=to_cents(budget.monthly) if budget else None,
        warn_at=tuple(sorted(set(budget.warn_at))) if budget else (),
    )
