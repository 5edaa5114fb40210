"""Some seconds of `make fuzz`, with the same examples each time; `make fuzz` looks for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.of_answers import Answers
from fuzz.of_files import Files
from fuzz.of_requests import Requests
from fuzz.world import fuzz
from support.module_process import PACKAGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.world import Target

pytestmark = pytest.mark.skipif(PACKAGED, reason="the same code, whose files are not what is fuzzed")


@pytest.mark.parametrize(("make", "examples"), [(Requests, 200), (Answers, 200), (Files, 12)])
def test_any_bytes_end_in_an_answer_or_an_error_of_the_contract(make: Callable[[], Target], examples: int) -> None:
    """Requests, answers of the cloud, files in state_dir; and the module lives on, in the memory that it had."""
    fuzz(make, 20261128, examples)
