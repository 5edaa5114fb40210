"""The distribution for callers: built as `make dist` builds it, installed into an empty virtual environment."""

from __future__ import annotations

import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.checkout import Outcome, run
from support.module_process import CHECKOUT, PACKAGED

pytestmark = [
    pytest.mark.skipif(PACKAGED, reason="the archive has nothing of it"),
    pytest.mark.timeout(300),
]

IMPORTED = """
import importlib.metadata, json, sys
from viam_billing_client import Billing, BillingError, answers, testing
assert answers.LocationUsage and testing.FakeBilling
print(json.dumps([
    sorted(each.metadata["Name"].lower() for each in importlib.metadata.distributions()),
    sorted({name.partition(".")[0] for name in sys.modules} & {"viam_billing", "grpc", "apprise", "typer", "rich"}),
]))
"""
USER = """
from decimal import Decimal
from viam_billing_client import Billing, ChargeBlockedError, answers

async def spent(billing: Billing) -> Decimal | None:
    usage = await billing.get_location_usage(max_age_s=60)
    made = await billing.charge_organization(org_id_to_charge="a", subtotal=Decimal(3), idempotency_key="k")
    tried = await billing.charge_organization(org_id_to_charge="a", subtotal=3, idempotency_key="k", dry_run=True)
    reveal_type(usage)
    reveal_type(made)
    reveal_type(tried)
    try:
        await billing.get_charge()
    except ChargeBlockedError as error:
        print(error.code, error.text)
    answers.NoSuchRecord
    return usage.projection.total if usage.projection else None
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    folder = tmp_path_factory.mktemp("dist")
    done = run("bundle/dist.sh", folder, cwd=CHECKOUT)
    assert done.status == 0, done.errors
    assert len(list(folder.glob("viam_billing-*.tar.gz"))) == 1
    (made,) = folder.glob("viam_billing-*.whl")
    return made


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment with the wheel and what it needs, in the locked versions."""
    folder = tmp_path_factory.mktemp("caller")
    python = folder / "venv" / "bin" / "python"
    succeeds(run(sys.executable, "-I", "-m", "venv", folder / "venv"))
    # pip takes the hashes of a lock only where it names everything, and this is about what the wheel names
    versions = re.findall(r"^(\S+==[^\\\n]+)", (CHECKOUT / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    locked = folder / "versions.txt"
    locked.write_text("\n".join(versions))
    succeeds(run(python, "-I", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-c", locked, wheel))
    return python


def succeeds(done: Outcome) -> str:
    assert done.status == 0, done.errors
    return done.output


def test_it_has_the_client_and_the_module_and_no_sandbox(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "viam_billing_client/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"viam_billing", "viam_billing_client"}


def test_the_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """With all that the checkout has of it, for callers whose pip builds from source."""
    (sdist,) = wheel.parent.glob("viam_billing-*.tar.gz")
    with tarfile.open(sdist) as tar:
        tar.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    succeeds(run(sys.executable, "-I", "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, source))
    (made,) = tmp_path.glob("viam_billing-*.whl")
    assert contents(made) == contents(wheel)
    sources = CHECKOUT / "src"
    files = [each for name in ("viam_billing", "viam_billing_client") for each in (sources / name).rglob("*")]
    expected = {str(each.relative_to(sources)) for each in files if each.suffix in (".py", ".typed")}
    assert {name for name in contents(made) if ".dist-info/" not in name} == expected


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_client_is_imported_without_what_the_module_needs(empty: Path) -> None:
    """Neither is it installed, nor is anything of the module loaded."""
    installed, loaded = json.loads(succeeds(run(empty, "-I", "-c", IMPORTED)))
    assert {"viam-billing", "viam-sdk", "msgspec"} <= set(installed)
    assert not {"grpcio", "apprise", "typer", "rich"} & set(installed)
    assert loaded == []


def test_a_strict_type_checker_knows_its_answers(empty: Path, tmp_path: Path) -> None:
    """Of a user: what a method answers, also as a dry run, and what is wrong in a call."""
    (tmp_path / "mine.py").write_text(USER)
    done = run(sys.executable, "-m", "mypy", "--strict", "--python-executable", empty, "mine.py", cwd=tmp_path)
    found = [line.partition(" ")[2] for line in done.output.splitlines()]
    assert [line for line in found if line.startswith("note: Revealed")] == [
        'note: Revealed type is "viam_billing_client.answers.usage.LocationUsage"',
        'note: Revealed type is "viam_billing_client.answers.charges.ChargeMade"',
        'note: Revealed type is "viam_billing_client.answers.base.DryRun"',
    ]
    assert [line for line in found if line.startswith("error")] == [
        'error: Missing named argument "idempotency_key" for "get_charge" of "JournalCommands"  [call-arg]',
        'error: Module has no attribute "NoSuchRecord"  [attr-defined]',
    ]
