"""Callers who ask without pause, and the judge who looks at what they get.

call --> an answer          fresh or stale; of what was asked; as young as it says
     --> the module's error its code is one of the contract's, with the status that belongs to it
     --> out of time        only if the caller's own deadline had come
     --> cancelled          only by the caller
     --> anything else      lost: the one thing that must not be
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from grpclib import GRPCError, Status

from soak.questions import Question, draw
from support.module_process import STATUS_OF_CODE, ModuleProcess

_PAUSE_S = 0.12
_SLACK_S = 2.0
"""How much later than its time an answer may be: callers, module and cloud share one computer."""
_UNDER_WAY_S = 0.35
"""A fetch under way counts as asking now: one that is being written to disk, 0.25 s at most, has its answer already."""
_STATUS_EVERY_S = 0.2
_STATUS_WITHIN_S = 1.0
_MOST_SHOWN = 20
_NO_DEADLINE_S = 600.0
"""What viam-server gives a caller who says nothing."""
_STALE_REASONS = {"cloud_unreachable", "cloud_timeout", "cloud_rate_limited"}


class Judge:
    """Counts what came, by kind, and collects what should not have come."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()
        self.broken: list[str] = []
        self.lost = 0
        self.times_s: dict[str, list[float]] = {}

    def complain(self, what: str) -> None:
        """An invariant broke."""
        if len(self.broken) < _MOST_SHOWN:
            self.broken.append(what)
        elif len(self.broken) == _MOST_SHOWN:
            self.broken.append("... and more")

    def count(self, question: Question, kind: str, took_s: float) -> None:
        """One call ended."""
        self.commands[question.name] += 1
        self.kinds[kind] += 1
        self.times_s.setdefault(kind, []).append(took_s)
        limit_s = min(question.asker.timeout_s, question.deadline_s or question.asker.timeout_s) + _SLACK_S
        if took_s > limit_s:
            self.complain(f"{_shown(question)} took {took_s:.2f} s, ended as {kind}")

    def answered(self, question: Question, answer: Mapping[str, Any], asked_at_s: float) -> str:
        """Look at an answer. Returns its kind."""
        for name in ("org_id", "location_id", "invoice_id"):
            if name in question.command and answer.get(name) != question.command[name]:
                self.complain(f"{_shown(question)} is answered for {name} {answer.get(name)!r}")
        if question.name == "check_access":
            return "check_access"
        if answer.get("stale") is True:
            if answer.get("stale_reason") not in _STALE_REASONS or "as_of" not in answer:
                self.complain(f"{_shown(question)}: stale without a reason or a time: {_facts(answer)}")
            return "stale"
        if answer.get("stale") is not False or "as_of" not in answer:
            self.complain(f"{_shown(question)}: no word on its age: {_facts(answer)}")
            return "fresh"
        as_of_s = datetime.fromisoformat(answer["as_of"].replace("Z", "+00:00")).timestamp()
        oldest_s = asked_at_s - question.command.get("max_age_s", question.asker.cache_ttl_s) - _UNDER_WAY_S
        if as_of_s < oldest_s:
            self.complain(f"{_shown(question)}: called fresh, but {oldest_s - as_of_s:.2f} s too old")
        if "content_base64" in answer:
            content = base64.b64decode(answer["content_base64"])
            is_whole = content.startswith(b"%PDF-") and b"%%EOF" in content[-1024:]
            if hashlib.sha256(content).hexdigest() != answer["sha256"] or not is_whole:
                self.complain(f"{_shown(question)}: no whole PDF")
        return "fresh"

    def refused(self, question: Question, error: GRPCError, took_s: float) -> str:
        """Look at an error. Returns its kind."""
        code = (error.message or "").partition(":")[0]
        if STATUS_OF_CODE.get(code) is error.status:
            return code
        if error.status is Status.DEADLINE_EXCEEDED and _own_deadline(question, took_s):
            return "the caller's deadline"
        self.lost += 1
        self.complain(f"{_shown(question)} ended after {took_s:.2f} s in {error.status.name}: {error.message}")
        return f"lost: {error.status.name}"

    def failed(self, question: Question, error: Exception, took_s: float) -> str:
        """Look at what is neither. Returns its kind."""
        if isinstance(error, asyncio.TimeoutError) and _own_deadline(question, took_s):
            return "the caller's deadline"
        self.lost += 1
        self.complain(f"{_shown(question)} ended after {took_s:.2f} s in {type(error).__name__}: {error}")
        return f"lost: {type(error).__name__}"


def _own_deadline(question: Question, took_s: float) -> bool:
    return question.deadline_s is not None and took_s >= question.deadline_s - 0.005


def _shown(question: Question) -> str:
    return f"{question.asker.service} {dict(question.command)} within {question.deadline_s} s"


def _facts(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in ("as_of", "stale", "stale_reason") if name in answer}


async def ask(module: ModuleProcess, question: Question, judge: Judge) -> str:
    """One call and the judgement on it. Returns its kind."""
    asked_at_s, started_s = time.time(), time.monotonic()
    deadline_s = question.deadline_s or _NO_DEADLINE_S
    try:
        answer = await module.do(question.command, name=question.asker.service, timeout_s=deadline_s)
        kind = judge.answered(question, answer, asked_at_s)
    except GRPCError as error:
        kind = judge.refused(question, error, time.monotonic() - started_s)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
        kind = judge.failed(question, error, time.monotonic() - started_s)
    judge.count(question, kind, time.monotonic() - started_s)
    return kind


async def _ask_or_leave(module: ModuleProcess, question: Question, judge: Judge) -> None:
    """The same for a caller who may lose interest."""
    call = asyncio.create_task(ask(module, question, judge))
    done, _ = await asyncio.wait({call}, timeout=question.leaves_after_s)
    if not done:
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        judge.kinds["cancelled by the caller"] += 1


async def keep_asking(module: ModuleProcess, judge: Judge, chance: random.Random, goes_on: Callable[[], bool]) -> None:
    """One caller."""
    while goes_on():
        await _ask_or_leave(module, draw(chance), judge)
        await asyncio.sleep(chance.uniform(0, _PAUSE_S))


async def keep_watching(module: ModuleProcess, judge: Judge, goes_on: Callable[[], bool]) -> None:
    """One operator, who looks at the status: that comes from memory, whatever goes on."""
    while goes_on():
        for name in ("billing", "harbor"):
            await _watched(module.status(name), judge)
        await asyncio.sleep(_STATUS_EVERY_S)


async def _watched(status: Awaitable[dict[str, Any]], judge: Judge) -> None:
    started_s = time.monotonic()
    try:
        await status
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
        judge.lost += 1
        judge.complain(f"get_status ended in {type(error).__name__}: {error}")
    took_s = time.monotonic() - started_s
    judge.times_s.setdefault("get_status", []).append(took_s)
    if took_s > _STATUS_WITHIN_S:
        judge.complain(f"get_status took {took_s:.2f} s")
