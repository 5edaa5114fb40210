"""run.sh and setup.sh as viam-server and people start them: in a copy of the checkout, with real installs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.checkout import BARE_ENV, INSTALL_S, Outcome, copy_checkout, outcome, run, started
from support.module_process import PACKAGED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_S = 30.0
pytestmark = [
    pytest.mark.timeout(INSTALL_S + 60),
    pytest.mark.skipif(PACKAGED, reason="about run.sh and setup.sh, which are not in the archive"),
]


def wait_until(condition: Callable[[], bool], what: str, within_s: float = START_S) -> None:
    """Return as soon as the condition holds; fail with its words when it never does."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.01)


def accepts(path: Path) -> bool:
    """Whether somebody listens on the Unix socket."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        return probe.connect_ex(str(path)) == 0


def group_is_gone(group: int) -> bool:
    """Whether no process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def files_with_times(folder: Path) -> dict[str, int]:
    """Every path below the folder, with its time of change in nanoseconds."""
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*") if path.name != "__pycache__"}


@pytest.fixture(scope="module")
def first_setups(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    """A fresh checkout in which two set-ups were started at once, and how each ended."""
    checkout = copy_checkout(tmp_path_factory.mktemp("run sh") / "a checkout")
    with started(checkout / "setup.sh") as one, started(checkout / "setup.sh") as other:
        return checkout, [outcome(one), outcome(other)]


@pytest.fixture(scope="module")
def checkout(first_setups: tuple[Path, list[Outcome]]) -> Path:
    """Give the checkout of the first set-ups, which later tests leave as it is."""
    return first_setups[0]


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """A short path: a socket's address has about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="vb") as folder:
        yield Path(folder)


def test_two_first_setups_at_once_install_once(first_setups: tuple[Path, list[Outcome]]) -> None:
    """Two modules that start from a fresh checkout at the same time share one install, and both go on."""
    checkout, outcomes = first_setups

    assert [each.status for each in outcomes] == [0, 0], outcomes
    assert sum("installing requirements/runtime.txt" in each.output for each in outcomes) == 1
    assert (checkout / ".venv/runtime.txt").read_bytes() == (checkout / "requirements/runtime.txt").read_bytes()


def test_the_progress_of_a_setup_is_no_error_in_viams_log(first_setups: tuple[Path, list[Outcome]]) -> None:
    """viam-server logs what is on stderr as errors."""
    assert [each.errors for each in first_setups[1]] == ["", ""]


def test_a_second_setup_changes_nothing(checkout: Path) -> None:
    """With the lock file unchanged, setup.sh says nothing and touches no file of .venv."""
    before = files_with_times(checkout / ".venv")

    assert run(checkout / "setup.sh") == Outcome(0, "", "")
    assert files_with_times(checkout / ".venv") == before


def test_arguments_arrive_unchanged(checkout: Path, socket_dir: Path) -> None:
    """A socket path with spaces and shell characters is the one that the module listens on."""
    address = socket_dir / "a  module's $HOME *.sock"

    with started(checkout / "run.sh", address, "--log-level=debug"):
        wait_until(lambda: accepts(address), "the module accepts connections")


def test_sigterm_reaches_the_module(checkout: Path, socket_dir: Path) -> None:
    """SIGTERM to the process that viam-server started ends the module, and no process is left."""
    address = socket_dir / "module.sock"

    with started(checkout / "run.sh", address) as process:
        wait_until(lambda: accepts(address), "the module accepts connections")
        process.terminate()
        process.communicate(timeout=START_S)

        assert process.returncode in (0, -signal.SIGTERM)
        assert group_is_gone(process.pid)


def test_working_directory_and_pythonpath_are_not_imported(checkout: Path, socket_dir: Path, tmp_path: Path) -> None:
    """A json.py in the working directory or on PYTHONPATH takes no standard module's place, in set-up or module."""
    address = socket_dir / "module.sock"
    mark = tmp_path / "imported"
    (tmp_path / "json.py").write_text(f"open({str(mark)!r}, 'w').close()\nraise SystemExit('the wrong json')\n")

    with started(checkout / "run.sh", address, cwd=tmp_path, env={**BARE_ENV, "PYTHONPATH": str(tmp_path)}):
        wait_until(lambda: accepts(address), "the module accepts connections")

    assert not mark.exists()


def test_run_sh_works_through_links(checkout: Path, socket_dir: Path, tmp_path: Path) -> None:
    """Called through a link to a relative link, run.sh still finds its own folder."""
    address = socket_dir / "module.sock"
    (tmp_path / "inner").symlink_to(os.path.relpath(checkout / "run.sh", tmp_path))
    (tmp_path / "outer link").symlink_to("inner")

    with started("./outer link", address, cwd=tmp_path):
        wait_until(lambda: accepts(address), "the module accepts connections")


def test_a_moved_checkout_runs_its_own_code(checkout: Path, tmp_path: Path) -> None:
    """A copy of a set-up checkout imports the package of the copy, from any folder and without PYTHONPATH."""
    moved = tmp_path / "moved"
    shutil.copytree(checkout, moved, symlinks=True)
    show = "import viam_billing; raise SystemExit(viam_billing.__file__)"

    shown = run(moved / ".venv/bin/python", "-c", show)

    assert shown.status == 1
    assert Path(shown.errors.strip()).is_relative_to(moved.resolve())


def test_setup_says_when_there_is_no_python(tmp_path: Path) -> None:
    """Without a usable interpreter, setup.sh and run.sh fail with a sentence that names the remedy."""
    fresh = copy_checkout(tmp_path / "fresh")
    env = {**BARE_ENV, "PYTHON": "/nowhere/python3"}

    for command in ("setup.sh", "run.sh"):
        failed = run(fresh / command, env=env)
        assert failed.status == 1
        assert "no Python 3.10 or newer found (tried: /nowhere/python3)" in failed.errors


def test_a_killed_setup_is_made_good(checkout: Path, socket_dir: Path, tmp_path: Path) -> None:
    """A changed lock file leads to a new install; killed in its middle, the next start makes it whole and runs.

    Also where nobody can be told of it.
    """
    address = socket_dir / "module.sock"
    killed = tmp_path / "killed"
    shutil.copytree(checkout, killed, symlinks=True)
    with (killed / "requirements/runtime.txt").open("a") as lock:
        lock.write("# changed\n")

    with started(killed / "run.sh", address) as process:
        wait_until((killed / ".venv/unfinished").exists, "the new .venv is being filled", INSTALL_S)
        os.killpg(process.pid, signal.SIGKILL)

    assert not (killed / ".venv/runtime.txt").exists()
    with started("sh", "-c", 'exec "$@" >&-', "sh", killed / "run.sh", address):
        wait_until(lambda: accepts(address), "the module accepts connections", INSTALL_S)
    assert (killed / ".venv/runtime.txt").read_bytes() == (killed / "requirements/runtime.txt").read_bytes()


def test_the_demonstration_needs_no_checkers_and_110_megabytes(tmp_path: Path) -> None:
    """Nothing is done again for what is there, and what comes later is added; also where nobody can be told of it."""
    fresh = copy_checkout(tmp_path / "demo")
    place = "/dev/full" if Path("/dev/full").exists() else "&-"
    assert run("sh", "-c", f'exec "$@" >{place}', "sh", fresh / "setup.sh", "--demo") == Outcome(0, "", "")

    size = sum(path.lstat().st_blocks * 512 for path in (fresh / ".venv").rglob("*"))
    assert size <= 110_000_000
    packages = {path.name for path in fresh.glob(".venv/lib/*/site-packages/*")}
    assert {"rich", "h2", "cryptography", "viam", "msgspec"} <= packages
    assert packages.isdisjoint({"pytest", "mypy", "ruff", "hypothesis", "pip"})
    for options in ("--demo",), ():
        assert run(fresh / "setup.sh", *options) == Outcome(0, "", "")


def test_sigterm_ends_a_setup(checkout: Path, socket_dir: Path, tmp_path: Path) -> None:
    """A start that is called off while it installs leaves neither a process nor a .venv that counts as finished."""
    called_off = tmp_path / "called off"
    shutil.copytree(checkout, called_off, symlinks=True)
    (called_off / ".venv/runtime.txt").unlink()

    with started(called_off / "run.sh", socket_dir / "module.sock") as process:
        wait_until((called_off / ".venv/unfinished").exists, "the new .venv is being filled", INSTALL_S)
        process.terminate()
        process.communicate(timeout=START_S)

        assert process.returncode == 128 + signal.SIGTERM
        wait_until(lambda: group_is_gone(process.pid), "no process is left")
    assert not (called_off / ".venv/runtime.txt").exists()
