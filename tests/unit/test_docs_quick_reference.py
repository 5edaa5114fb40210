"""The quick reference is what the code makes it, and its requests are accepted."""

from __future__ import annotations

import pytest

from support.quick_reference import PAGE, RENEW, made, smallest_request
from viam_billing.commands import COMMANDS
from viam_billing.settings.records import InvalidRecordError, read


def test_the_page_is_as_the_code_has_it_now() -> None:
    assert PAGE.read_text() == made(), f"docs/quick-reference.md is out of date: run `{RENEW}` and commit what it makes"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_smallest_request_is_accepted_and_nothing_can_be_left_out(name: str) -> None:
    """But for the logo, of which the page shows the first bytes only."""
    command = COMMANDS[name]
    parameters = smallest_request(command)[name]
    if "content_base64" not in parameters:
        read(command.parameters, parameters, "parameter")
    for each in parameters:
        with pytest.raises(InvalidRecordError):
            read(command.parameters, {key: value for key, value in parameters.items() if key != each}, "parameter")
