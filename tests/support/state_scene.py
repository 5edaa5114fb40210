"""A folder for the module's state, what an attacker does to it, and a module that runs as nobody."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from support.module_process import Service, refused
from viam_billing_sandbox.scenario import DEFAULT_ORG_ID

NOBODY: Final = 65534
ATTACKER: Final = 4242
IS_ROOT: Final = os.geteuid() == 0
FOLDERS: Final = ("incoming", "invoices")
FILES: Final = ("journal.db", "journal.db-wal", "journal.db-shm", "journal.lock", "cache.db", "usage.db")

LINK: Final = "is a link"
OTHERS: Final = "can be written by others"
OWNER: Final = f"belongs to user {ATTACKER}"
SPECIAL: Final = "is neither a file nor a folder"

_NUMBERS: Final = itertools.count()
_SETPRIV: Final = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
_READ_ALL: Final = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


def as_nobody() -> tuple[str, ...] | None:
    """What runs a command as nobody, None where that is not possible. Where Python is only root's, it may read all."""
    for prefix in (_SETPRIV, (*_SETPRIV, *_READ_ALL)) if IS_ROOT else ():
        command = [*prefix, sys.executable, "-I", "-c", "import viam_billing, grpc"]
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0:  # noqa: S603 - this Python
                return prefix
    return None


@dataclass(frozen=True)
class Scene:
    """A good state_dir, two folders below the module's own; what an attacker wants to have changed; the module's user.

    above/parent/state, above/victim/tmp0a1b2c3d: the name of a temporary file, old enough to be one left behind.
    """

    above: Path
    user: int

    @classmethod
    def below(cls, folder: Path) -> Scene:
        """Make one for the owner of a folder."""
        made = cls(folder / f"scene{next(_NUMBERS)}", folder.stat().st_uid)
        for path in (made.state, made.victim):
            path.mkdir(parents=True)
        made.file.write_text("precious")
        os.utime(made.file, (time.time() - 9000,) * 2)
        made.own()
        return made

    @property
    def state(self) -> Path:
        """The state_dir."""
        return self.above / "parent" / "state"

    @property
    def victim(self) -> Path:
        """A folder that has nothing to do with the module."""
        return self.above / "victim"

    @property
    def file(self) -> Path:
        """A file in it."""
        return self.victim / "tmp0a1b2c3d"

    def at(self, where: str) -> Path:
        """The path that a test calls so."""
        places = {"above": self.above, "parent": self.state.parent, "state": self.state}
        return places.get(where, self.state / where)

    def own(self) -> None:
        """Give all that is there to the module's user."""
        for path in (self.above, *self.above.rglob("*")):
            os.chown(path, self.user, self.user, follow_symlinks=False)

    def victims(self) -> list[tuple[object, ...]]:
        """All that a change of the victims would change."""
        found = [self.victim, *sorted(self.victim.rglob("*"))]
        return [(path, path.lstat().st_mode, path.is_file() and path.read_bytes()) for path in found]

    def away(self, path: Path) -> tuple[Path, Callable[[], None]]:
        """Move something out of the way. Returns where it is, and what puts it back in place of what is there then."""
        aside = self.above / "aside"
        path.rename(aside)

        def back() -> None:
            path.unlink()
            aside.rename(path)

        return aside, back

    def link(self, path: Path, target: Path, user: int | None = None) -> None:
        """A link, of the module's user unless told."""
        path.symlink_to(target)
        os.chown(path, self.user if user is None else user, -1, follow_symlinks=False)


Step: TypeAlias = Callable[[Scene, Path], None]


def there(scene: Scene, path: Path) -> None:
    """Make it as the module does, unless it is there."""
    if path.name in FOLDERS:
        path.mkdir(0o700, exist_ok=True)
    elif not path.exists():
        path.touch(0o600)
    os.chown(path, scene.user, scene.user)


def gone(_: Scene, path: Path) -> None:
    """Remove it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def mode(value: int) -> Step:
    """Give it another mode."""

    def step(scene: Scene, path: Path) -> None:
        there(scene, path)
        path.chmod(value)

    return step


def foreign(scene: Scene, path: Path) -> None:
    """Give it to the attacker."""
    there(scene, path)
    os.chown(path, ATTACKER, ATTACKER)


def link_to_the_victim(scene: Scene, path: Path) -> None:
    """Put a link to the victim's folder or file in its place."""
    gone(scene, path)
    scene.link(path, scene.file if path.name in FILES else scene.victim)


def link_to_nothing(scene: Scene, path: Path) -> None:
    """Put a link in its place which leads to where something could be made."""
    gone(scene, path)
    scene.link(path, scene.victim / "new")


def link_to_itself(scene: Scene, path: Path) -> None:
    """Put a link to where it is now in its place."""
    there(scene, path)
    scene.link(path, scene.away(path)[0])


def link_of_the_attacker(scene: Scene, path: Path) -> None:
    """The same, by somebody else."""
    scene.link(path, scene.away(path)[0], ATTACKER)


def hard_link(scene: Scene, path: Path) -> None:
    """Give the victim's file its name."""
    os.link(scene.file, path)


def pipe(scene: Scene, path: Path) -> None:
    """Put a pipe in its place: opening one waits for somebody who writes."""
    gone(scene, path)
    os.mkfifo(path, 0o600)
    os.chown(path, scene.user, scene.user)


async def save(service: Service, name: str = "a.pdf") -> dict[str, Any]:
    """Save an invoice below state_dir."""
    listed = await service.ask("get_invoices_summary", org_id=DEFAULT_ORG_ID)
    return await service.ask("get_invoice_pdf", id=listed["invoices"][0]["id"], org_id=DEFAULT_ORG_ID, save_as=name)


async def all_refused(service: Service, scene: Scene, *commands: dict[str, Any]) -> str:
    """Saving a PDF and these are refused and change nothing. Returns the first refusal's text."""
    before = scene.victims()
    refusals = [await refused(save(service)), *[await refused(service.do(command)) for command in commands]]
    assert {refusal.code for refusal in refusals} == {"state_unavailable"}, refusals
    assert (await service.ask("get_current_month_usage", max_age_s=0))["stale"] is False
    assert scene.victims() == before
    return refusals[0].text
