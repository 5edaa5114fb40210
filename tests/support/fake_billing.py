"""The SDK's client of a generic service, driven by the test: what it answers, what it was asked."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from viam.gen.common.v1 import common_pb2
from viam.services.generic import Generic

from support.module_process import struct

USAGE: Mapping[str, Any] = {
    "location_id": "wh1north01",
    "billing_organization_id": "org",
    "month_to_date": 12.5,
    "projection": {"total": 20.0, "low": 18.0, "high": 22.0, "method": "history", "elapsed_fraction": 0.625},
    "cost_by_type": {"per_machine": 10.0, "logs_upload": 2.5},
    "start_date": "2026-11-01T00:00:00Z",
    "end_date": "2026-12-01T00:00:00Z",
    "budget": {"status": "ok", "monthly_budget": 25.0, "used_fraction": 0.5, "projected_status": "warning"},
    "as_of": "2026-11-21T12:00:00Z",
    "stale": False,
}
INVOICES: Mapping[str, Any] = {
    "org_id": "org",
    "invoices": [],
    "outstanding_balance": 80.25,
    "overdue_count": 2,
    "as_of": "2026-11-21T11:59:00Z",
    "stale": False,
}
STATUS: Mapping[str, Any] = {"version": "1", "unknown_charges": 0, "charged_last_24h": 0}

Answer = Mapping[str, Any] | BaseException


class FakeBilling(Generic):
    """Answers `get_location_usage`, `get_invoices_summary` and `get_status` with what stands in `answers`.

    `hold` keeps a question from being answered until it is set.
    """

    def __init__(self, name: str = "billing") -> None:
        super().__init__(name)
        self.client = self
        self.answers: dict[str, Answer] = {
            "get_location_usage": USAGE,
            "get_invoices_summary": INVOICES,
            "get_status": STATUS,
        }
        self.hold: dict[str, asyncio.Event] = {}
        self.asked: dict[str, dict[str, Any]] = {}
        """The parameters of each question."""
        self.seen: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """Set when a question has come."""
        self.names: set[str] = set()
        """The resources' names in the questions."""

    async def DoCommand(  # noqa: N802 - the RPC's name
        self, request: common_pb2.DoCommandRequest, *, timeout: float
    ) -> common_pb2.DoCommandResponse:
        """Of the stub."""
        parameters = MessageToDict(request.command)
        answer = await self._answer(request.name, parameters.pop("command"), parameters, timeout)
        return common_pb2.DoCommandResponse(result=struct(answer))

    async def GetStatus(  # noqa: N802 - the RPC's name
        self, request: common_pb2.GetStatusRequest, *, timeout: float
    ) -> common_pb2.GetStatusResponse:
        """Of the stub."""
        return common_pb2.GetStatusResponse(result=struct(await self._answer(request.name, "get_status", {}, timeout)))

    async def _answer(
        self, name: str, question: str, parameters: dict[str, Any], timeout_s: float
    ) -> Mapping[str, Any]:
        self.names.add(name)
        self.asked[question] = parameters
        self.seen[question].set()
        if question in self.hold:
            await asyncio.wait_for(self.hold[question].wait(), timeout_s)
        answer = self.answers[question]
        if isinstance(answer, BaseException):
            raise answer
        return answer
