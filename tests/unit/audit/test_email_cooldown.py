from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.fake_parts import NOON_S, Clock, make_journal
from viam_billing.audit.email_cooldown import EmailCooldown
from viam_billing.core.errors import CooldownActiveError, StateUnavailableError
from viam_billing.core.times import DAY_S
from viam_billing.storage.database import Database
from viam_billing.storage.disk import Disk
from viam_billing.storage.journal_schema import FILE_NAME, MIGRATIONS


class Case:
    """A process that sends e-mails; `wall` is what somebody may set, `monotonic` goes by itself."""

    def __init__(self, folder: Path, wall: Clock, monotonic: Clock) -> None:
        self.wall = wall
        self.monotonic = monotonic
        self.database = Database(Disk(), str(folder), FILE_NAME, MIGRATIONS)
        self.sent_s: dict[str, float] = {}
        self.cooldown = self.of("https://app.viam.com", self.sent_s)

    def of(self, app_address: str, sent_s: dict[str, float]) -> EmailCooldown:
        """The cooldown for an address, in the same file."""
        return EmailCooldown(make_journal(self.database, app_address), app_address, self.wall, sent_s, self.monotonic)

    def wait(self, time_s: float) -> None:
        """Let both clocks go."""
        self.wall.now_s += time_s
        self.monotonic.now_s += time_s


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Case]]:
    """Starts the process, each time on the same folder and with the same clocks."""
    started: list[Case] = []
    wall, monotonic = Clock(NOON_S), Clock(0.0)

    def make() -> Case:
        started.append(Case(tmp_path / "state", wall, monotonic))
        return started[-1]

    yield make
    for case in started:
        case.database.close()


@pytest.fixture
def case(start: Callable[[], Case]) -> Case:
    """A process in an empty folder."""
    return start()


async def test_a_second_email_waits_24_hours_and_is_told_until_when(case: Case) -> None:
    await case.cooldown.check("customer", begin=True)
    case.wait(DAY_S - 1)
    with pytest.raises(CooldownActiveError, match="2026-11-22T12:00:00Z"):
        await case.cooldown.check("customer", begin=True)
    case.wait(1)
    await case.cooldown.check("customer", begin=True)


async def test_a_check_starts_no_cooldown(case: Case) -> None:
    await case.cooldown.check("customer")
    await case.cooldown.check("customer", begin=True)


async def test_a_cooldown_outlives_the_process(case: Case, start: Callable[[], Case]) -> None:
    await case.cooldown.check("customer", begin=True)
    with pytest.raises(CooldownActiveError):
        await start().cooldown.check("customer")


async def test_a_cooldown_is_one_customers_in_one_cloud(case: Case) -> None:
    await case.cooldown.check("customer", begin=True)
    await case.cooldown.check("other")
    await case.of("http://localhost:1", {}).check("customer")


async def test_an_email_that_the_cloud_refused_is_forgotten(case: Case) -> None:
    await case.cooldown.check("customer", begin=True)
    await case.cooldown.check("other", begin=True)
    await case.cooldown.end("customer")
    await case.cooldown.check("customer")
    with pytest.raises(CooldownActiveError):
        await case.cooldown.check("other")


async def test_a_clock_that_was_behind_and_is_put_right_ends_no_cooldown_of_the_process(case: Case) -> None:
    """The e-mail was sent at what looks like three days ago; a service made anew in the process knows better, too."""
    case.wall.now_s -= 3 * DAY_S
    await case.cooldown.check("customer", begin=True)
    case.wall.now_s += 3 * DAY_S
    case.wait(60)
    recreated = case.of("https://app.viam.com", case.sent_s)
    for cooldown, begin in ((case.cooldown, False), (case.cooldown, True), (recreated, True)):
        with pytest.raises(CooldownActiveError, match="2026-11-22T12:00:00Z"):
            await cooldown.check("customer", begin=begin)
    case.wait(DAY_S - 60)
    await case.cooldown.check("customer", begin=True)


async def test_a_clock_that_was_set_back_ends_no_cooldown(case: Case, start: Callable[[], Case]) -> None:
    await case.cooldown.check("customer", begin=True)
    case.wall.now_s -= 5 * DAY_S
    with pytest.raises(CooldownActiveError, match="2026-11-17T12:00:00Z"):
        await start().cooldown.check("customer")


@pytest.mark.parametrize("ahead_s", [5 * DAY_S, 3650 * DAY_S])
async def test_an_email_dated_in_the_future_counts_from_when_it_is_seen(
    case: Case, start: Callable[[], Case], ahead_s: float
) -> None:
    """A clock that ran ahead for a moment does not silence a customer for years."""
    case.wall.now_s += ahead_s
    await case.cooldown.check("customer", begin=True)
    case.wall.now_s = NOON_S
    later = start()
    with pytest.raises(CooldownActiveError):
        await later.cooldown.check("customer")
    later.wait(DAY_S)
    await later.cooldown.check("customer")


async def test_a_clock_that_was_set_back_for_a_while_ends_no_cooldown(case: Case, start: Callable[[], Case]) -> None:
    """Asked meanwhile or not, and set back twice: once it is right again, it is minutes ago."""
    await case.cooldown.check("customer", begin=True)
    later = start()
    for back_s in (3 * DAY_S, 6 * DAY_S, 3 * DAY_S - 300, -300):
        case.wall.now_s = NOON_S - back_s
        with pytest.raises(CooldownActiveError):
            await later.cooldown.check("customer", begin=True)
    case.wall.now_s = NOON_S + DAY_S
    await later.cooldown.check("customer", begin=True)


async def test_an_email_of_a_clock_that_was_set_back_counts_as_no_older_than_the_newest(
    case: Case, start: Callable[[], Case]
) -> None:
    """Time never runs backwards: what comes after an e-mail to somebody else was not sent days before it."""
    await case.cooldown.check("other", begin=True)
    case.wall.now_s -= 3 * DAY_S
    await case.cooldown.check("customer", begin=True)
    later = start()
    case.wall.now_s = NOON_S + 300
    with pytest.raises(CooldownActiveError, match="2026-11-22T12:00:00Z"):
        await later.cooldown.check("customer", begin=True)
    case.wall.now_s = NOON_S + DAY_S
    await later.cooldown.check("customer", begin=True)


async def test_without_a_folder_the_error_names_the_attribute() -> None:
    with pytest.raises(StateUnavailableError, match="state_dir"):
        await EmailCooldown(None, "", Clock(), {}).check("customer", begin=True)


async def test_a_refused_email_has_no_cooldown_although_its_caller_leaves(start: Callable[[], Case]) -> None:
    """Also while the disk is busy with something else."""
    case, goes_on = start(), threading.Event()
    await case.cooldown.check("customer", begin=True)
    held = case.database.begin(lambda _: goes_on.wait())
    ending = asyncio.create_task(case.cooldown.end("customer"))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait([ending])
    await asyncio.sleep(0)
    goes_on.set()
    await held
    await case.cooldown.check("customer")
