"""Requests of any caller: commands with odd parameters, changed bytes, and bodies that are no request."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from grpclib.const import Status
from hypothesis import strategies as st
from typing_extensions import Self

from fuzz.mangled import mangled
from fuzz.world import PATIENCE_S, World, ends_well
from support.charging import CHARGING
from support.faulty_cloud import attributes
from support.raw_request import DO_COMMAND, request, sent
from support.sandbox_process import SandboxProcess
from viam_billing.commands import COMMANDS
from viam_billing_sandbox.scenario import DEFAULT_LOCATION_ID, DEFAULT_ORG_ID
from viam_billing_sandbox.server.grpc import framed

_PATHS: Final = (
    *(3 * [DO_COMMAND]),
    "/viam.service.generic.v1.GenericService/GetStatus",
    "/viam.component.sensor.v1.SensorService/GetReadings",
    "/viam.component.sensor.v1.SensorService/DoCommand",
    "/viam.component.arm.v1.ArmService/DoCommand",
)
_FIELDS: Final = sorted(
    {name for row in COMMANDS.values() for name in (*row.parameters.__struct_fields__, *row.parameters.aliases)}
)
_TEXTS: Final = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.sampled_from(
        [
            DEFAULT_ORG_ID,
            DEFAULT_LOCATION_ID,
            "day",
            "hour",
            "succeeded",
            "failed",
            "2026-11-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
        ]
    ),
    st.sampled_from(
        [
            "9999-12-31T23:59:59-23:59",
            "2016-12-31T23:59:60Z",
            "2026-11-01T00:00:00.123456789123Z",
            "x" * 5000,
            "\u202e",
            "a/b",
        ]
    ),
)
_NUMBERS: Final = st.one_of(
    st.floats(), st.integers(-2, 3), st.sampled_from([1e308, 2.0**62, 2.0**63, 12.5, 1e-320, 10.005])
)
_LEAVES: Final = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
_VALUES: Final = st.recursive(
    _LEAVES,
    lambda parts: st.one_of(st.lists(parts, max_size=5), st.dictionaries(_TEXTS, parts, max_size=4)),
    max_leaves=10,
)
_PARAMETERS: Final = st.dictionaries(st.one_of(st.sampled_from(_FIELDS), _TEXTS), _VALUES, max_size=6)
_NAMES: Final = st.one_of(st.sampled_from(sorted(COMMANDS)), _TEXTS)


@st.composite
def _fitting(draw: st.DrawFn) -> Mapping[str, object]:
    """A command with its own parameters, most of them there."""
    row = COMMANDS[draw(st.sampled_from(sorted(COMMANDS)))]
    names = [*row.parameters.__struct_fields__, *row.parameters.aliases]
    return {row.name: {name: draw(_LEAVES) for name in names if draw(st.booleans())}}


_COMMANDS: Final[st.SearchStrategy[Mapping[str, Any]]] = st.one_of(
    _fitting(),
    st.builds(lambda name, value: {name: value}, _NAMES, st.one_of(_PARAMETERS, _VALUES)),
    st.builds(lambda name, parameters: {**parameters, "command": name}, st.one_of(_NAMES, _VALUES), _PARAMETERS),
    st.dictionaries(_TEXTS, _VALUES, max_size=3),
)
_REQUESTS: Final = st.builds(request, _COMMANDS)
_BODIES: Final = st.one_of(
    st.builds(framed, _REQUESTS),
    st.builds(framed, mangled(_REQUESTS)),
    mangled(st.builds(framed, _REQUESTS)),
    st.binary(max_size=200),
    st.builds(lambda part, times: framed(part * times), st.binary(max_size=8), st.integers(0, 30_000)),
)


class Requests(World):
    """A service that may do all that there is, with a cloud that is well."""

    examples = st.tuples(st.sampled_from(_PATHS), _BODIES)

    async def __aenter__(self) -> Self:
        self._sandbox = SandboxProcess("--quiet").__enter__()
        self._folder = tempfile.TemporaryDirectory()
        await super().__aenter__()
        allowed = ["read", "notify", "change", "charge", "resolve_charge"]
        block = {**attributes(self._sandbox.address, Path(self._folder.name)), **CHARGING, "allowed_commands": allowed}
        await self.module.add(block)
        await self.module.ask("get_current_month_usage")
        await self.warmed_up()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            await super().__aexit__(*exc_info)
        finally:
            self._sandbox.__exit__()
            self._folder.cleanup()

    async def judge(self, example: tuple[str, bytes]) -> None:
        """Send a body, then ask what any other caller asks."""
        path, body = example
        await ends_well(sent(self.module.channel, body, path, PATIENCE_S), Status.NOT_FOUND)  # no such resource
        assert (await self.module.ask("help", name="help"))["version"]
