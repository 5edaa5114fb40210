"""Mutations of the money rules: what each breaks, where, by which rule, and the tests that must notice."""

from __future__ import annotations

from typing import Final, NamedTuple

from mutations.rules import (
    Rule,
    after,
    again,
    always,
    argument,
    assign,
    call,
    condition,
    constant,
    early,
    handler,
    item,
    never,
    relaxed,
    skip,
    sql_text,
    twice,
    without,
)

_UNIT: Final = "tests/unit/charging/"
_SERVICE: Final = f"{_UNIT}test_service.py"
_CHARGE: Final = f"{_UNIT}test_charge.py"
_JOURNAL: Final = f"{_UNIT}test_journal.py"
_RECONCILIATION: Final = f"{_UNIT}test_reconciliation.py"
_RECONCILER: Final = f"{_UNIT}test_reconciler.py"
_IDENTITY: Final = f"{_UNIT}test_identity.py"
_LOCK: Final = f"{_UNIT}test_recovery.py"
_FAILURES: Final = "tests/unit/cloud/test_failures.py"
_CALLS: Final = "tests/unit/cloud/test_calls.py"


class Mutation(NamedTuple):
    """`function` is `module:name` under `viam_billing`, or a module. `places` is how many places the rule changes."""

    breaks: str
    function: str
    rule: Rule
    tests: tuple[str, ...]
    places: int = 1


def _of(breaks: str, function: str, rule: Rule, *tests: str, places: int = 1) -> Mutation:
    return Mutation(breaks, function, rule, tests, places)


_SERVICE_OF: Final = "charging.service:ChargeService"
_JOURNAL_OF: Final = "charging.journal:Journal"
_RECOVERY_OF: Final = "charging.recovery:Recovery"

_SENDING: Final = (
    _of("mark after sending", "cloud.calls:Calls.send_once", after("mark_sent", "unary"), _CALLS),
    _of("a charge is retried", "cloud.client:CloudClient.charge", twice(), _CALLS),
    _of("changes are retried", "cloud.client:CloudClient.update_organization_billing_tier", twice(), _CALLS),
    _of("a charge is sent again after UNAUTHENTICATED", "cloud.calls:Calls.send_once", again("login_expired"), _CALLS),
    _of("a charge is sent without a connection", "cloud.calls:Calls.send_once", skip("connect"), _CALLS),
    _of(
        "no mark at all",
        "charging.service",
        call("mark_sent", by="entry.becoming('sent', sent_at=0.0)"),
        _SERVICE,
    ),
    _of(
        "an attempt dies with its caller",
        "charging.access:Attempt.outcome",
        call("wait", by="await asyncio.wait_for(self.task, deadline.remaining_s())"),
        _SERVICE,
    ),
    _of(
        "an attempt that is reserved is dropped with its last caller",
        "charging.service",
        without("reserved", beside="callers"),
        _SERVICE,
    ),
    _of("an attempt that was dropped goes on", "charging.service", without("dropped"), _SERVICE),
    _of(
        "a caller does not find the attempt to join",
        f"{_SERVICE_OF}.charge",
        call("get", by="None"),
        _SERVICE,
        places=2,
    ),
    _of("two charges of an organization at a time", "charging.service", skip("turn"), _SERVICE),
    _of(
        "a charge is not blocked by what ended unknown while it waited",
        f"{_SERVICE_OF}._in_turn",
        skip("examine"),
        _SERVICE,
    ),
    _of("a stopping module begins charges", "charging.service", without("stopping"), _SERVICE),
)

