"""The client: finds the service on a machine, sends a command, reads its answer into a record.

Billing.get_...  -> _ask -> do_command -> the SDK's connection -> viam-server -> the module
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from grpclib.exceptions import GRPCError, StreamTerminatedError
from typing_extensions import Self
from viam.errors import ResourceNotFoundError, ViamError
from viam.proto.common import DoCommandRequest
from viam.services.generic import Generic  # the SDK's connections know only the APIs that were imported before

from viam_billing_client import errors
from viam_billing_client.address import has_host
from viam_billing_client.commands import AllCommands
from viam_billing_client.commands.base import READ_S
from viam_billing_client.values import from_struct, given

if TYPE_CHECKING:
    from viam.robot.client import RobotClient

    from viam_billing_client.answers.base import Answer

A = TypeVar("A", bound="Answer")
T = TypeVar("T")


class Billing(AllCommands):
    """The billing service of a machine.

        async with Billing.connect(address, api_key=key, api_key_id=key_id) as billing:
            usage = await billing.get_location_usage()

    Make it with `connect`, `from_robot` or `from_resource`. Parameters that are left out take the service's defaults.
    `timeout` is in seconds, for one call. Many tasks can use one at once, and there is nothing to close: `connect`
    closes its own connection, and the SDK reconnects when a connection breaks.
    """

    def __init__(
        self, find: Callable[[], Any], refresh: Callable[[], Coroutine[Any, Any, None]] | None, service: str
    ) -> None:
        """`find` returns the SDK's client of the service, `refresh` reloads the machine's list of services."""
        self._find = find
        self._refresh = refresh
        self._service = service

    @classmethod
    def from_robot(cls, machine: RobotClient, service: str = "billing") -> Self:
        """The service named `service` of a connected machine.

        A remote's service is asked for without the remote's name, unless the machine has its own of that name. Each
        call looks it up, and raises NoServiceError if the machine has none.
        """
        name = Generic.get_resource_name(service)
        return cls(lambda: machine.get_service(name), machine.refresh, service)

    @classmethod
    def from_resource(cls, resource: Generic) -> Self:
        """The service as another module has it: `dependencies[Generic.get_resource_name("billing")]`."""
        return cls(lambda: resource, None, resource.name)

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        address: str,
        *,
        api_key: str | None = None,
        api_key_id: str | None = None,
        service: str = "billing",
        insecure: bool = False,
        timeout: float = 20.0,
    ) -> AsyncIterator[Self]:
        """Connect to a machine for the duration of an `async with`.

        The machine key opens the machine; it is not the owner's API key. `service` is the billing service's name in the
        machine's configuration. `insecure`: without TLS, for a viam-server on this computer; its address has a port,
        `localhost:8080`. `timeout` is how many seconds connecting may take.
        Raises: NoConnectionError; ValueError: `address` is empty, `api_key_id` is not a UUID, or only one of it and
        `api_key` is given.
        """
        machine = await _machine(address, api_key, api_key_id, insecure=insecure, timeout_s=timeout)
        billing = cls.from_robot(machine, service)
        try:
            yield billing
        finally:
            billing._find = _closed  # noqa: SLF001 - its own; the SDK's channel would open again
            await machine.close()  # type: ignore[no-untyped-call] # the SDK's

    async def _ask(self, record: type[A], command: str, timeout: float, /, **parameters: object) -> A:
        answer = await self.do_command({"command": command, **given(parameters)}, timeout=timeout)
        return read(answer, record, self._service)

    async def do_command(self, command: Mapping[str, Any], *, timeout: float = READ_S) -> dict[str, Any]:  # noqa: D102 - as its base says
        try:
            resource = await self._resource(timeout)
            request = DoCommandRequest(name=resource.name)
            try:
                request.command.update(dict(command))
            except (ValueError, TypeError, OverflowError, RecursionError) as error:
                raise errors.InvalidRequestError(
                    f"the request has a value that JSON does not have ({error})."
                ) from None
            # not the SDK's own `do_command`, which drops the message of UNIMPLEMENTED
            answer = await resource.client.DoCommand(request, timeout=timeout)
        except GRPCError as error:
            raise errors.of_status(error.status, error.message or "", self._service) from error
        except asyncio.TimeoutError:
            text = f'the service "{self._service}" did not answer within {timeout:g} s.'
            raise errors.NoAnswerError(text) from None
        except (OSError, StreamTerminatedError) as error:
            text = f'the connection was lost on the way to the service "{self._service}" ({error}). Try again later.'
            raise errors.NoConnectionError(text) from error
        try:
            return from_struct(answer.result)
        except ValueError as error:
            raise _unreadable(self._service, error) from None

    async def _resource(self, timeout_s: float) -> Any:  # noqa: ANN401 - the SDK's client, whose stub is not typed
        try:
            return self._find()
        except ResourceNotFoundError:  # perhaps it was not ready when the machine was asked
            if self._refresh is not None:
                await _within(self._refresh(), timeout_s)
        try:
            return self._find()
        except ResourceNotFoundError as error:
            text = f'the machine has no service "{self._service}". Look at its configuration.'
            raise errors.NoServiceError(text) from error


def read(answer: dict[str, Any], record: type[A], service: str) -> A:
    """The record of an answer of a service. Raises: UnreadableAnswerError: it does not fit."""
    import msgspec  # noqa: PLC0415 - with the first answer, see answers

    try:
        return msgspec.convert(answer, record)
    except (msgspec.ValidationError, ArithmeticError) as error:
        raise _unreadable(service, error) from None


def _unreadable(service: str, error: Exception) -> errors.UnreadableAnswerError:
    text = f'the answer of "{service}" cannot be read: it is no billing service, or of another version ({error}).'
    return errors.UnreadableAnswerError(text)


def _closed() -> None:
    raise errors.NoConnectionError("the connection was closed at the end of its `async with`.")


async def _within(work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """Raises: asyncio.TimeoutError: it was not done in time; it is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
        if task.done():
            return task.result()
        raise asyncio.TimeoutError
    finally:
        task.cancel()


async def _machine(
    address: str, api_key: str | None, api_key_id: str | None, *, insecure: bool, timeout_s: float
) -> RobotClient:
    from viam import logging  # noqa: PLC0415 - a module that has the service as a dependency needs none of these
    from viam.robot.client import RobotClient  # noqa: PLC0415
    from viam.rpc.dial import DialOptions  # noqa: PLC0415

    if not has_host(address):
        raise ValueError(f"address: found {address!r}, expected a machine's, such as office-main.abc123xyz.viam.cloud")
    if (api_key is None) != (api_key_id is None):
        raise ValueError("api_key and api_key_id: found one of them, expected both or neither")
    dial = DialOptions() if api_key is None else DialOptions.with_api_key(api_key, cast("str", api_key_id))
    dial.insecure = insecure
    dial.disable_webrtc = insecure and api_key is None  # the SDK logs in without TLS by its native library only
    dial.timeout = dial.initial_connection_attempt_timeout = timeout_s
    dial.initial_connection_attempts = 1
    options = RobotClient.Options(dial_options=dial, log_level=logging.LOG_LEVEL, disable_sessions=True)
    try:
        return await _within(RobotClient.at_address(address, options), timeout_s)
    except asyncio.TimeoutError:
        raise errors.NoConnectionError(f"the machine at {address} did not answer within {timeout_s:g} s.") from None
    except (OSError, ViamError, GRPCError, StreamTerminatedError) as error:
        why = error.__context__ or error  # the SDK's own has no reason in it
        raise errors.NoConnectionError(f"the machine at {address} cannot be reached ({why}).") from error
