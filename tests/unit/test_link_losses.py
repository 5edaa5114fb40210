from __future__ import annotations

import time

from grpclib.exceptions import StreamTerminatedError

from support.fake_parts import FakeChannel, FakeLink
from viam_billing.cloud.connection import Connection
from viam_billing.cloud.error_mapping import translate

LOST = StreamTerminatedError("Connection lost")


async def test_calls_in_flight_on_one_connection_lose_it_once() -> None:
    """However many there are, it was one connection, and it had given answers."""
    link, connection = FakeLink(), Connection(FakeChannel())
    connection.answered()
    began_s = time.monotonic()
    for _ in range(7):
        link.note_failure(LOST, translate(LOST, "x", sent=True), connection, began_s)
    assert not link.presence.away


async def test_connections_that_break_one_after_the_other_make_the_cloud_away() -> None:
    """Three of them, without one answer."""
    link, connection = FakeLink(), Connection(FakeChannel())
    levels = []
    for _ in range(3):
        link.note_failure(LOST, translate(LOST, "x", sent=True), connection, time.monotonic())
        levels.append(link.presence.away)
    assert levels == [False, False, True]
