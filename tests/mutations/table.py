"""Mutations of the money rules: what each breaks, where, and the tests that must notice."""

from __future__ import annotations

from typing import Final, NamedTuple

UNIT: Final = "tests/unit/charging/"


# ruff: noqa: E501 - lines of the source stand here as they stand there


class Mutation(NamedTuple):
    """`old` stands in one place of `file`, which is under `src/viam_billing`; with `new` there a test must fail."""

    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _of(breaks: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(breaks, file, old, new, tests)


CHARGER: Final = f"{UNIT}test_charger.py"
TROUBLES: Final = f"{UNIT}test_charger_troubles.py"
JOURNAL: Final = f"{UNIT}test_journal.py"
SETTLING: Final = f"{UNIT}test_settling.py"
OUTCOMES: Final = f"{UNIT}test_outcomes.py"
WATCH: Final = f"{UNIT}test_watch.py"
LOCK: Final = f"{UNIT}test_lock.py"
RETRY: Final = "tests/unit/test_retry_charges.py"
CALLS: Final = "tests/unit/test_calls_charges.py"

MUTATIONS: Final = (
    # --- sending ---
    _of(
        "mark after sending",
        "cloud/calls.py",
        "            await mark_sent()\n            return await session.client.call(rpc, request, deadline.remaining_s(), before_send)\n",
        "            answer = await session.client.call(rpc, request, deadline.remaining_s(), before_send)\n"
        "            await mark_sent()\n            return answer\n",
        CALLS,
    ),
    _of(
        "no mark at all",
        "charging/service.py",
        "            latest = await self.journal.mark_sent(entry)\n",
        "            latest = entry.becoming('sent', sent_at=0.0)\n",
        CHARGER,
    ),
    _of(
        "shield removed: an attempt dies with its caller",
        "charging/attempt.py",
        "            await asyncio.wait({task}, timeout=deadline.remaining_s())\n",
        "            await asyncio.wait_for(task, deadline.remaining_s())\n",
        CHARGER,
    ),
    _of(
        "an attempt that is reserved is dropped with its last caller",
        "charging/service.py",
        "            if not attempt.waiting and not attempt.reserved:\n",
        "            if not attempt.waiting:\n",
        CHARGER,
    ),
    _of(
        "an attempt that was dropped goes on if its cancellation got lost",
        "charging/service.py",
        "            if attempt.dropped:",
        "            if False:",
        TROUBLES,
    ),
    _of(
        "a caller that joins starts another attempt",
        "charging/service.py",
        "        if attempt is not None:\n            return await self._joined(attempt, request, caller)\n",
        "",
        CHARGER,
    ),
    _of(
        "one turn an organization removed",
        "charging/turns.py",
        "            async with lock:\n                yield waits\n",
        "            yield waits\n",
        f"{UNIT}test_turns.py",
        CHARGER,
    ),
    _of(
        "a waiter is not blocked by what ended unknown before it",
        "charging/service.py",
        "                await self.journal.check_not_blocked(request.org_id)\n",
        "",
        CHARGER,
    ),
    _of(
        "a stopping module begins charges",
        "charging/service.py",
        "        if self.stopping or desk.closed:\n",
        "        if desk.closed:\n",
        TROUBLES,
    ),
    _of(
        "a charge is retried",
        "cloud/calls.py",
        "            return await self._sent_once(rpc, request, deadline, charge_outcome, mark_sent, self._log_in_later)\n",
        "            try:\n"
        "                return await self._sent_once(rpc, request, deadline, charge_outcome, mark_sent, self._log_in_later)\n"
        "            except BillingError:\n"
        "                return await self._sent_once(rpc, request, deadline, charge_outcome, mark_sent, self._log_in_later)\n",
        CALLS,
    ),
    _of(
        "changes are retried",
        "cloud/calls.py",
        "            await self._sent_once(rpc, request, deadline, change_outcome, _nothing, self._log_in_anew)\n        except",
        "            try:\n"
        "                await self._sent_once(rpc, request, deadline, change_outcome, _nothing, self._log_in_anew)\n"
        "            except BillingError:\n"
        "                await self._sent_once(rpc, request, deadline, change_outcome, _nothing, self._log_in_anew)\n        except",
        "tests/unit/test_calls.py",
    ),
    _of(
        "a charge is sent again after UNAUTHENTICATED",
        "cloud/calls.py",
        "            raise await log_in(rpc, session, deadline) from None\n",
        "            await log_in(rpc, session, deadline)\n"
        "            return await self._sent_once(rpc, request, deadline, outcome_of, mark_sent, log_in)\n",
        CALLS,
    ),
    # --- what an error means ---
    _of(
        "a deadline is taken for never sent",
        "cloud/error_mapping.py",
        "    if not sent:\n        return Outcome.NEVER_SENT\n    if error.cloud_status in _CHARGE_REFUSALS:\n",
        "    if not sent or (isinstance(error, errors.CloudTimeoutError) and error.cloud_status is None):\n"
        "        return Outcome.NEVER_SENT\n    if error.cloud_status in _CHARGE_REFUSALS:\n",
        RETRY,
    ),
    _of(
        "a lost connection is taken for never sent",
        "cloud/error_mapping.py",
        "    if not sent:\n        return Outcome.NEVER_SENT\n    if error.cloud_status in _CHARGE_REFUSALS:\n",
        "    if not sent or error.connection_lost:\n"
        "        return Outcome.NEVER_SENT\n    if error.cloud_status in _CHARGE_REFUSALS:\n",
        RETRY,
    ),
    _of(
        "an OSError is taken for never sent",
        "cloud/error_mapping.py",
        "    if not sent:\n        return Outcome.NEVER_SENT\n    if error.cloud_status in _CHARGE_REFUSALS:\n",
        "    if not sent or (isinstance(error, errors.CloudUnreachableError) and error.cloud_status is None):\n"
        "        return Outcome.NEVER_SENT\n    if error.cloud_status in _CHARGE_REFUSALS:\n",
        RETRY,
    ),
    *(
        _of(
            f"{status} is taken for a refusal",
            "cloud/error_mapping.py",
            "_CHARGE_REFUSALS: Final = frozenset(\n    {\n",
            f"_CHARGE_REFUSALS: Final = frozenset(\n    {{\n        Status.{status},\n",
            RETRY,
            OUTCOMES,
        )
        for status in (
            "UNAVAILABLE",
            "ALREADY_EXISTS",
            "RESOURCE_EXHAUSTED",
            "ABORTED",
            "DEADLINE_EXCEEDED",
            "INTERNAL",
        )
    ),
    _of(
        "FAILED_PRECONDITION is a refusal without a look",
        "charging/outcomes.py",
        "        if outcome is Outcome.LOOK and await self._left_nothing_behind(entry, desk):\n",
        "        if outcome is Outcome.LOOK:\n",
        OUTCOMES,
    ),
    _of(
        "a look that fails is taken for an empty one",
        "charging/outcomes.py",
        "        except Exception:  # noqa: BLE001 - whatever it is, there is no list that speaks for a failure\n            return False\n",
        "        except Exception:\n            return True\n",
        OUTCOMES,
    ),
    _of(
        "a defect while charging is taken for a refusal",
        "charging/service.py",
        'meaning = InternalError("the module has a defect in charging.", Outcome.UNKNOWN)',
        'meaning = InternalError("the module has a defect in charging.", Outcome.REFUSED)',
        TROUBLES,
    ),
    # --- the disk ---
    _of(
        "an outcome that was not written counts as written",
        "charging/outcomes.py",
        "            self._unwritten[entry.key] = partial(self._write, entry)\n",
        "",
        TROUBLES,
        OUTCOMES,
    ),
    _of(
        "charges go on while an outcome is not written",
        "charging/recovery.py",
        "            await self._outcomes.write_left_over()\n",
        "            pass\n",
        TROUBLES,
    ),
    _of(
        "a reservation that was not written is forgotten",
        "charging/service.py",
        "            self.outcomes.release_later(request.key, error)\n",
        "",
        TROUBLES,
    ),
    _of(
        "a reservation is sent although another process has ended it",
        "charging/journal_rows.py",
        "WHERE app_address = ? AND key = ? AND state = 'reserved' AND attempts = ?\"\n    )\n    times",
        'WHERE app_address = ? AND key = ? AND ? > 0"\n    )\n    times',
        JOURNAL,
    ),
    _of(
        "an outcome is written over another attempt's",
        "charging/reconciliation.py",
        "    if before is None or (before[0] == entry.attempts",
        "    if True or (before[0] == entry.attempts",
        JOURNAL,
    ),
    _of(
        "what another process has under way is taken for a success",
        "charging/service.py",
        "            return await self._send(entry, request, desk) if own else _good(entry)\n",
        "            return await self._send(entry, request, desk) if own else entry\n",
        TROUBLES,
    ),
    _of(
        "the journal is not synced",
        "storage/database.py",
        'self._synchronous = "FULL" if synced else "NORMAL"',
        'self._synchronous = "NORMAL"',
        "tests/unit/test_store.py",
        "tests/unit/test_runtime.py",
    ),
    # --- after a crash ---
    _of(
        "sent at restart is taken for failed",
        "charging/refusals.py",
        '    if entry.state == "reserved":\n',
        '    if entry.state in ("reserved", "sent"):\n',
        TROUBLES,
        f"{UNIT}test_entry.py",
    ),
    _of(
        "nothing is recovered at a restart",
        "charging/recovery.py",
        "                await self._recover()\n",
        "",
        TROUBLES,
    ),
    _of(
        "recovering ends what this process has under way",
        "charging/recovery.py",
        "await self._journal.recover(self._under_way())",
        "await self._journal.recover([])",
        TROUBLES,
    ),
    _of(
        "no lock",
        "charging/lock.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
        LOCK,
        TROUBLES,
    ),
    _of(
        "a lock on a file that was replaced is kept",
        "charging/lock.py",
        "            if self._descriptor >= 0 and not self._is_at_its_place():\n",
        "            if False:\n",
        LOCK,
    ),
    # --- keys ---
    _of(
        "an unknown charge is sent again",
        "charging/journal.py",
        '                if known.state != "failed":\n                    return known\n',
        '                if known.state not in ("failed", "unknown"):\n                    return known\n',
        CHARGER,
    ),
    _of(
        "other parameters are answered with the first charge",
        "charging/refusals.py",
        "    if not request.is_same(entry):\n",
        "    if False:\n",
        CHARGER,
    ),
    _of(
        "other parameters join a charge under way",
        "charging/service.py",
        "        if attempt.request != request:\n            raise refusals.conflict(request.key)\n        return await self._waited_for(attempt, caller), True\n",
        "        return await self._waited_for(attempt, caller), True\n",
        CHARGER,
    ),
    _of(
        "a late invoice is ignored",
        "charging/journal.py",
        "                if known.late_invoice is not None:\n                    raise late(known)\n",
        "",
        SETTLING,
    ),
    _of(
        "a late invoice is ignored in the reservation",
        "charging/journal.py",
        "                if before.late_invoice is not None:\n                    raise late(before)\n",
        "",
        SETTLING,
    ),
    _of(
        "a late invoice is forgotten by an attempt that cannot read",
        "charging/journal.py",
        '(before.state == "failed" and before.late_invoice is None)',
        'before.state == "failed"',
        SETTLING,
    ),
    # --- limits ---
    *(
        _of(
            f"{what} does not count in the limits and does not block",
            "charging/charge.py",
            'UNSETTLED: Final[tuple[State, ...]] = ("reserved", "sent", "unknown")',
            f"UNSETTLED: Final[tuple[State, ...]] = {left}",
            JOURNAL,
        )
        for what, left in (
            ("what is reserved", ("sent", "unknown")),
            ("what is in flight", ("unknown",)),
            ("what is unknown", ("reserved", "sent")),
        )
    ),
    _of(
        "what is in flight does not count in the limits",
        "charging/journal_rows.py",
        "for state in UNSETTLED)",
        "for state in ('unknown',))",
        JOURNAL,
    ),
    _of(
        "what is unknown does not count in the limits",
        "charging/journal_rows.py",
        "for state in UNSETTLED)",
        "for state in ('reserved', 'sent'))",
        JOURNAL,
    ),
    _of(
        "the limits are not checked in the reservation",
        "charging/journal.py",
        "            self._check_limits(db, request.total, limits)\n            check_not_blocked(journal_rows.of_org(db, self._app, request.org_id, UNSETTLED))\n",
        "            check_not_blocked(journal_rows.of_org(db, self._app, request.org_id, UNSETTLED))\n",
        CHARGER,
    ),
    _of(
        "an unsettled charge of the organization does not block a reservation",
        "charging/journal.py",
        "            check_not_blocked(journal_rows.of_org(db, self._app, request.org_id, UNSETTLED))\n",
        "",
        JOURNAL,
    ),
    _of(
        "an unknown charge does not block",
        "charging/journal.py",
        "            check_not_blocked(journal_rows.of_org(db, self._app, request.org_id, BLOCKING))\n            return None\n",
        "            return None\n",
        JOURNAL,
    ),
    _of(
        "the day's limit may be passed by a cent",
        "charging/refusals.py",
        "    if charged + total > limits.per_day:\n",
        "    if charged + total > limits.per_day + 1:\n",
        JOURNAL,
    ),
    _of(
        "no limit for one charge",
        "charging/refusals.py",
        "    if total > limits.per_charge:\n",
        "    if False:\n",
        JOURNAL,
    ),
    _of(
        "tax is not counted",
        "commands/charges.py",
        "money.total((parameters.subtotal, parameters.tax))",
        "money.total((parameters.subtotal,))",
        "tests/unit/test_commands_charges.py",
    ),
    # --- clocks ---
    _of(
        "journal time runs backwards",
        "charging/journal_rows.py",
        "(*(time_s for time_s in _clock(db, app_address) if time_s > now_s), now_s)",
        "(now_s,)",
        JOURNAL,
    ),
    _of(
        "what comes from the future is not dated to now",
        "charging/journal.py",
        "            self._check_journal(db)\n            journal_rows.redate(db, self._app, self._now())\n",
        "            self._check_journal(db)\n",
        JOURNAL,
    ),
    _of(
        "a refusal undoes what was dated to now",
        "charging/journal.py",
        "            except BillingError as refusal:\n                return refusal\n",
        "            except BillingError:\n                raise\n",
        JOURNAL,
    ),
    _of(
        "a time that was thought of before is forgotten",
        "charging/journal_rows.py",
        "times = json_insert(times, '$[#]', ?) ",
        "times = json_array(?) ",
        JOURNAL,
    ),
    _of(
        "a look does not date what comes from the future",
        "charging/journal.py",
        "            now_s = self._now()\n            journal_rows.redate(db, self._app, now_s)\n            return step(db, self._app, now_s)\n",
        "            now_s = self._now()\n            return step(db, self._app, now_s)\n",
        SETTLING,
    ),
    # --- reconciling ---
    _of(
        "reconciling ignores the list before sending",
        "charging/reconciliation.py",
        "        if invoice.id not in before\n        and",
        "        if",
        SETTLING,
    ),
    _of(
        "reconciling ignores the amount",
        "charging/reconciliation.py",
        "        and invoice.amount == total\n",
        "",
        SETTLING,
    ),
    _of(
        "reconciling ignores the date",
        "charging/reconciliation.py",
        "        and invoice.date_s >= sent_at - OLDEST_S\n",
        "",
        SETTLING,
    ),
    _of(
        "reconciling ignores other entries",
        "charging/reconciliation.py",
        "[each for each in fits if journal_rows.owner_of(db, app, each, but_not=charge.key) is None]",
        "fits",
        SETTLING,
    ),
    *(
        _of(
            f"a journal that was replaced is charged with: {what}",
            "charging/journal.py",
            "        if self._entries and (journal_id != self._id or entries < self._entries):\n",
            f"        if self._entries and ({left}):\n",
            f"{UNIT}test_replaced_journal.py",
        )
        for what, left in (("another one", "entries < self._entries"), ("an older copy", "journal_id != self._id"))
    ),
    _of(
        "a decision falls on another attempt",
        "charging/reconciliation.py",
        "    if entry.attempts != decision.attempt:\n",
        "    if False:\n",
        f"{UNIT}test_late_invoices.py",
    ),
    _of(
        "an invoice that fits two attempts is taken for the earlier one's",
        "charging/reconciliation.py",
        '        if entry is None or entry.state == "unknown":\n',
        "        if entry is None:\n",
        f"{UNIT}test_late_invoices.py",
    ),
    _of(
        "reconciling takes the first of two",
        "charging/reconciliation.py",
        "    if len(fits) == 1:\n",
        "    if fits:\n",
        SETTLING,
    ),
    _of(
        "reconciling concludes that a charge failed",
        "charging/reconciliation.py",
        "        checked = structs.replace(entry, checked_at=now_s, candidates=tuple(fits))\n",
        "        checked = structs.replace(entry, state='unknown' if fits else 'failed', checked_at=now_s)\n",
        SETTLING,
    ),
    _of(
        "no reconciling at the start",
        "charging/watch.py",
        '            self._loop = asyncio.create_task(self._look_for_ever(), name="viam-billing charge watch")\n        self.wake()\n',
        "            pass\n",
        WATCH,
    ),
    _of(
        "reconciling by itself comes at once",
        "charging/watch.py",
        " and waits_s.get(org_id, 0.0) <= 0}\n",
        "}\n",
        WATCH,
    ),
    _of(
        "an unknown charge wakes nobody and is not in the log",
        "charging/outcomes.py",
        "        self.announce([unknown])\n",
        "",
        OUTCOMES,
    ),
    # --- resolving ---
    _of(
        "resolve from any state",
        "charging/reconciliation.py",
        '    if entry.state != "unknown":\n        raise',
        '    if entry.state == "reserved":\n        raise',
        SETTLING,
    ),
    _of(
        "resolved as failed although an invoice matches",
        "charging/reconciliation.py",
        "    if fits:\n        raise InvalidRequestError(\n",
        "    if False:\n        raise InvalidRequestError(\n",
        SETTLING,
    ),
    _of(
        "an invoice of another charge settles by hand",
        "charging/reconciliation.py",
        "    if owner:\n",
        "    if False:\n",
        SETTLING,
    ),
    _of(
        "no watch for a late invoice",
        "charging/reconciliation.py",
        "        journal_rows.put_watched(db, app, watched)\n",
        "",
        SETTLING,
    ),
    _of(
        "a late invoice is looked for while a charge is under way",
        "charging/reconciliation.py",
        '    if all(entry.state == "unknown" for entry in mine):',
        "    if True:",
        SETTLING,
    ),
)
