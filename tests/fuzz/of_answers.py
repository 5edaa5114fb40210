"""Answers of the cloud: messages with odd values, changed bytes, and bodies that are no answer."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpclib.const import Status
from hypothesis import strategies as st
from typing_extensions import Self
from viam.gen.app.v1 import app_pb2, billing_pb2
from viam.gen.proto.rpc.v1 import auth_pb2

from fuzz.mangled import mangled
from fuzz.world import World, ends_well
from support.charging import CHARGING
from support.faulty_cloud import attributes
from support.raw_cloud import RawCloud
from viam_billing_sandbox.server.grpc import framed

_ORGS: Final = [f"org-{number}" for number in range(200)]
_QUESTIONS: Final[dict[str, list[tuple[str, dict[str, Any]]]]] = {
    "GetCurrentMonthUsage": [
        ("get_current_month_usage", {}),
        ("get_location_usage", {}),
        ("check_budget", {"org_id": "org-0"}),
        ("get_fleet_usage", {"location_ids": ["a", "b"]}),
        ("get_usage_history", {}),
    ],
    "GetInvoicesSummary": [
        ("get_invoices_summary", {}),
        ("get_invoices_summary", {"limit": 1, "since": "2026-01-01T00:00:00Z"}),
        ("reconcile_charges", {}),
        ("charge_organization", {}),
    ],
    "GetOrgBillingInformation": [
        ("get_org_billing_information", {}),
        ("update_organization_billing_tier", {"org_id": "org-0", "billing_tier": "t"}),
    ],
    "GetAvailableBillingTiers": [
        ("get_available_billing_tiers", {}),
        ("update_organization_billing_tier", {"org_id": "org-0", "billing_tier": "t"}),
        ("send_payment_required_email", {"customer_org_id": "org-1"}),
    ],
    "GetLocationBillingOrganization": [
        ("get_location_billing_organization", {}),
        ("get_location_usage", {}),
        ("update_location_billing_organization", {"location_id": "a", "billing_organization_id": "org-2"}),
    ],
    "ListLocations": [("get_fleet_usage", {"org_id": "org-0"})],
    "GetInvoicePdf": [("get_invoice_pdf", {"id": "i"}), ("get_invoice_pdf", {"id": "i", "save_as": "i.pdf"})],
    "ChargeOrganization": [("charge_organization", {})],
    "Authenticate": [("check_access", {})],
}
_OF_APP: Final = ("ListLocations",)


def _type(rpc: str) -> type[Message]:
    if rpc == "Authenticate":
        return auth_pb2.AuthenticateResponse
    found: type[Message] = getattr(app_pb2 if rpc in _OF_APP else billing_pb2, f"{rpc}Response")
    return found


_TEXTS: Final = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(["outstanding", "paid", "t", "org-3", "a@b.c", "x" * 300, "x" * 9000, "NaN", "123456789"]),
)
_WHOLE: Final = st.one_of(
    st.integers(0, 5),
    st.sampled_from([1_790_000_000, 253_402_300_799, 253_402_300_800, -62_135_596_800, -62_135_596_801]),
)
_SCALARS: Final = {
    FieldDescriptor.CPPTYPE_STRING: _TEXTS,
    FieldDescriptor.CPPTYPE_DOUBLE: st.one_of(st.floats(), st.sampled_from([12.5, 1e12, -3.0])),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT64: st.one_of(_WHOLE, st.integers(-(2**63), 2**63 - 1)),
    FieldDescriptor.CPPTYPE_INT32: st.one_of(st.integers(0, 5), st.integers(-(2**31), 2**31 - 1)),
    FieldDescriptor.CPPTYPE_ENUM: st.one_of(st.integers(0, 12), st.integers(-(2**31), 2**31 - 1)),
}


@st.composite
def _messages(draw: st.DrawFn, descriptor: Any, levels: int = 5) -> Message:  # noqa: ANN401 - protobuf has two types of it
    """A message with any of its fields, each with any value."""
    made = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if not draw(st.booleans()):
            continue
        count = draw(st.integers(0, 3)) if field.is_repeated else 1
        parts: list[Any] = []
        for _ in range(count):
            if field.message_type is not None:
                parts += [draw(_messages(field.message_type, levels - 1))] if levels else []
            elif field.type == FieldDescriptor.TYPE_BYTES:
                parts.append(draw(st.binary(max_size=50)))
            else:
                parts.append(draw(_SCALARS[field.cpp_type]))
        if field.is_repeated:
            getattr(made, field.name).extend(parts)
        elif parts and field.message_type is not None:
            getattr(made, field.name).CopyFrom(parts[0])
        elif parts:
            setattr(made, field.name, parts[0])
    return made


def _bodies(rpc: str) -> st.SearchStrategy[bytes]:
    good = _messages(_type(rpc).DESCRIPTOR).map(lambda message: message.SerializeToString(deterministic=True))
    return st.one_of(
        st.builds(framed, good),
        st.builds(framed, mangled(good)),
        mangled(st.builds(framed, good)),
        st.binary(max_size=100),
        st.builds(lambda part, times: framed(part * times), st.binary(max_size=6), st.integers(0, 100_000)),
        st.builds(lambda one, other: framed(one) + framed(other), good, good),
    )


class Answers(World):
    """A service that may do all that there is, with a cloud that answers anything."""

    examples = st.sampled_from(sorted(_QUESTIONS)).flatmap(
        lambda rpc: st.tuples(
            st.just(rpc),
            st.sampled_from(_QUESTIONS[rpc]),
            _bodies(rpc),
            st.sampled_from([b"", b"", b"", b"gzip", b"identity", b"x"]),
            st.sampled_from(
                [Status.OK, Status.OK, Status.OK, Status.INTERNAL, Status.NOT_FOUND, Status.ALREADY_EXISTS]
            ),
        )
    )

    async def __aenter__(self) -> Self:
        self._cloud = RawCloud().__enter__()
        self._folder = tempfile.TemporaryDirectory()
        self._number = itertools.count()
        await super().__aenter__()
        allowed = ["read", "notify", "change", "charge", "resolve_charge"]
        await self._add({**CHARGING, "allowed_commands": allowed, "allowed_org_ids": _ORGS})
        await ends_well(self.module.ask("get_current_month_usage"))
        await self.warmed_up()
        return self

    async def _add(self, changes: dict[str, Any]) -> None:
        limits = {"per_charge": 500, "per_day": 1e9}
        more = {"org_id": "org-0", "budget": {"monthly": 5}, "cache_ttl_s": 0, "charge_limits": limits, "timeout_s": 5}
        self._block = {**attributes(self._cloud.address, Path(self._folder.name)), **changes, **more}
        await self.module.add(self._block)

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            await super().__aexit__(*exc_info)
        finally:
            self._cloud.__exit__()
            self._folder.cleanup()

    async def judge(self, example: tuple[str, tuple[str, dict[str, Any]], bytes, bytes, Status]) -> None:
        """Have the cloud answer so, ask for it, and ask once more while all other answers are empty."""
        rpc, (command, parameters), body, encoding, status = example
        payer = billing_pb2.GetLocationBillingOrganizationResponse(billing_organization_id="org-4")
        self._cloud.answer({"GetLocationBillingOrganization": payer.SerializeToString()})
        self._cloud.bodies[rpc] = body
        self._cloud.encoding, self._cloud.status = encoding, status
        if rpc == "Authenticate":
            await self.module.reconfigure(self._block)
        if command == "charge_organization":
            number = next(self._number)
            charged = {
                "org_id_to_charge": _ORGS[number % len(_ORGS)],
                "subtotal": 1,
                "idempotency_key": f"key-{number}",
            }
            await ends_well(self.module.ask(command, **charged))
            await ends_well(self.module.ask("get_charge", idempotency_key=f"key-{number}"))
        else:
            await ends_well(self.module.ask(command, **parameters))
        assert (await self.module.status())["version"]
