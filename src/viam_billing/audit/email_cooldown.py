"""No customer gets two e-mails within 24 hours, whatever the clocks say.

clock             what it is used for
wall, on disk     the times at which an e-mail may have been sent; one of them within 24 hours is enough. A time that
                  lies ahead says nothing: when it is seen, the present is noted beside it. An e-mail that is sent while
                  earlier ones lie ahead takes their times too.
monotonic         within one process: an e-mail less than 24 hours ago counts, even if the wall clock was set since
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from functools import partial
from typing import Final

from viam import logging

from viam_billing.audit.audit_log import usable
from viam_billing.charging.journal import Journal
from viam_billing.core.errors import CooldownActiveError, StateUnavailableError, quoted
from viam_billing.core.times import DAY_S, monotonic_s, to_rfc3339
from viam_billing.storage.database import Connection

LOGGER: Final = logging.getLogger(__name__)

COOLDOWN_S: Final = DAY_S


class EmailCooldown:
    """The e-mails of one `state_dir` and `app_address`; `StateUnavailableError` if the folder cannot be used."""

    def __init__(
        self,
        journal: Journal | None,
        app_address: str,
        now: Callable[[], float],
        sent_s: dict[str, float],
        clock_s: Callable[[], float] = monotonic_s,
    ) -> None:
        """`sent_s`: when this process sent e-mails, by customer, on `clock_s`."""
        self._journal = journal
        self._app = app_address
        self._now = now
        self._sent_s = sent_s
        self._clock_s = clock_s

    async def check(self, customer_org_id: str, *, begin: bool = False) -> None:
        """Raises: CooldownActiveError: if an e-mail to this customer may have been sent within the last 24 hours.

        To `begin` also notes on disk, in the same transaction, that an e-mail is about to be sent.
        """
        ago_s = self._clock_s() - self._sent_s.get(customer_org_id, -math.inf)
        since_s: float | None = self._now() - ago_s
        if ago_s >= COOLDOWN_S:
            work = partial(self._active_since, customer_org_id, begin=begin)
            since_s = await asyncio.shield(usable(self._journal).begin(work))
        if since_s is not None:
            raise CooldownActiveError(
                f"an e-mail to the organization {quoted(customer_org_id)} was sent, or may have been, at "
                f"{to_rfc3339(since_s)}. Ask again after {to_rfc3339(since_s + COOLDOWN_S)}."
            )
        if begin:
            self._sent_s[customer_org_id] = self._clock_s()

    async def end(self, customer_org_id: str) -> None:
        """Forget an e-mail that the cloud refused. If that cannot be written, the cooldown stays."""
        sql = "DELETE FROM email_cooldown WHERE app_address = ? AND customer_org_id = ?"
        self._sent_s.pop(customer_org_id, None)  # the note on the disk counts
        row = (self._app, customer_org_id)
        try:
            await asyncio.shield(usable(self._journal).begin(lambda db: db.execute(sql, row).rowcount))
        except StateUnavailableError as error:
            LOGGER.warning("the cooldown of %s stays: %s", quoted(customer_org_id), error.text)

    def _active_since(self, customer_org_id: str, db: Connection, *, begin: bool) -> float | None:
        """When an e-mail was sent that is less than a day old; None if there is none, and to `begin`, one is noted."""
        now_s = self._now()
        sql = "SELECT sent_at, times FROM email_cooldown WHERE app_address = ? AND customer_org_id = ?"
        row = db.execute(sql, (self._app, customer_org_id)).fetchone()
        times_s = [row[0], *json.loads(row[1])] if row else []
        since_s: float | None = now_s  # where the noted time lies ahead
        if not times_s or times_s[0] <= now_s:
            since_s = max((time_s for time_s in times_s if now_s - COOLDOWN_S < time_s <= now_s), default=None)
            if since_s is not None or not begin:
                return since_s
            sql = (
                "SELECT sent_at FROM email_cooldown WHERE app_address = :app AND sent_at > :now UNION "
                "SELECT value FROM email_cooldown, json_each(times) WHERE app_address = :app AND value > :now"
            )
            times_s = [time_s for (time_s,) in db.execute(sql, {"app": self._app, "now": now_s})]
        sql = "INSERT OR REPLACE INTO email_cooldown (app_address, customer_org_id, sent_at, times) VALUES (?, ?, ?, ?)"
        db.execute(sql, (self._app, customer_org_id, now_s, json.dumps(times_s)))
        return since_s
