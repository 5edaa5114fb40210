"""The table of mutations fits the source that it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutations.mutate import ROOT, places
from mutations.table import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.breaks)
def test_a_mutation_stands_in_one_place(mutation: Mutation) -> None:
    """It changes something there, and its tests exist."""
    assert places(mutation) == 1
    assert mutation.new != mutation.old
    assert mutation.tests
    assert all(Path(ROOT, test).is_file() for test in mutation.tests)


def test_each_mutation_has_a_name_of_its_own() -> None:
    """By which `make mutate` tells them."""
    assert len({mutation.breaks for mutation in MUTATIONS}) == len(MUTATIONS)
