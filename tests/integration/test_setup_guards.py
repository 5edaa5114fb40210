"""What nobody brings into setup.sh, run.sh and build.sh: settings, source packages, writable files, an endless lock.

A stand-in for uv or Python notes how it is called, with the environment's names and the umask.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path

import pytest

from support.checkout import BARE_ENV, Outcome, copy_checkout, run
from support.module_process import PACKAGED

NOBODY = 65534
TOOLS = pytest.mark.parametrize("tool", ["uv", "pip"])
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
HOSTILE = {"UV_CACHE_DIR": "/x", "UV_INDEX_URL": "http://x", "PIP_INDEX_URL": "http://x", "XDG_CONFIG_DIRS": "/x"}
HOSTILE |= {"PYTHONPYCACHEPREFIX": "/x"}  # venv starts a Python without -I, which would run what is compiled there

# Makes a folder that looks like a virtual environment, with a file that everybody can write, and installs nothing.
STAND_IN = """#!/bin/sh
case "$*" in
*_base_executable*) echo "$0" ;;
*" venv "*)
    for folder; do :; done
    mkdir -p "$folder/bin" "$folder/lib/python3/site-packages"
    : >"$folder/anybody.txt"
    chmod 666 "$folder/anybody.txt"
    ln -s "$STAND_IN" "$folder/bin/python" ;;
*" install "*)
    { echo "$0 $*"; umask; env | sed 's/=.*//'; } >>"$NOTES"
    if [ -n "${WORDS:-}" ]; then echo "$WORDS" >&2; exit 1; fi ;;
