"""What a maintainer walks through to follow a read: how many functions of the module it enters."""

from __future__ import annotations

import pytest

from benchmarks.functions import of_reads
from support.module_process import PACKAGED

pytestmark = pytest.mark.skipif(PACKAGED, reason="counts functions of the source tree")

OUTER = ("core", "settings", "commands", "module")


async def test_a_read_enters_few_functions_around_the_cache() -> None:
    for functions in await of_reads():
        assert len([name for name in functions if name.startswith(OUTER)]) <= 16, functions


@pytest.mark.xfail(reason="the cache and the client of the cloud are being rebuilt", strict=True)
async def test_a_cold_read_enters_at_most_30_functions_and_a_cached_one_20() -> None:
    cold, cached = await of_reads()
    assert (len(cold) <= 30, len(cached) <= 20) == (True, True), (cold, cached)
