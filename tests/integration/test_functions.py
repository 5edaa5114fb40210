"""What a maintainer walks through to follow a read: how many functions of the module it enters."""

from __future__ import annotations

import pytest

from benchmarks.functions import of_reads
from support.module_process import PACKAGED

pytestmark = pytest.mark.skipif(PACKAGED, reason="counts functions of the source tree")


async def test_a_cached_read_enters_at_most_20_functions() -> None:
    _, cached = await of_reads()
    assert len(cached) <= 20, cached


async def test_a_cold_read_enters_at_most_30_functions() -> None:
    cold, _ = await of_reads()
    assert len(cold) <= 30, cold
