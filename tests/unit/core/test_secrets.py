from __future__ import annotations

import json

import pytest

from viam_billing.core.secrets import Secrets

KEY = "abcdefgh-the-key-of-the-owner"


def knowing(*texts: str) -> Secrets:
    """Secrets with these among them."""
    secrets = Secrets()
    for text in texts:
        secrets.add(text)
    return secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"a {KEY} b", "a *** b"),
        (f"{KEY}{KEY}", "******"),
        ("a Bearer abc.def b", "a Bearer *** b"),
        ("a bearer\tabc.def b", "a Bearer *** b"),
        ("nothing here", "nothing here"),
    ],
)
def test_a_secret_is_taken_out_of_a_text(text: str, shown: str) -> None:
    assert knowing(KEY).redact(text) == shown


@pytest.mark.parametrize("length", range(1, len(KEY)))
def test_a_part_of_a_secret_is_as_any_other_text(length: int) -> None:
    """Whoever sends a guess of a part must not see whether it is right."""
    for part in (KEY[:length], KEY[-length:], f"x{KEY[:length]}…"):
        assert knowing(KEY).redact(part) == part


@pytest.mark.parametrize("spelled", [json.dumps, repr])
def test_a_secret_is_known_in_the_spellings_that_a_text_may_have(spelled: object) -> None:
    odd = 'odd\\key\twith "all" it\'s marks'
    assert callable(spelled)
    assert "odd" not in knowing(odd).redact(f"x {spelled(odd)} y")


def test_a_secret_that_begins_another_leaves_nothing_of_it() -> None:
    assert knowing(KEY, f"{KEY}-and-more").redact(f"{KEY}-and-more, {KEY}") == "***, ***"


def test_what_is_too_short_for_a_secret_stays() -> None:
    assert knowing("the").redact("the text") == "the text"


def test_a_secret_stays_in_texts_when_whoever_added_it_has_discarded_it() -> None:
    """As often as it was added: two sessions may have the same token, and a cloud may give one twice."""
    secrets = knowing(KEY, "another-secret", KEY)
    secrets.discard(KEY)
    assert secrets.redact(f"{KEY} another-secret") == "*** ***"
    secrets.discard(KEY)
    assert secrets.redact(f"{KEY} another-secret") == f"{KEY} ***"


@pytest.mark.parametrize("before", range(20))
def test_secrets_are_known_wherever_they_stand_in_a_message(before: int) -> None:
    secrets = knowing("schlüssel-von-hier", KEY)
    assert secrets.are_in(b"x" * before + "schlüssel-von-hier".encode())
    assert not secrets.are_in(b"x" * before + "schlüssel-von-hie".encode())
    assert not Secrets().are_in(b"x" * before)
