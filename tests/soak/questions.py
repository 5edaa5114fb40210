"""The two services that are asked, and questions at random: every read command, with all that can be said in one."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.module_process import ModuleProcess
from support.sandbox_caller import HARBOR_ID, HARBOR_KEY, NORTHWIND_ID
from support.sandbox_process import SandboxProcess
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID, DEFAULT_LOCATION_ID, DEFAULT_ORG_ID

_ALDER_ID = "c93e5f7a-1b2d-4a38-8c4e-5f6071829304"
_OF_ORG = ("get_current_month_usage", "get_org_billing_information", "get_invoices_summary")
_OF_LOCATION = ("get_location_usage", "get_location_billing_organization")
_MAX_AGES_S = (None, None, 0, 0, 0.5, 3, 300)
_DEADLINES_S = (0.01, 0.05, 0.3, 1.0, 3.0, 10.0, None, None)
_CANCELLED_SHARE = 0.06
_CANCELLED_WITHIN_S = (0.003, 0.02, 0.5)


@dataclass(frozen=True)
class Asker:
    """One service and what may be asked of it."""

    service: str
    org_id: str
    key: tuple[str, str]
    org_ids: Sequence[str]
    location_ids: Sequence[str]
    timeout_s: float
    cache_ttl_s: float
    max_stale_s: float
    invoice_ids: dict[str, list[str]] = field(default_factory=dict)
    """By organization, filled in when the cloud is still well."""

    def attributes(self, sandbox: SandboxProcess) -> dict[str, object]:
        """Its configuration."""
        return {
            "app_address": sandbox.address,
            "api_key_id": self.key[0],
            "api_key": self.key[1],
            "org_id": self.org_id,
            "location_id": self.location_ids[0],
            "allowed_org_ids": list(self.org_ids),
            "allowed_location_ids": list(self.location_ids),
            "timeout_s": self.timeout_s,
            "cache_ttl_s": self.cache_ttl_s,
            "max_stale_s": self.max_stale_s,
        }

    def all_questions(self) -> list[dict[str, Any]]:
        """Every question whose answer can be remembered, to be answered by the cloud now."""
        return [
            {"command": "get_available_billing_tiers", "max_age_s": 0},
            *({"command": name, "org_id": id_, "max_age_s": 0} for name in _OF_ORG for id_ in self.org_ids),
            *(
                {"command": name, "location_id": id_, "max_age_s": 0}
                for name in _OF_LOCATION
                for id_ in self.location_ids
            ),
        ]


ASKERS = (
    Asker(
        "billing",
        DEFAULT_ORG_ID,
        (DEFAULT_API_KEY_ID, DEFAULT_API_KEY),
        (DEFAULT_ORG_ID, HARBOR_ID, _ALDER_ID, NORTHWIND_ID),
        (DEFAULT_LOCATION_ID, "wh2south01", "yard1east1", "pier7hl001", "alderbarn1", "nwlabs0001"),
        timeout_s=2.5,
        cache_ttl_s=2,
        max_stale_s=3600,
    ),
    Asker(
        "harbor",
        HARBOR_ID,
        HARBOR_KEY,
        (HARBOR_ID,),
        ("harborhq01", "harboryard"),
        timeout_s=4,
        cache_ttl_s=0.5,
        max_stale_s=4,
    ),
)
"""They share module and address. The second one soon has nothing old enough to fall back on, so it gets errors."""


@dataclass(frozen=True)
class Question:
    """One call: to whom, what, how long the caller waits (None: as long as it takes), when it loses interest."""

    asker: Asker
    command: Mapping[str, Any]
    deadline_s: float | None
    leaves_after_s: float | None

    @property
    def name(self) -> str:
        """The command's name."""
        return str(self.command["command"])


def draw(chance: random.Random) -> Question:
    """A question at random."""
    asker = ASKERS[0] if chance.random() < 0.65 else ASKERS[1]
    makers = (_of_org, _of_org, _of_location, _of_location, _tiers, _pdf, _access)
    command = chance.choices(makers, weights=(3, 3, 3, 3, 2, 1.5, 0.5))[0](asker, chance)
    leaves = chance.random() < _CANCELLED_SHARE
    return Question(
        asker,
        command,
        chance.choice(_DEADLINES_S),
        chance.uniform(0, chance.choice(_CANCELLED_WITHIN_S)) if leaves else None,
    )


def _aged(command: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    max_age_s = chance.choice(_MAX_AGES_S)
    return command if max_age_s is None else {**command, "max_age_s": max_age_s}


def _of_org(asker: Asker, chance: random.Random) -> dict[str, Any]:
    return _aged({"command": chance.choice(_OF_ORG), "org_id": chance.choice(asker.org_ids)}, chance)


def _of_location(asker: Asker, chance: random.Random) -> dict[str, Any]:
    return _aged({"command": chance.choice(_OF_LOCATION), "location_id": chance.choice(asker.location_ids)}, chance)


def _tiers(asker: Asker, chance: random.Random) -> dict[str, Any]:  # noqa: ARG001 - the signature of all of them
    return _aged({"command": "get_available_billing_tiers"}, chance)


def _pdf(asker: Asker, chance: random.Random) -> dict[str, Any]:
    org_id = chance.choice(asker.org_ids)
    command = {"command": "get_invoice_pdf", "org_id": org_id, "invoice_id": chance.choice(asker.invoice_ids[org_id])}
    return {**command, "save_as": f"invoice {chance.randrange(4)}.pdf"} if chance.random() < 0.5 else command


def _access(asker: Asker, chance: random.Random) -> dict[str, Any]:  # noqa: ARG001 - the signature of all of them
    return {"command": "check_access"}


async def learn_invoices(module: ModuleProcess) -> None:
    """Fill in the invoices' ids; the cloud is well."""
    for asker in ASKERS:
        for org_id in asker.org_ids:
            command = {"command": "get_invoices_summary", "org_id": org_id, "limit": 3}
            answer = await module.do(command, name=asker.service)
            asker.invoice_ids[org_id] = [invoice["id"] for invoice in answer["invoices"]]
