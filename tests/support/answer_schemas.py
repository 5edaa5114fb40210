"""Holds answers to the schemas that `help` tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from viam_billing.commands import COMMANDS

FORMATS = FormatChecker(())


@FORMATS.checks("date-time", raises=ValueError)
def _is_utc(value: object) -> bool:
    assert isinstance(value, str)
    return value.endswith("Z") and datetime.fromisoformat(value.removesuffix("Z") + "+00:00").utcoffset() == timedelta()


@FORMATS.checks("usd")
def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) < 1e15


@cache
def validator(command: str) -> Draft202012Validator:
    """Tells what is wrong with an answer of a command. A test holds `help` to tell the same schema."""
    return Draft202012Validator(COMMANDS[command].answer_schema(), format_checker=FORMATS)


def check(request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Raises jsonschema's ValidationError if an answer to a request, in either spelling, is not as `help` tells it."""
    command = request.get("command") or next(iter(request))
    validator(command).validate(answer if "command" in request else answer[command])