_OUTCOMES: Final = (
    *(
        _of(
            f"{what} is taken for a refusal",
            "cloud.failures:outcome_of_charge",
            early(f"cause_of(error) is Cause.{cause}", "Outcome.REFUSED"),
            _FAILURES,
        )
        for what, cause in (
            ("a deadline", "SILENCE"),
            ("a lost connection", "LOST"),
            ("a connection that failed after the mark", "NOT_CONNECTED"),
            ("a reset call", "RESET"),
            ("a proxy's page", "NOT_GRPC"),
            ("an answer that cannot be read", "UNREADABLE"),
        )
    ),
    *(
        _of(
            f"{status} is taken for a refusal",
            "cloud.failures:outcome_of_charge",
            early(f"error.args[0] is Status.{status}", "Outcome.REFUSED"),
            _FAILURES,
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
        "words that the cloud passes on are taken for a refused stream",
        "cloud.failures:cause_of",
        without("said_more"),
        _FAILURES,
    ),
    _of(
        "FAILED_PRECONDITION is a refusal without reading the invoices",
        "charging.service",
        condition("LOOK", "outcome is Outcome.LOOK"),
        _SERVICE,
    ),
    _of(
        "invoices that cannot be read are taken for none",
        "charging.access:ServiceAccess.shows_no_new_invoice",
        handler("Exception", "return True"),
        _SERVICE,
    ),
    _of(
        "a defect while charging is taken for a refusal",
        "charging.service",
        argument("InternalError", 1, "Outcome.REFUSED"),
        _SERVICE,
    ),
    _of("a certain failure is taken for unknown", "charging.service", never("NEVER_SENT"), _SERVICE),
)

_DISK: Final = (
    _of("an outcome that was not written counts as written", f"{_RECOVERY_OF}.settle", skip("partial"), _SERVICE),
    _of("charges go on while an outcome is not written", f"{_RECOVERY_OF}._prepare", call("items", by="()"), _SERVICE),
    _of("a reservation that was not written is forgotten", "charging.service", skip("release_later"), _SERVICE),
    *(
        _of(f"a reservation is sent whatever its {field}", f"{_JOURNAL_OF}.mark_sent", without(field), _JOURNAL)
        for field in ("state", "attempts")
    ),
    _of(
        "an outcome is written over another attempt's",
        f"{_JOURNAL_OF}.settle",
        always("attempts"),
        _JOURNAL,
    ),
    _of(
        "what another process has under way is taken for a success",
        "charging.refusals:succeeded",
        skip("unknown"),
        _SERVICE,
    ),
    _of(
        "the journal is not synced",
        "module.shared",
        argument("Database", "synced", "False"),
        "tests/unit/module/test_container.py",
    ),
    _of(
        "a journal that is not there is read as an empty one",
        "charging.journal",
        argument("exists", "otherwise", "int"),
        _IDENTITY,
    ),
    _of("a journal that was replaced is charged with", "charging.journal", skip("check"), _IDENTITY),
    _of("another journal is charged with", "charging.identity:Identity.check", without("journal_id"), _IDENTITY),
    _of("an older copy is charged with", "charging.identity:Identity.check", without("entries"), _IDENTITY),
    _of("a used journal leaves no mark", "charging.journal", skip("write_mark"), _IDENTITY),
    _of("any loss is accepted", "charging.identity", never("accepted"), _IDENTITY),
)

_CRASHES: Final = (
    _of("sent at a restart is taken for failed", "charging.charge:Entry.left_behind", always("state"), _SERVICE),
    _of("nothing is recovered at a restart", "charging.recovery", never("generation"), _SERVICE),
    _of("recovering ends what this process has under way", "charging.recovery", argument("recover", 0, "[]"), _SERVICE),
    _of("no lock", "charging.recovery", skip("flock"), _LOCK),
    _of("a lock on a file that was replaced is kept", "charging.recovery", call("samestat", by="True"), _LOCK),
)

_KEYS: Final = (
    _of(
        "an unknown charge is sent again",
        "charging.journal",
        condition("failed", "{} and entry.state != 'unknown'"),
        _SERVICE,
    ),
    _of("other parameters are answered with the first charge", "charging.journal", skip("conflict"), _SERVICE),
    _of("other parameters join a charge under way", f"{_SERVICE_OF}.charge", skip("conflict"), _SERVICE),
    _of("a late invoice is ignored", "charging.journal", skip("ChargeOutcomeUnknownError"), _RECONCILIATION),
    _of(
        "the reservation checks nothing",
        f"{_JOURNAL_OF}.reserve",
        assign("used", "None"),
        _RECONCILIATION,
    ),
)

_LIMITS: Final = (
    *(
        _of(f"what is {state} does not count and does not block", "charging.charge:UNSETTLED", item(state), _JOURNAL)
        for state in ("reserved", "sent", "unknown")
    ),
    *(
        _of(
            f"what is {state} does not count in the limits",
            "charging.journal_rows:Rows.charged",
            constant("_IN_UNSETTLED", f"\"state IN ('reserved', 'sent', 'unknown') AND state <> '{state}'\""),
            _JOURNAL,
        )
        for state in ("sent", "unknown")
    ),
    _of(
        "the limits are not checked in the reservation",
        f"{_JOURNAL_OF}.reserve",
        argument("_check", 2, "Limits(10**9, 10**9)"),
        _SERVICE,
    ),
    _of(
        "an unsettled charge does not block a reservation",
        f"{_JOURNAL_OF}.reserve",
        argument("_check", 3, "()"),
        _JOURNAL,
    ),
    _of("an unknown charge does not block", f"{_JOURNAL_OF}.examine", argument("_check", 3, "()"), _JOURNAL),
    _of(
        "the day's limit may be passed by a cent", "charging.refusals:Limits.check_total", relaxed("per_day"), _JOURNAL
    ),
    _of("no limit for one charge", "charging.refusals:Limits.check_total", never("per_charge"), _JOURNAL),
    _of(
        "tax is not counted",
        "commands.charges:charge_organization",
        argument("total", 0, "(parameters.subtotal,)"),
        "tests/unit/commands/test_charges.py",
    ),
)

_CLOCKS: Final = (
    _of(
        "journal time runs backwards",
        "charging.journal_rows:Rows.sending_times",
        assign("times", "(self.now_s,)"),
        _JOURNAL,
    ),
    _of("what lies in the future is not dated to now", "charging.journal", skip("redate"), _JOURNAL),
    _of("a refusal undoes what was dated to now", "charging.journal", handler("BillingError", "raise"), _JOURNAL),
    _of(
        "an earlier time of an entry is forgotten",
        "charging.journal_rows:Rows.redate",
        sql_text("json_insert(times, '$[#]', :now)", "json_array(:now)"),
        _JOURNAL,
    ),
)

_FITTING: Final = "charging.charge:fitting"
_RECONCILING: Final = (
    _of("reconciling ignores the invoices before sending", _FITTING, without("before"), _CHARGE),
    _of("reconciling ignores the amount", _FITTING, without("amount"), _CHARGE),
    _of("reconciling ignores the date", _FITTING, without("since_s"), _CHARGE),
    _of("an invoice that is listed twice counts twice", _FITTING, call("fromkeys", by="fits"), _CHARGE),
    _of("reconciling ignores other entries", "charging.reconciliation", always("owner_of"), _RECONCILIATION),
    _of(
        "a decision falls on another attempt",
        "charging.reconciliation:resolve",
        never("attempts"),
        _RECONCILIATION,
    ),
    _of(
        "an invoice that fits two attempts is taken for the earlier one's",
        "charging.reconciliation",
        without("unknown"),
        _RECONCILIATION,
    ),
    _of("reconciling takes the first of two", "charging.reconciliation", condition("len", "fits"), _RECONCILIATION),
    _of(
        "reconciling concludes that a charge failed",
        "charging.reconciliation:settle",
        argument("put", 0, "checked if fits else structs.replace(checked, state='failed')"),
        _RECONCILIATION,
    ),
    _of("no reconciling at the start", "charging.reconciliation:Reconciler.join", skip("create_task"), _RECONCILER),
    _of(
        "reconciling in the background comes at once",
        "charging.reconciliation:Reconciler.round",
        without("waits_s"),
        _RECONCILER,
    ),
    _of(
        "an unknown charge wakes nobody and is not in the log",
        f"{_RECOVERY_OF}.settle",
        skip("_announce"),
        _RECONCILER,
    ),
)

_RESOLVING: Final = (
    _of("resolve from any state", "charging.reconciliation:resolve", never("state"), _RECONCILIATION),
    _of(
        "resolved as failed although an invoice matches",
        "charging.reconciliation:resolve",
        never("fits"),
        _RECONCILIATION,
    ),
    _of("an invoice of another charge settles by hand", "charging.reconciliation", never("owner"), _RECONCILIATION),
    _of(
        "no watch for a late invoice",
        "charging.reconciliation:resolve",
        skip("watch"),
        _RECONCILIATION,
    ),
    _of(
        "a late invoice is looked for while a charge is under way",
        "charging.reconciliation:settle",
        always("all"),
        _RECONCILIATION,
    ),
)

MUTATIONS: Final = (
    *_SENDING,
    *_OUTCOMES,
    *_DISK,
    *_CRASHES,
    *_KEYS,
    *_LIMITS,
    *_CLOCKS,
    *_RECONCILING,
    *_RESOLVING,
)
