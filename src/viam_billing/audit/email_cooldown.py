"""The e-mails' cooldown: the steps of its transactions; each takes the database of one that is under way.

Which of two clocks was right, only the future tells, so all the times at which an e-mail may have been sent are kept:
the clock's own, when an e-mail seemed to come from the future the time at which that was seen, and when earlier e-mails
did, their times too. One of them within 24 hours is enough; a time that is still to come says nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from viam_billing.core.errors import CooldownActiveError, quoted
from viam_billing.core.times import DAY_S, to_rfc3339

if TYPE_CHECKING:
    import sqlite3

COOLDOWN_S: Final = DAY_S


def cooling_since(db: sqlite3.Connection, app_address: str, customer_org_id: str, now_s: float) -> float | None:
    """When the e-mail was sent that is less than a day old, None if there is none."""
    row = db.execute(
        "SELECT sent_at, times FROM email_cooldown WHERE app_address = ? AND customer_org_id = ?",
        (app_address, customer_org_id),
    ).fetchone()
    if row is None:
        return None
    times = [row[0], *json.loads(row[1])]
    if row[0] > now_s:
        _put(db, app_address, customer_org_id, [now_s, *times])
        return now_s
    return max((time_s for time_s in times if now_s - COOLDOWN_S < time_s <= now_s), default=None)


def begin(db: sqlite3.Connection, app_address: str, customer_org_id: str, now_s: float) -> None:
    """Note that an e-mail is about to be sent."""
    sql = (
        "SELECT sent_at FROM email_cooldown WHERE app_address = :app AND sent_at > :now UNION "
        "SELECT value FROM email_cooldown, json_each(times) WHERE app_address = :app AND value > :now"
    )
    ahead = [time_s for (time_s,) in db.execute(sql, {"app": app_address, "now": now_s})]
    _put(db, app_address, customer_org_id, [now_s, *ahead])


def _put(db: sqlite3.Connection, app_address: str, customer_org_id: str, times: list[float]) -> None:
    db.execute(
        "INSERT OR REPLACE INTO email_cooldown (app_address, customer_org_id, sent_at, times) VALUES (?, ?, ?, ?)",
        (app_address, customer_org_id, times[0], json.dumps(times[1:])),
    )


def end(db: sqlite3.Connection, app_address: str, customer_org_id: str) -> None:
    """Forget an e-mail that was not sent."""
    db.execute(
        "DELETE FROM email_cooldown WHERE app_address = ? AND customer_org_id = ?", (app_address, customer_org_id)
    )


def refuse_if_active(sent_at: float | None, customer_org_id: str) -> None:
    """Raises: CooldownActiveError: where there is a time, of `cooling_since`."""
    if sent_at is not None:
        raise CooldownActiveError(
            f"an e-mail to the organization {quoted(customer_org_id)} was sent, or may have been, at "
            f"{to_rfc3339(sent_at)}. Ask again after {to_rfc3339(sent_at + COOLDOWN_S)}."
        )
