"""The attributes of the billing service: checked all at once, then resolved to a `Config` with its defaults."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Annotated, Any, ClassVar, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from viam_billing.core.errors import quoted
from viam_billing.core.money import Cents, is_whole_cents, to_cents
from viam_billing.settings import app_address, records
from viam_billing.settings.records import MOST_ELEMENTS, InvalidRecordError, Record, close_names, given

_ALERT_URL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*://[^\s\x00-\x1f\x7f]+")
_UUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MIB: Final = 1024 * 1024
ANY: Final = "*"
"""In place of IDs: any of them."""

GROUPS: Final = ("read", "notify", "change", "charge")
"""The groups of commands that `allowed_commands` may name."""

_LIMITS: Final = '{"per_charge": dollars, "per_day": dollars}'

Text = Annotated[str, Meta(min_length=1, pattern=r"\S", title="a non-empty text")]
Texts = tuple[Text, ...]
Amount = Annotated[float, Meta(gt=0, title="an amount in dollars above 0 and below 10^12, in whole cents")]
Seconds = Annotated[float, Meta(ge=0, title="a number of seconds, at least 0")]
Fraction = Annotated[float, Meta(ge=0, le=1, title="a fraction from 0 to 1, such as 0.5 for 50 %")]
AlertUrl = Annotated[
    str, Meta(max_length=2048, title="an Apprise address of at most 2,048 characters, such as mailto://...")
]
AlertUrls = Annotated[
    tuple[AlertUrl, ...],
    Meta(max_length=10, title="a list of up to 10 Apprise addresses, such as mailto://..., each once"),
]
_COMMAND: Final = "the name of a command or of a group (read, notify, change, charge)"
Commands = Annotated[
    tuple[Annotated[Text, Meta(title=_COMMAND)], ...],
    Meta(title="a list of command names and of the groups read, notify, change, charge"),
]
PdfBytes = Annotated[int, Meta(ge=1, le=22 * MIB, title="a whole number from 1 to 23068672 (22 MiB)")]


def _is_absolute_path(text: str) -> bool:
    return os.path.isabs(text) and "\0" not in text


def _are_alert_urls(texts: tuple[str, ...]) -> bool:
    """Whether each has the form of an address: which services there are, and what they need, Apprise alone knows."""
    return len({*texts}) == len(texts) and all(_ALERT_URL.fullmatch(text) for text in texts)


def _normalized(path: str) -> str:
    return "/" + os.path.normpath(path).lstrip("/")  # normpath keeps two slashes at the beginning


class ChargeLimits(Record, frozen=True, kw_only=True):
    """The most that one charge, and all charges of 24 hours together, may come to; tax included."""

    per_charge: Amount
    per_day: Amount
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"per_charge": is_whole_cents, "per_day": is_whole_cents}


class Budget(Record, frozen=True, kw_only=True):
    """What a month may cost, and the fractions of it at which to warn."""

    monthly: Amount
    warn_at: Annotated[tuple[Fraction, ...], Meta(title="a list of fractions from 0 to 1")] = (0.5, 0.8)
    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {"monthly": is_whole_cents}


class Attributes(Record, frozen=True, kw_only=True):
    """The attributes block as it stands in the machine's configuration."""

    api_key: Annotated[str, Meta(min_length=1, title="an API key of Viam, a non-empty text")] | UnsetType = UNSET
    api_key_file: Annotated[str, Meta(title="the absolute path of a file with an API key")] | UnsetType = UNSET
    api_key_id: Annotated[str, Meta(title="the API key's ID, a UUID")] | UnsetType = UNSET
    app_address: Annotated[str, Meta(title=app_address.FORMS)] = app_address.DEFAULT_ADDRESS
    org_id: Text | UnsetType = UNSET
    location_id: Text | UnsetType = UNSET
    allowed_commands: Commands = ("read",)
    allowed_org_ids: Annotated[Texts, Meta(title='a list of organization IDs, or ["*"]')] | UnsetType = UNSET
    allowed_location_ids: Annotated[Texts, Meta(title='a list of location IDs, or ["*"]')] | UnsetType = UNSET
    reveal_payment_details: Annotated[bool, Meta(title="true or false")] = False
    timeout_s: Annotated[float, Meta(gt=0, title="a number of seconds above 0")] = 20.0
    cache_ttl_s: Seconds = 300.0
    max_stale_s: Seconds = 604_800.0
    max_pdf_bytes: PdfBytes = 16 * MIB
    charge_limits: Annotated[ChargeLimits, Meta(title=_LIMITS)] | UnsetType = UNSET
    state_dir: Annotated[str, Meta(title="the absolute path of a folder")] | UnsetType = UNSET
    ca_file: Annotated[str, Meta(title="the absolute path of a file of certificates (PEM)")] | UnsetType = UNSET
    accept_lost_journal: Annotated[Text, Meta(title="the ID of a charge journal")] | UnsetType = UNSET
    budget: Annotated[Budget, Meta(title='{"monthly": dollars, "warn_at": [fractions]}')] | UnsetType = UNSET

    alert_urls: AlertUrls = ()

    checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {
        "alert_urls": _are_alert_urls,
        "api_key_file": _is_absolute_path,
        "api_key_id": lambda text: _UUID.fullmatch(text) is not None,
        "app_address": lambda text: app_address.parse(text) is not None,
        "state_dir": _is_absolute_path,
        "ca_file": _is_absolute_path,
    }
    secrets: ClassVar[frozenset[str]] = frozenset({"alert_urls", "api_key", "api_key_file", "api_key_id"})
    """All three of the key: somebody may mix them up, and it would be in the log."""


