"""The functions of the documentation that use the client, run with its fake: the page of the client, and the guide."""

from __future__ import annotations

import inspect
import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from support.docs_pages import blocks
from support.documentation import CODE, ROOT, prose, sections
from support.white_label import PARAMETERS
from viam_billing_client import Billing, BillingError, MachineError, NoConnectionError, answers
from viam_billing_client.testing import FakeBilling, replace, sample
from viam_billing_client.testing.samples import SAMPLES

PAGE = ROOT / "docs" / "client.md"


def names_of(page: str, *words: str) -> dict[str, Any]:
    """What the code blocks of a page with these words define, all in one namespace."""
    names: dict[str, Any] = {"__name__": page}
    for word in words:
        (block,) = (each for each in blocks(page) if each.language == "python" and word in each.text)
        exec(block.text, names)  # noqa: S102 - the documentation's own code
    return names


EXAMPLES = {"example.py": "async def main", "visits.py": "charge_for"}
"""Files that a user makes of the page, by words of the block that goes into them; and the test that it shows."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with the examples of the page, as they stand there."""
    made = tmp_path_factory.mktemp("mine")
    shown = [block.text for block in blocks("client.md") if block.language == "python"]
    for name, words in EXAMPLES.items():
        (text,) = (each for each in shown if words in each and "import pytest" not in each)
        (made / name).write_text(text)
    (text,) = (each for each in shown if "import pytest" in each)
    (made / "test_visits.py").write_text(text)
    assert len(shown) == len(list(made.iterdir()))
    return made


def run(folder: Path, *arguments: str) -> str:
    """What a Python tool says in the user's folder, which has no configuration."""
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tests_that_the_page_shows_pass(folder: Path) -> None:
    assert "2 passed" in run(folder, "pytest", "-p", "no:cacheprovider")


@pytest.mark.timeout(300)  # it reads the whole SDK
def test_a_strict_type_checker_finds_nothing_in_the_pages_examples(folder: Path) -> None:
    assert "no issues found in 3 source files" in run(folder, "mypy", "--strict", "--cache-dir", "/dev/null", ".")


def test_the_page_explains_how_to_connect() -> None:
    """Each parameter of `connect` is there."""
    parameters = inspect.signature(Billing.connect).parameters
    words = set(re.findall(r"\w+", " ".join(CODE.findall(sections(prose(PAGE), 2)["Connect"]))))
    assert parameters.keys() <= words


async def answers_its_sample(name: str) -> bool:
    """Whether a new fake does, with the parameters that the command needs."""
    parameters = inspect.signature(getattr(FakeBilling, name)).parameters.values()
    needed: dict[str, Any] = {
        each.name: "failed" for each in parameters if each.name != "self" and each.default is each.empty
    }
    good = {"subtotal": 1, "amount": 1, **PARAMETERS}
    needed |= {each: value for each, value in good.items() if each in needed}
    try:
        return await FakeBilling().do_command({"command": name, **needed}) == SAMPLES[name]
    except BillingError:
        return False


async def test_the_page_says_which_answers_the_fake_has_by_itself() -> None:
    """Each command that answers anything but its sample, and no other."""
    lines = sections(prose(PAGE), 2)["Test your code"].splitlines()
    named = {name for line in lines if line.startswith("| `") for name in CODE.findall(line.split("|")[1])}
    own = {name for name in SAMPLES if not await answers_its_sample(name)}
    assert named == own


def test_the_page_names_every_error_that_is_not_the_services() -> None:
    kinds = {each.__name__ for each in MachineError.__subclasses__()}
    assert kinds <= set(CODE.findall(sections(prose(PAGE), 2)["Errors"]))


async def test_the_guides_guard_goes_on_where_nothing_is_known() -> None:
    """And stops where the limit is reached."""
    may_go_on = names_of("guide.md", "async def may_go_on")["may_go_on"]
    fake = FakeBilling()
    assert await may_go_on(fake, 1316.11)
    assert not await may_go_on(fake, 1316.10)
    fake.script["get_location_usage"] = replace(sample("get_location_usage", answers.LocationUsage), stale=True)
    assert await may_go_on(fake, 10)
    fake.script["get_location_usage"] = NoConnectionError("away")
    assert await may_go_on(fake, 10)


async def test_the_guide_finds_out_what_changed() -> None:
    what_changed = names_of("guide.md", "async def what_changed")["what_changed"]
    with redirect_stdout(io.StringIO()) as written:
        await what_changed(FakeBilling())
    assert written.getvalue().splitlines()[0] == "per_machine 984.0 44.0"
