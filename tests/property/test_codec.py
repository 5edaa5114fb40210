from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from viam_billing.core.errors import InvalidRequestError
from viam_billing.module import codec

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBERS = st.one_of(st.floats(), st.integers(), st.integers(2**52, 2**54))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda parts: st.one_of(st.lists(parts, max_size=4), st.dictionaries(TEXTS, parts, max_size=4)),
    max_leaves=12,
)
ANYTHING = st.recursive(
    st.one_of(JSON, st.binary(max_size=3), st.text(max_size=3), st.complex_numbers()),
    lambda parts: st.one_of(
        st.tuples(parts), st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.none()), parts, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.one_of(
    st.dictionaries(TEXTS, JSON, max_size=3),
    st.fixed_dictionaries({"command": JSON}, optional={"a": JSON, "b": JSON}),
)


@given(st.one_of(OBJECTS, JSON, ANYTHING))
def test_anything_is_a_request_or_refused(value: object) -> None:
    """By the one error, whose message can be sent."""
    try:
        request = codec.parse(codec.to_struct(value))
    except InvalidRequestError as error:
        assert len(error.message) <= 1000  # noqa: PT017 - either end is good
        assert error.message.encode()  # noqa: PT017 - the same
    else:
        assert isinstance(request, codec.Request)
        assert isinstance(request.parameters, dict)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_its_value(number: float) -> None:
    """And is an integer where it is a whole one that fits into 64 bits."""
    native = codec.from_struct(codec.to_struct({"a": number}))["a"]
    assert native == number
    assert isinstance(native, int) == (number.is_integer() and abs(number) < 2**63)