class Config(Struct, frozen=True):
    """The configuration of one service, with the defaults from the environment; None where nothing is known."""

    api_key: str | None
    api_key_file: str | None
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
    ca_file: str | None
    accept_lost_journal: str | None
    monthly_budget: Cents | None
    warn_at: tuple[float, ...]
    alert_urls: tuple[str, ...]


def parse_attributes(
    attributes: Mapping[str, object], environment: Mapping[str, str], effects: Mapping[str, str]
) -> Config:
    """Check the attributes, native values, and resolve their defaults; `effects` has the effect of each command.

    No I/O: this runs on the event loop. Raises: InvalidRecordError: with every error.
    """
    key = attributes.get("api_key")
    hidden = key if isinstance(key, str) else environment.get("VIAM_API_KEY")
    errors: list[tuple[str, str]] = []
    try:
        valid = records.read(Attributes, attributes, "attribute", hidden)
    except InvalidRecordError as error:
        errors = error.errors
        # The rules between attributes are checked on those that are valid by themselves: one mistake hides no other.
        names = {name for name, _ in errors}
        kept = {n: v for n, v in attributes.items() if n in Attributes.__struct_fields__ and n not in names}
        valid = records.read(Attributes, kept, "attribute")
    errors += [("", text) for text in _errors_between(valid, attributes, environment, effects)]
    if errors:
        raise InvalidRecordError(errors)
    return _resolved(valid, environment)


