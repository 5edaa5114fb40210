"""The table of mutations fits the source that it is about."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mutations.mutate import ROOT, mutated, source_of
from mutations.table import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.breaks)
def test_a_mutation_applies_where_it_says_and_has_tests(mutation: Mutation) -> None:
    source = source_of(mutation).read_text()
    changed, places = mutated(mutation, source)
    assert places == mutation.places
    assert changed != ast.unparse(ast.parse(source))
    assert mutation.tests
    assert all(Path(ROOT, test).is_file() for test in mutation.tests)


def test_each_mutation_has_a_name_of_its_own() -> None:
    assert len({mutation.breaks for mutation in MUTATIONS}) == len(MUTATIONS)
