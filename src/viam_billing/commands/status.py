"""What `get_status` answers, the command and the resource's own RPC."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from viam_billing.settings.answers import AnswerRecord, says, usd, utc


class Journal(AnswerRecord, frozen=True, kw_only=True):
    """The charge journal in `state_dir`."""

    id: Annotated[str, says("Its ID; another one means another journal")]
    created: Annotated[str, utc("When it was made")]
    entries: Annotated[int, says("How many entries were ever made in it")]


class Status(AnswerRecord, frozen=True, kw_only=True):
    """The answer of `get_status`, the command and the resource's own RPC."""

    version: Annotated[str, says("The module's version")]
    connected: Annotated[bool, says("Whether it is logged in and the cloud does not count as away")]
    last_success: Annotated[str, utc("When the cloud last answered")] | UnsetType = UNSET
    last_error: Annotated[str, says("The last error of a call to the cloud, code first")] | UnsetType = UNSET
    cloud_calls: Annotated[int, says("Calls to the cloud since this service was made")]
    logins: Annotated[int, says("Logins of all services that share its API key and address")]
    retries: Annotated[int, says("Calls to the cloud that were repeated, since this service was made")]
    cache_hits: Annotated[int, says("How often memory was enough")]
    cache_misses: Annotated[int, says("How often the cloud had to be asked")]
    stale_answers: Annotated[int, says("How often an older answer stood in")]
    unknown_charges: Annotated[int, says("Charges of which nobody knows whether they charged")] | UnsetType = UNSET
    charged_last_24h: Annotated[float, usd("What counts towards charge_limits.per_day")] | UnsetType = UNSET
    journal: Annotated[Journal, says("The charge journal, where there is one")] | UnsetType = UNSET
    allowed_commands: Annotated[list[str], says("The attribute, sorted")]
