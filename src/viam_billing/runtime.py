"""The composition root: from a configuration to the parts of one service, and what they share in this process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from viam_billing import state
from viam_billing.answers import Limits
from viam_billing.calls import Calls, Counters
from viam_billing.clouds import CLOUDS, Cloud
from viam_billing.commands import COMMANDS
from viam_billing.commands.context import Context
from viam_billing.gateway import CloudGateway
from viam_billing.policy import Policy
from viam_billing.reads import Reads
from viam_billing.store import Store
from viam_billing.times import to_rfc3339
from viam_billing.version import VERSION

if TYPE_CHECKING:
    from viam_billing.config import Config


class Runtime:
    """One service's parts, and what has to be closed with it.

    Making it waits for no I/O: answers of an earlier process are read in the background. Needs a running event loop.
    """

    def __init__(self, config: Config) -> None:
        self._cloud: Cloud | None = None
        if config.api_key is not None and config.api_key_id is not None:
            self._cloud = CLOUDS.acquire(config.app, config.api_key_id, config.api_key, config.state_dir)
        if self._cloud is not None:
            limits = Limits(config.cache_ttl_s, config.max_stale_s, config.timeout_s)
            self._cloud.cache.serve(limits, revealed=config.reveal_payment_details)
        link, cache = (self._cloud.link, self._cloud.cache) if self._cloud else (None, None)
        self._counters = Counters()
        store = Store(config.state_dir, state.FILE_NAME, state.MIGRATIONS) if config.state_dir else None
        gateway = CloudGateway(Calls(link, self._counters, config.timeout_s))
        self.context = Context(
            config=config,
            policy=Policy(config),
            gateway=gateway,
            reads=Reads(gateway, cache, config, time.time),
            state=state.State(store, config.app.text, time.time),
            now=time.time,
            commands=COMMANDS,
        )

    def status(self) -> dict[str, Any]:
        """What `get_status` answers; from memory."""
        counters, reads = self._counters, self.context.reads.counters
        link = self._cloud.link if self._cloud else None
        status: dict[str, Any] = {
            "version": VERSION,
            "connected": link is not None and link.connected,
            "cloud_calls": counters.cloud_calls,
            "logins": link.logins if link else 0,
            "retries": counters.retries,
            "cache_hits": reads.hits,
            "cache_misses": reads.misses,
            "stale_answers": reads.stale,
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
        cloud, self._cloud = self._cloud, None
        if cloud is not None:
            CLOUDS.release(cloud)
        self.context.state.close()
