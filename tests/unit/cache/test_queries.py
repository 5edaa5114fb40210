from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from viam.gen.app.v1 import billing_pb2

from support.fake_parts import NOON_S, Clock, usage
from unit.cache.queries_scene import EACH, INFORMATION, INVOICES, PAYER, QUESTIONS, TIERS, Scene, in_time
from unit.cloud_fakes import make_config
from viam_billing.cache.cache import Cache
from viam_billing.cache.queries import Reads
from viam_billing.cache.readings import Call
from viam_billing.cloud.calls import Calls, Counters
from viam_billing.cloud.circuit_breaker import CircuitBreaker
from viam_billing.cloud.client import CloudClient
from viam_billing.core.errors import CloudTimeoutError, CloudUnreachableError, NotConfiguredError, NotFoundError
from viam_billing.core.times import DAY_S, Deadline

MONTH_END_S = NOON_S + 9.5 * DAY_S


async def test_a_reading_has_the_time_of_its_answer() -> None:
    """And is not stale."""
    reading = await Scene(usage(2.0)).reads.usage("o", in_time(), None)
    assert (reading.value["subtotal"], reading.as_of_s, reading.stale_reason) == (2.0, NOON_S, None)


@EACH
async def test_a_question_is_asked_of_what_it_names(question: str) -> None:
    """Once."""
    message, ask = QUESTIONS[question]
    scene = Scene(message)
    await ask(scene.reads, in_time())
    assert scene.gateway.asked == [("tiers",) if question == "tiers" else (question, "x")]


@EACH
async def test_a_repeated_question_is_answered_from_memory(question: str) -> None:
    """With the same value and time."""
    message, ask = QUESTIONS[question]
    scene = Scene(message)
    first = await ask(scene.reads, in_time())
    scene.clock.now_s += 1
    second = await ask(scene.reads, in_time())
    assert (second.value, second.as_of_s) == (first.value, NOON_S)
    assert len(scene.gateway.asked) == 1


async def test_questions_of_the_same_name_are_kept_apart() -> None:
    """By what they ask for and by what they ask it of."""
    answers = [message for message, _ in QUESTIONS.values()]
    scene = Scene(*answers, usage(3.0))
    for _, ask in QUESTIONS.values():
        await ask(scene.reads, in_time())
    assert (await scene.reads.usage("y", in_time(), None)).value["subtotal"] == 3.0


async def test_payment_details_are_masked() -> None:
    """Before anything else sees them."""
    reading = await Scene(INFORMATION).reads.billing_information("o", in_time(), None)
    assert reading.value["billing_email"] == "j***@example.com"


async def test_payment_details_are_shown_where_the_configuration_says_so() -> None:
    """And only there."""
    reads = Scene(INFORMATION).service(reveal_payment_details=True)
    assert (await reads.billing_information("o", in_time(), None)).value["billing_email"] == "jane@example.com"


@pytest.mark.parametrize("first", [True, False])
async def test_services_that_share_a_cache_do_not_share_payment_details(*, first: bool) -> None:
    """Whichever of them asks first."""
    scene = Scene(INFORMATION)
    seen = {}
    for revealed in (first, not first):
        reads = scene.service(reveal_payment_details=revealed)
        seen[revealed] = (await reads.billing_information("o", in_time(), None)).value["billing_email"]
    assert seen == {True: "jane@example.com", False: "j***@example.com"}


async def test_a_payer_that_is_not_named_is_left_out() -> None:
    """An empty ID is no ID."""
    scene = Scene(billing_pb2.GetLocationBillingOrganizationResponse())
    assert (await scene.reads.location_payer("l", in_time(), None)).value == {}


async def test_a_payer_that_is_named_is_there() -> None:
    """As the API names it."""
    assert (await Scene(PAYER).reads.location_payer("l", in_time(), None)).value == {"billing_organization_id": "p"}


async def test_invoices_are_native() -> None:
    """A list even where there is none."""
    reading = await Scene(INVOICES).reads.invoices("o", in_time(), None)
    assert reading.value == {"outstanding_balance": 0.0, "invoices": []}


async def test_tiers_are_native() -> None:
    """In the cloud's order."""
    assert (await Scene(TIERS).reads.tiers(in_time(), None)).value == {"tiers": ["b", "a"]}


@pytest.mark.parametrize(("age_s", "asked"), [(0.0, 2), (9.0, 2), (10.0, 2), (11.0, 1)])
async def test_a_caller_says_how_old_an_answer_may_be(age_s: float, asked: int) -> None:
    """Of an answer that is 10 seconds old; younger than that is asked for anew."""
    scene = Scene(usage(1.0))
    await scene.reads.usage("o", in_time(), None)
    scene.clock.now_s += 10
    await scene.reads.usage("o", in_time(), age_s)
    assert len(scene.gateway.asked) == asked


