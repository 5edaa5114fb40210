"""When the rejection of tokens means the key."""

from __future__ import annotations

import pytest

from support.fake_parts import FakeLink
from viam_billing.cloud.connection import Token


class Scene:
    """A link, and whether what was remembered for its key has been forgotten."""

    def __init__(self) -> None:
        self.link = FakeLink()
        self.forgotten = 0
        self.link.when_key_rejected.append(self._forget)

    def _forget(self) -> None:
        self.forgotten += 1

    def rejected(self, *, answers: int = 0, in_flight: int = 0) -> bool:
        """Whether the rejection of one more token, which two calls have used, means the key."""
        return self.link.token_rejected(Token("text", calls=2, answers=answers, in_flight=in_flight))


@pytest.fixture
def scene() -> Scene:
    """A link that has seen no token."""
    return Scene()


def test_three_worthless_tokens_in_a_row_mean_the_key(scene: Scene) -> None:
    """Two may have been used up by others; with the third, what was remembered for the key is forgotten."""
    assert [scene.rejected() for _ in range(3)] == [False, False, True]
    assert scene.forgotten == 1


def test_counting_starts_anew_after_the_key_was_meant(scene: Scene) -> None:
    """The key may have been given its right back."""
    for _ in range(3):
        scene.rejected()
    assert [scene.rejected() for _ in range(3)] == [False, False, True]


def test_one_answer_in_between_is_enough(scene: Scene) -> None:
    """The tokens are short-lived and not worthless."""
    found = [scene.rejected(), scene.rejected()]
    scene.link.token_taken()
    found += [scene.rejected(), scene.rejected()]
    assert (found, scene.forgotten) == ([False] * 4, 0)


def test_a_token_that_got_an_answer_is_not_worthless(scene: Scene) -> None:
    """It has ended, as tokens do."""
    assert not any(scene.rejected(answers=1) for _ in range(5))
    assert scene.forgotten == 0


def test_a_token_with_a_call_under_way_is_not_worthless_yet(scene: Scene) -> None:
    """That call may have been the one that used it up."""
    assert not any(scene.rejected(in_flight=1) for _ in range(5))
    assert scene.forgotten == 0


def test_a_fresh_token_s_only_call_means_the_key_at_once(scene: Scene) -> None:
    """Nobody else can have used it up."""
    assert scene.link.token_rejected(Token("text", calls=1))
    assert scene.forgotten == 1
