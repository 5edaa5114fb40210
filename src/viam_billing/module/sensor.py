"""The sensor `usage-sensor`: what the organization that pays for a location costs, as flat readings for data capture.

    get_readings -+-> get_location_usage -> get_invoices_summary of the organization that pays
                  '-> get_status

Only the first is needed; each of the others that fails leaves out its readings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeVar

from grpclib.exceptions import GRPCError
from msgspec import UNSET, Meta, Struct, UnsetType
from typing_extensions import Self
from viam import logging
from viam.components.sensor import Sensor
from viam.errors import NoCaptureToStoreError, ValidationError
from viam.resource.registry import Registry, ResourceCreatorRegistration
from viam.resource.types import Model, ModelFamily
from viam.services.generic import Generic
from viam.utils import ValueTypes, from_dm_from_extra

from viam_billing.core.errors import (
    BillingError,
    CloudAwayError,
    InvalidRequestError,
    NotConfiguredError,
    UnknownCommandError,
    quoted,
)
from viam_billing.core.times import Deadline
from viam_billing.module import codec
from viam_billing.module.dispatch import defect
from viam_billing.module.readings import Flat, Invoices, Status, Usage, flat
from viam_billing.module.sensor_dependency import BillingDependency
from viam_billing.settings import records
from viam_billing.settings.attributes import Text
from viam_billing.settings.records import Record, given
from viam_billing.version import BILLING_MODEL, MODULE_NAME, NAMESPACE, VERSION

if TYPE_CHECKING:
    from viam.proto.app.robot import ComponentConfig
    from viam.proto.common import ResourceName
    from viam.resource.base import ResourceBase

LOGGER: Final = logging.getLogger(__name__)

_LONGEST_S: Final = 600.0
"""viam-server's own time for a call without a deadline; how long the cloud is asked, the service decides."""

_READINGS_OF: Final[Mapping[type[Struct], str]] = {
    Invoices: "outstanding_balance and overdue_count",
    Status: "unknown_charges and charged_last_24h",
}
"""What is left out with a part, in the words of the log."""

_AWAY: Final = frozenset(kind.code for kind in CloudAwayError.__subclasses__())
"""Codes that take turns while the cloud is away, which is one reason."""

Part = TypeVar("Part", bound=Struct)


class SensorAttributes(Record, frozen=True, kw_only=True):
    """The attributes block as it stands in the machine's configuration."""

    service: Annotated[
        str,
        Meta(pattern=r"^[^\s/]+$", title="the name of a generic service of this module, such as billing"),
    ]
    location_id: Text | UnsetType = UNSET


