"""The composition root: from a configuration to the parts of one service, and what they share in this process."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from viam_billing import state
from viam_billing.calls import Calls, Counters
from viam_billing.commands import COMMANDS
from viam_billing.commands.context import Context
from viam_billing.gateway import CloudGateway
from viam_billing.link import Link, Links
from viam_billing.policy import Policy
from viam_billing.reads import Reads
from viam_billing.store import Store
from viam_billing.times import to_rfc3339
from viam_billing.version import VERSION

if TYPE_CHECKING:
    from viam_billing.config import Config

LINKS: Final = Links()
"""All links of the process. Two services with one key and address must not hold two connections and two logins."""


class Runtime:
    """One service's parts, and what has to be closed with it. Making it costs no I/O."""

    def __init__(self, config: Config) -> None:
        self._link: Link | None = None
        if config.api_key is not None and config.api_key_id is not None:
            self._link = LINKS.acquire(config.app, config.api_key_id, config.api_key)
        self._counters = Counters()
        store = Store(config.state_dir, state.FILE_NAME, state.MIGRATIONS) if config.state_dir else None
        gateway = CloudGateway(Calls(self._link, self._counters))
        self.context = Context(
            config=config,
            policy=Policy(config),
            gateway=gateway,
            reads=Reads(gateway, config, time.time),
            state=state.State(store, config.app.text, time.time),
            now=time.time,
            commands=COMMANDS,
        )

    def status(self) -> dict[str, Any]:
        """What `get_status` answers; from memory."""
        counters = self._counters
        status: dict[str, Any] = {
            "version": VERSION,
            "connected": self._link is not None and self._link.connected,
            "cloud_calls": counters.cloud_calls,
            "logins": self._link.logins if self._link else 0,
            "retries": counters.retries,
            "cache_hits": 0,
            "cache_misses": 0,
            "stale_answers": 0,
            "unknown_charges": 0,
            "charged_last_24h": 0,
            "allowed_commands": sorted(self.context.config.allowed_commands),
        }
        if counters.last_success is not None:
            status["last_success"] = to_rfc3339(counters.last_success)
        if counters.last_error is not None:
            status["last_error"] = counters.last_error
        return status

    async def close(self) -> None:
        """Give back what is shared and close what is owned. May be called twice."""
        link, self._link = self._link, None
        if link is not None:
            LINKS.release(link)
        await asyncio.to_thread(self.context.state.close)
