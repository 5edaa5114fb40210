"""Which machines are asked: options, `VIAM_BILLING_*`, or profiles of `config.toml`.

--machine NAME ...        the profiles of these names
--address ADDRESS         this machine
VIAM_BILLING_MACHINE, then VIAM_BILLING_ADDRESS
neither                   the profile that `default` names, or the only one
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from typer import BadParameter

from viam_billing_client.address import has_host, is_loopback
from viam_billing_client.cli.messages import keep_secret, say

SERVICE: Final = "billing"
_FIELDS: Final = {"address": str, "api_key_id": str, "api_key": str, "service": str, "insecure": bool}
_WORDS: Final = {str: "text", bool: "true or false"}


class UnhelpedError(BadParameter):
    """Wrong usage that the command's own --help says nothing of."""


@dataclass(frozen=True)
class Place:
    """A machine's billing service and the way to it. `name` tells it apart from others that are asked at once."""

    name: str
    address: str
    api_key_id: str | None = None
    api_key: str | None = field(default=None, repr=False)
    service: str = SERVICE
    insecure: bool = False


@dataclass(frozen=True)
class Options:
    """The options of all commands. `typed` are the names of those that stand on the command line."""

    address: str | None
    api_key_id: str | None
    api_key: str | None = field(repr=False)
    service: str | None
    insecure: bool
    machine: tuple[str, ...]
    sandbox: bool
    scene: str
    output: str
    timeout: float | None
    typed: frozenset[str]


def chosen(options: Options) -> list[Place]:
    """The machines that the options mean. Raises: BadParameter."""
    typed = options.typed & {"address", "machine"}
    if "scene" in options.typed:  # nobody who types one means a machine of their own
        raise BadParameter("--scene is the sandbox's: add --sandbox, or leave --scene out.")
    if len(typed) > 1:
        raise BadParameter("--address and --machine exclude each other.")
    if options.machine and typed != {"address"}:
        profiles = _profiles()[0]
        names = list(dict.fromkeys(options.machine))
        return [_checked(_of_profile(name, profiles, options)) for name in names]
    if options.address:
        found = (options.api_key_id, options.api_key, options.service or SERVICE, options.insecure)
        return [_checked(Place(options.address, options.address, *found))]
    profiles, default = _profiles()
    name = default or (next(iter(profiles)) if len(profiles) == 1 else None)
    if name is None:
        wanted = f"--address, --machine or `default` in {config_path()}"
        sandbox = "; or try it without one: viam-billing --sandbox usage" if has_sandbox() else ""
        raise BadParameter(f"which machine? Give {wanted}{sandbox}")
    return [_checked(_of_profile(name, profiles, options))]


def has_sandbox() -> bool:
    """Whether this is a checkout; what pip installs has no sandbox."""
    return importlib.util.find_spec("viam_billing_sandbox") is not None


def config_path() -> Path:
    """Where the profiles are."""
    from platformdirs import user_config_path  # noqa: PLC0415 - not for --help

    return user_config_path("viam-billing", appauthor=False) / "config.toml"


def _profiles() -> tuple[Mapping[str, Mapping[str, Any]], str | None]:
    """The profiles by name, and the default one's name. Without a file there are none."""
    path = config_path()
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        with path.open("rb") as file:
            readable_by_others = bool(os.fstat(file.fileno()).st_mode & (stat.S_IRGRP | stat.S_IROTH))
            content = toml.load(file)
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError) as error:  # not a word of the content: there are keys in it
        reason = error.strerror if isinstance(error, OSError) else "it is not TOML"
        raise BadParameter(f"{path} cannot be read: {reason}.") from None
    machines, default = content.pop("machines", {}), content.pop("default", None)
    if content or not isinstance(machines, dict) or not isinstance(default, (str, type(None))):
        raise BadParameter(f"{path}: expected `default`, a text, and tables [machines.NAME], nothing else.")
    for name, profile in machines.items():
        _check_profile(path, name, profile)
    if os.name == "posix" and readable_by_others and any("api_key" in each for each in machines.values()):
        say(f"other users of this computer can read the machine keys in {path}. Run: chmod 600 '{path}'")
    return machines, default


def _check_profile(path: Path, name: str, profile: object) -> None:
    if not isinstance(profile, dict) or "address" not in profile:
        raise BadParameter(f"{path}: [machines.{name}] needs an `address`.")
    for key, value in profile.items():
        if key not in _FIELDS:
            raise BadParameter(f"{path}: [machines.{name}] has an unknown field {key}; known are {', '.join(_FIELDS)}.")
        if type(value) is not _FIELDS[key]:
            raise BadParameter(f"{path}: {key} of [machines.{name}] has to be {_WORDS[_FIELDS[key]]}.")


def _of_profile(name: str, profiles: Mapping[str, Mapping[str, Any]], options: Options) -> Place:
    if name not in profiles:
        known = f"known are {', '.join(sorted(profiles))}" if profiles else "it has none"
        raise BadParameter(f"{config_path()} has no [machines.{name}]; {known}.")
    typed = {each: getattr(options, each) for each in options.typed & (_FIELDS.keys() - {"address"})}
    given = {each: getattr(options, each) for each in ("api_key", "api_key_id", "service") if getattr(options, each)}
    profile = profiles[name]
    if "api_key" in profile or "api_key_id" in profile:  # a key of the environment is another machine's
        given = {each: value for each, value in given.items() if not each.startswith("api_key")}
    return Place(**{"name": name, **given, **profile, **typed})


def _checked(place: Place) -> Place:
    keep_secret(place.api_key)
    if not has_host(place.address):
        raise BadParameter(
            f'the address "{place.address}" names no machine; expected such as office-main.abc123xyz.viam.cloud.'
        )
    if (place.api_key is None) != (place.api_key_id is None):
        missing = "api-key" if place.api_key is None else "api-key-id"
        raise BadParameter(f"{place.name}: the machine key and its ID belong together, and the {missing} is missing.")
    if place.api_key_id is not None and not _is_uuid(place.api_key_id):
        raise BadParameter(f"{place.name}: the api-key-id is not a UUID. Is it the machine key itself?")
    if place.insecure and place.api_key and not is_loopback(place.address):
        raise BadParameter(
            f"{place.name}: --insecure lets the network read the machine key; it is for this computer only."
        )
    return place


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