async def test_without_a_word_of_the_caller_the_configured_time_counts() -> None:
    """Of each service for itself."""
    scene = Scene(usage(1.0))
    long, short = scene.service(cache_ttl_s=1000), scene.service(cache_ttl_s=10)
    await long.usage("o", in_time(), None)
    scene.clock.now_s += 10
    await long.usage("o", in_time(), None)
    assert len(scene.gateway.asked) == 1
    await short.usage("o", in_time(), None)
    assert len(scene.gateway.asked) == 2


@EACH
async def test_the_last_known_answer_serves_while_the_cloud_is_away(question: str) -> None:
    """It says so."""
    message, ask = QUESTIONS[question]
    scene = Scene(message, CloudUnreachableError("no route."))
    await ask(scene.reads, in_time())
    scene.clock.now_s += 1000
    reading = await ask(scene.reads, in_time())
    assert (reading.as_of_s, reading.stale_reason) == (NOON_S, "cloud_unreachable")


async def test_a_last_known_answer_that_is_too_old_does_not_serve() -> None:
    """Older than `max_stale_s`."""
    scene = Scene(usage(1.0), CloudUnreachableError("no route."))
    reads = scene.service(max_stale_s=999)
    await reads.usage("o", in_time(), None)
    scene.clock.now_s += 1000
    with pytest.raises(CloudUnreachableError):
        await reads.usage("o", in_time(), None)


@pytest.mark.parametrize("end_date", [None, Timestamp(seconds=int(MONTH_END_S)), Timestamp(seconds=int(NOON_S))])
async def test_usage_is_an_answer_until_its_month_ends(end_date: Timestamp | None) -> None:
    """Where the API names no end that is ahead, until the calendar's month does."""
    message = billing_pb2.GetCurrentMonthUsageResponse(subtotal=1.0, end_date=end_date)
    scene = Scene(message, CloudUnreachableError("no route."))
    reads = scene.service(max_stale_s=30 * DAY_S)
    await reads.usage("o", in_time(), None)
    scene.clock.now_s = MONTH_END_S - 1
    assert (await reads.usage("o", in_time(), None)).stale_reason == "cloud_unreachable"
    scene.clock.now_s = MONTH_END_S
    with pytest.raises(CloudUnreachableError):
        await reads.usage("o", in_time(), None)


@pytest.mark.parametrize("end_date", [None, Timestamp(seconds=int(MONTH_END_S))])
async def test_usage_of_a_month_that_has_ended_is_not_kept(end_date: Timestamp | None) -> None:
    """The cloud still answers it: asked again it may know the new one."""
    start_date = Timestamp(seconds=int(MONTH_END_S - 30 * DAY_S))
    message = billing_pb2.GetCurrentMonthUsageResponse(subtotal=1.0, start_date=start_date, end_date=end_date)
    scene = Scene(message, message, CloudUnreachableError("no route."))
    scene.clock.now_s = MONTH_END_S + 5
    for _ in range(2):
        assert "projection" not in (await scene.reads.usage("o", in_time(), None)).value
    with pytest.raises(CloudUnreachableError):
        await scene.reads.usage("o", in_time(), None)


@pytest.mark.parametrize("question", sorted({*QUESTIONS} - {"usage"}))
async def test_other_answers_do_not_end_with_the_month(question: str) -> None:
    """Only what is counted by the month does."""
    message, ask = QUESTIONS[question]
    scene = Scene(message, CloudUnreachableError("no route."))
    reads = scene.service(max_stale_s=30 * DAY_S)
    await ask(reads, in_time())
    scene.clock.now_s = MONTH_END_S
    assert (await ask(reads, in_time())).value


async def test_a_caller_waits_as_long_as_its_call_lasts() -> None:
    """And gets an error of the contract."""
    scene = Scene(usage(1.0))
    scene.gateway.open.clear()
    with pytest.raises(CloudTimeoutError):
        await scene.reads.usage("o", Call(Deadline(0.01), Deadline(0.01)), None)
    scene.cache.close()


async def test_the_cloud_has_the_configured_time_and_not_the_callers() -> None:
    """The first one's hurry is not that of those who wait with it."""
    scene = Scene(usage(1.0))
    await scene.service(timeout_s=70).usage("o", Call(Deadline(1), Deadline(1)), None)
    assert 60 < scene.gateway.deadlines[0].remaining_s() <= 70


async def test_a_call_knows_its_readings() -> None:
    """In their order."""
    scene, call = Scene(PAYER, usage(1.0)), in_time()
    readings = [await scene.reads.location_payer("l", call, None), await scene.reads.usage("p", call, None)]
    assert call.readings == readings


async def test_a_failed_reading_is_none() -> None:
    """The call goes on without it."""
    scene, call = Scene(NotFoundError("no such organization.")), in_time()
    with pytest.raises(NotFoundError):
        await scene.reads.usage("o", call, None)
    assert call.readings == []


async def test_without_a_key_the_error_names_the_attributes() -> None:
    reads = Reads(CloudClient(Calls(None, Counters(), 20.0)), Cache(CircuitBreaker("cloud")), make_config(), Clock())
    for _, ask in QUESTIONS.values():
        with pytest.raises(NotConfiguredError, match="api_key_id"):
            await ask(reads, in_time())