def _errors_between(
    valid: Attributes, attributes: Mapping[str, object], environment: Mapping[str, str], effects: Mapping[str, str]
) -> list[str]:
    errors = _errors_of_key(attributes) + _errors_of_commands(valid, attributes.get("api_key"), effects)
    if all("charge" not in (name, effects.get(name)) for name in valid.allowed_commands):
        return errors
    why = "because allowed_commands allows a charge"
    if "charge_limits" not in attributes:
        errors.append(f"charge_limits: found nothing, expected {_LIMITS}, {why}")
    orgs = given(valid.allowed_org_ids, ())
    if not orgs:
        errors.append(f"allowed_org_ids: found no organization, expected those that may be charged, {why}")
    elif ANY in orgs:
        errors.append(f'allowed_org_ids: found "*", expected the organizations that may be charged by name, {why}')
    folder = given(valid.state_dir)
    if "state_dir" not in attributes:
        errors.append(f"state_dir: found nothing, expected a folder that outlives the module, {why}")
    for variable in ("VIAM_MODULE_DATA", "VIAM_MODULE_ROOT") if folder is not None else ():
        outer = environment.get(variable, "")
        if os.path.isabs(outer) and os.path.commonpath([_normalized(folder), _normalized(outer)]) == _normalized(outer):
            errors.append(
                f"state_dir: found a folder inside {variable}, expected one outside of it, {why}: "
                "the platform deletes that one when the module leaves the configuration"
            )
    return errors


def _errors_of_key(attributes: Mapping[str, object]) -> list[str]:
    keys = attributes.keys() & {"api_key", "api_key_file"}
    errors = ["api_key_file: found api_key beside it, expected one of the two"] if len(keys) > 1 else []
    if bool(keys) is not ("api_key_id" in attributes):
        missing = "api_key_id" if keys else "api_key"
        errors.append(f"{missing}: found nothing, expected both api_key (or api_key_file) and api_key_id or neither")
    return errors


def _errors_of_commands(valid: Attributes, key: object, effects: Mapping[str, str]) -> list[str]:
    known = dict.fromkeys((*GROUPS, *effects))
    wrong = ((place, name) for place, name in enumerate(valid.allowed_commands) if name not in known)
    errors = []
    for place, name in islice(wrong, MOST_ELEMENTS):
        found, close = "a value that is not shown", ""
        if not (isinstance(key, str) and key in name):
            found, close = quoted(name), " or ".join(close_names(name, known, 3))
        errors.append(f"allowed_commands[{place}]: found {found}, expected {close or _COMMAND}")
    return errors


_TAKEN_OVER: Final = ("reveal_payment_details", "timeout_s", "cache_ttl_s", "max_stale_s", "max_pdf_bytes")


def _resolved(valid: Attributes, environment: Mapping[str, str]) -> Config:
    key, key_id = given(valid.api_key), given(valid.api_key_id)
    if key_id is None and environment.get("VIAM_API_KEY") and environment.get("VIAM_API_KEY_ID"):
        key, key_id = environment["VIAM_API_KEY"], environment["VIAM_API_KEY_ID"]
    org = given(valid.org_id) or environment.get("VIAM_PRIMARY_ORG_ID") or None
    location = given(valid.location_id) or environment.get("VIAM_LOCATION_ID") or None
    app = app_address.parse(valid.app_address)
    if app is None:
        raise AssertionError("records.read has checked the address")
    limits, budget = given(valid.charge_limits), given(valid.budget)
    state_dir = given(valid.state_dir) or environment.get("VIAM_MODULE_DATA") or None
    return Config(
        api_key=key,
        api_key_file=given(valid.api_key_file),
        api_key_id=key_id,
        app=app,
        org_id=org,
        location_id=location,
        allowed_commands=frozenset(valid.allowed_commands),
        allowed_org_ids=frozenset(given(valid.allowed_org_ids, (org,) if org else ())),
        allowed_location_ids=frozenset(given(valid.allowed_location_ids, (location,) if location else ())),
        **{name: getattr(valid, name) for name in _TAKEN_OVER},
        per_charge_limit=to_cents(limits.per_charge) if limits else None,
        per_day_limit=to_cents(limits.per_day) if limits else None,
        state_dir=_normalized(state_dir) if state_dir else None,
        ca_file=given(valid.ca_file),
        accept_lost_journal=given(valid.accept_lost_journal),
        monthly_budget=to_cents(budget.monthly) if budget else None,
        warn_at=tuple(sorted(set(budget.warn_at))) if budget else (),
        alert_urls=valid.alert_urls,
    )