*) exec "$REAL_PYTHON" "$@" ;;
esac
"""

# What a build asks for the page, which it makes before it installs anything.
NODE = "#!/bin/sh\necho v20.19.0\n"
NPM = "#!/bin/sh\nmkdir -p node_modules\n"

pytestmark = pytest.mark.skipif(PACKAGED, reason="about the checkout's scripts, which are not in the archive")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """Give a checkout that nobody has set up."""
    return copy_checkout(tmp_path / "checkout")


def stand_in(tool: str, folder: Path) -> dict[str, str]:
    """Return an environment in which set-ups use a stand-in for uv, or for Python with its pip; builds for npm, too."""
    script = folder / "bin" / ("uv" if tool == "uv" else "python3")
    script.parent.mkdir()
    for name, text in (script.name, STAND_IN), ("node", NODE), ("npm", NPM):
        (script.parent / name).write_text(text)
        (script.parent / name).chmod(0o755)
    return {
        **BARE_ENV,
        "PATH": f"{script.parent}:{BARE_ENV['PATH']}",
        "PYTHON": os.path.realpath(sys.executable) if tool == "uv" else str(script),
        "REAL_PYTHON": os.path.realpath(sys.executable),
        "STAND_IN": str(script) if tool == "pip" else os.path.realpath(sys.executable),
        "NOTES": str(folder / "notes.txt"),
    }


def set_up(checkout: Path) -> None:
    """Give a checkout a finished .venv whose Python prints the umask with which it is started."""
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\numask\n")
    python.chmod(0o755)
    shutil.copy(checkout / "requirements/runtime.txt", checkout / ".venv")


def give_to_nobody(checkout: Path) -> None:
    """Have another user own the checkout and all that is in it."""
    for path in (checkout, *checkout.rglob("*")):
        os.lchown(path, NOBODY, NOBODY)


@TOOLS
@pytest.mark.parametrize("script", ["setup.sh", "build.sh"])
def test_no_setting_and_no_source_distribution_reaches_an_install(
    tool: str, script: str, fresh: Path, tmp_path: Path
) -> None:
    env = stand_in(tool, tmp_path)

    run(fresh / script, env={**env, **HOSTILE}, umask=0)

    notes = (tmp_path / "notes.txt").read_text().splitlines()
    calls = [line for line in notes if " install " in line]
    assert any("build/venv/bin/python" in call for call in calls) == (script == "build.sh")
    for call in calls:
        assert ("--no-config" if tool == "uv" else "--isolated") in call.split()
        assert "--require-hashes --only-binary :all:" in call
    assert notes.count("0022") == len(calls)
    assert not HOSTILE.keys() & set(notes)


@TOOLS
def test_nobody_else_can_write_what_a_setup_makes(tool: str, fresh: Path, tmp_path: Path) -> None:
    done = run(fresh / "setup.sh", env=stand_in(tool, tmp_path), umask=0)

    assert done.status == 0, done
    made = [fresh / ".venv", *(fresh / ".venv").rglob("*")]
    assert [path for path in made if not path.is_symlink() and path.stat().st_mode & 0o022] == []


@pytest.mark.parametrize(("umask", "left"), [(0, "0022"), (0o077, "0077")])
def test_the_module_starts_with_a_umask_that_lets_nobody_else_write(umask: int, left: str, fresh: Path) -> None:
    set_up(fresh)

    assert run(fresh / "run.sh", umask=umask).output.strip() == left


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("pip", "ERROR: No matching distribution found for docopt==0.6.2"),
        ("uv", "  cause: Because docopt==0.6.2 has no usable wheels and you require docopt==0.6.2, we can conclude"),
        ("uv", "  cause: Because docopt==0.6.2 has no wheels with a matching platform tag (e.g., `linux_armv7l`) and"),
    ],
)
def test_a_package_without_a_wheel_for_the_system_is_named(tool: str, words: str, fresh: Path, tmp_path: Path) -> None:
    failed = run(fresh / "setup.sh", env={**stand_in(tool, tmp_path), "WORDS": words})

    assert failed.status == 1
    assert "there is no wheel of docopt==0.6.2 for this system (" in failed.errors
    assert words in failed.errors


def test_an_index_that_cannot_be_reached_is_not_told_as_a_missing_wheel(fresh: Path, tmp_path: Path) -> None:
    words = "WARNING: Retrying (Retry(total=0)) after connection broken\nERROR: No matching distribution found for h2"

    failed = run(fresh / "setup.sh", env={**stand_in("pip", tmp_path), "WORDS": words})

    assert failed.status == 1
    assert "the locked packages could not be installed; the lines above say why" in failed.errors


def test_pip_itself_refuses_to_build_from_source(fresh: Path) -> None:
    digest = "49b3a825280bd66b3aa83585ef59c4a8c82f2c8a522dbe754a8bc8d08c85c491"
    (fresh / "requirements/runtime.txt").write_text(f"docopt==0.6.2 --hash=sha256:{digest}\n")

    failed = run(fresh / "setup.sh")

    assert failed.status == 1
    assert "there is no wheel of docopt==0.6.2 for this system (" in failed.errors


def refused(done: Outcome, reason: str) -> bool:
    """Whether root was told why it does not run the checkout."""
    return done.status == 1 and "root does not run the code in " in done.errors and reason in done.errors


@AS_ROOT
@pytest.mark.parametrize("script", ["setup.sh", "run.sh", "build.sh"])
def test_root_does_not_run_a_checkout_of_another_user(script: str, fresh: Path) -> None:
    """One that has been set up neither."""
    set_up(fresh)
    give_to_nobody(fresh)

    assert refused(run(fresh / script), f"{fresh} belongs to ")


@AS_ROOT
def test_root_does_not_run_a_checkout_that_another_user_can_replace(tmp_path: Path) -> None:
    folder = tmp_path / "somebody"
    checkout = copy_checkout(folder / "checkout")
    os.chown(folder, NOBODY, NOBODY)

    assert refused(run(checkout / "setup.sh"), f"{folder} belongs to ")


@AS_ROOT
@pytest.mark.parametrize("script", ["setup.sh", "run.sh"])
@pytest.mark.parametrize(
    ("path", "mode", "group"),
    [
        ("src/viam_billing/version.py", 0o666, 0),
        ("src", 0o777, 0),
        ("src/viam_billing", 0o775, NOBODY),
        (".venv/bin", 0o777, 0),
        ("..", 0o777, 0),
    ],
)
def test_root_does_not_run_what_others_can_write(script: str, path: str, mode: int, group: int, fresh: Path) -> None:
    """Whether or not it has been set up before."""
    set_up(fresh)
    os.chown(fresh / path, 0, group)
    (fresh / path).chmod(mode)

    assert refused(run(fresh / script), f"others can write {(fresh / path).resolve() if path == '..' else path}, ")


@AS_ROOT
def test_sudo_runs_the_checkout_of_the_user_who_said_it(fresh: Path) -> None:
    """Who is trusted with root already."""
    set_up(fresh)
    give_to_nobody(fresh)

    assert run(fresh / "run.sh", env={**BARE_ENV, "SUDO_UID": str(NOBODY)}).status == 0


def test_a_setup_does_not_wait_for_ever_for_the_lock(fresh: Path) -> None:
    """Whoever can read the checkout can hold its lock."""
    script = (fresh / "setup.sh").read_text()
    assert script.count("wait_s=240") == 1
    (fresh / "setup.sh").write_text(script.replace("wait_s=240", "wait_s=0"))
    holder = os.open(fresh, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        failed = run(fresh / "setup.sh")
    finally:
        os.close(holder)

    assert failed.status == 1
    assert f"another process still holds the lock on {fresh} after 0 s" in failed.errors