class UsageSensor(Sensor):
    """Asks the billing service at each reading and holds nothing itself; what is remembered, the service remembers."""

    MODEL: ClassVar[Model] = Model(ModelFamily(NAMESPACE, MODULE_NAME), "usage-sensor")

    def __init__(self, name: str, attributes: SensorAttributes, billing: BillingDependency) -> None:
        super().__init__(name)
        self._attributes = attributes
        self._billing = billing
        self._left_out: dict[type[Struct], str] = {}

    @classmethod
    def validate_config(cls, config: ComponentConfig) -> tuple[Sequence[str], Sequence[str]]:
        """The billing service is a required dependency, by its full name: another resource may have the same short one.

        Raises:
            ValidationError: with every error of the attributes.
        """
        return [str(Generic.get_resource_name(_parsed(config).service))], []

    @classmethod
    def new(cls, config: ComponentConfig, dependencies: Mapping[ResourceName, ResourceBase]) -> Self:
        """Make the sensor; nothing is asked yet.

        Raises:
            GRPCError: the service is not among the dependencies.
        """
        attributes = _parsed(config)
        client = _client(attributes.service, dependencies)
        return cls(config.name, attributes, BillingDependency(client, attributes.service))

    async def get_readings(
        self,
        *,
        extra: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **_: Any,  # noqa: ANN401 - the SDK's signature
    ) -> Mapping[str, float | str | bool]:
        """One reading.

        Raises:
            GRPCError: with a code of the contract, its status, and what to do.
            NoCaptureToStoreError: for data capture, which leaves out a stale reading.
        """
        for_capture = from_dm_from_extra(dict(extra or {}))
        try:
            readings = await self._readings(Deadline.of_caller(timeout, _LONGEST_S), for_capture=for_capture)
        except BillingError as error:
            raise GRPCError(error.status, error.message) from None
        except GRPCError:
            raise
        except Exception as error:  # noqa: BLE001 - every reading ends in readings or in one of the contract's errors
            found = defect("get_readings", error)
            raise GRPCError(found.status, found.message) from None
        if for_capture and readings["stale"]:
            raise NoCaptureToStoreError
        return readings

    async def _readings(self, deadline: Deadline, *, for_capture: bool) -> Flat:
        billing = self._billing
        status = asyncio.create_task(self._optional(Status, lambda: billing.status(Status, deadline)))
        try:
            usage = await billing.ask(Usage, deadline, "get_location_usage", **self._location())
            payer = usage.billing_organization_id
            invoices = await self._optional(
                Invoices, lambda: billing.ask(Invoices, deadline, "get_invoices_summary", org_id=payer, limit=1)
            )
            if for_capture and invoices is not None and invoices.stale:
                invoices = None  # else old invoices would keep fresh usage off the timeline
            return flat(usage, invoices, await status)
        finally:
            status.cancel()

    def _location(self) -> dict[str, str]:
        """The configured location; without one the service has its own default."""
        location_id = given(self._attributes.location_id)
        return {} if location_id is None else {"location_id": location_id}

    async def _optional(self, shape: type[Part], ask: Callable[[], Awaitable[Part]]) -> Part | None:
        """The answer, or nothing. The log says once why, for each reason, and once that it is there again."""
        name, readings = quoted(self.name), _READINGS_OF[shape]
        try:
            part = await ask()
        except (GRPCError, BillingError) as error:
            code = (error.message or "").partition(": ")[0]
            reason = "the cloud is away" if code in _AWAY else code
            if self._left_out.get(shape) != reason:
                LOGGER.warning("sensor %s leaves out %s: %s", name, readings, error.message)
            self._left_out[shape] = reason
            return None
        if self._left_out.pop(shape, None) is not None:
            LOGGER.info("sensor %s has %s again", name, readings)
        return part

    async def do_command(self, command: Mapping[str, ValueTypes], **_: Any) -> Mapping[str, ValueTypes]:  # noqa: ANN401, ARG002 - the SDK's signature
        """Raises: GRPCError: always; the SDK's own answer would name one of its source files."""
        error = UnknownCommandError(
            f"the sensor has readings and no commands. Send commands to the service {quoted(self._attributes.service)}."
        )
        raise GRPCError(error.status, error.message)

    async def get_status(self, **_: Any) -> Mapping[str, ValueTypes]:  # noqa: ANN401 - the SDK's signature
        """What it reads, from memory."""
        return {"version": VERSION, "service": self._attributes.service, **self._location()}


def register() -> None:
    """Make the model known to the SDK."""
    creator = ResourceCreatorRegistration(UsageSensor.new, UsageSensor.validate_config)
    Registry.register_resource_creator(UsageSensor.API, UsageSensor.MODEL, creator)


def _client(service: str, dependencies: Mapping[ResourceName, ResourceBase]) -> Any:  # noqa: ANN401 - the SDK's client of a generic service, which its types do not tell from a service
    """viam-server names a service of a remote without the remote, and with the prefix that the remote may have."""
    any_name = str(Generic.get_resource_name(""))
    found = {name.name: client for name, client in dependencies.items() if str(name).startswith(any_name)}
    for name in (service, service.rpartition(":")[2]):
        if name in found:
            return found[name]
    if len(found) == 1:
        return next(iter(found.values()))
    error = NotConfiguredError(
        f"the sensor got no generic service {quoted(service)}. Set service to the name of one of model {BILLING_MODEL}."
    )
    raise GRPCError(error.status, error.message)


def _parsed(config: ComponentConfig) -> SensorAttributes:
    """Raises: ValidationError: its text stands on its own, as the SDK puts a class's name before it."""
    try:
        found, errors = records.read(SensorAttributes, codec.from_struct(config.attributes), "attribute")
    except InvalidRequestError as error:
        found, errors = None, [error.text]
    if found is None:
        raise ValidationError("invalid configuration: " + "; ".join(errors))
    return found
