"""What the services of one process share: a link for each key and address; for each folder a cache and a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from viam_billing.cache.cache import Cache
from viam_billing.cache.disk import CacheFile, cloud_name
from viam_billing.cloud.session import Session
from viam_billing.usage.history import UsageHistory

if TYPE_CHECKING:
    from viam_billing.settings.app_address import AppAddress


class Cloud(Struct, frozen=True):
    """A link, the answers that came over it, and what usage was seen."""

    session: Session
    cache: Cache
    history: UsageHistory | None


class _Shared(Struct):
    session: Session
    clouds: dict[str | None, Cloud]
    users: int = 0


class Clouds:
    """Hands out what is shared and closes it after its last user."""

    def __init__(self) -> None:
        self._shared: dict[tuple[str, str, str], _Shared] = {}
        self._siblings: dict[str, list[Cache]] = {}

    def acquire(self, address: AppAddress, key_id: str, key: str, state_dir: str | None) -> Cloud:
        """The cloud for a key, an address and a folder; to be given back with `release`."""
        name = (address.text, key_id, key)
        shared = self._shared.get(name)
        if shared is None:
            shared = self._shared[name] = _Shared(Session(address, key_id, key), {})
        shared.users += 1
        if state_dir not in shared.clouds:
            file = CacheFile(state_dir, cloud_name(address, key_id, key)) if state_dir else None
            siblings = self._siblings.setdefault(address.text, [])
            cache = Cache(shared.session.circuit_breaker, file, siblings=siblings)
            siblings.append(cache)
            history = UsageHistory(state_dir, address.text) if state_dir else None
            shared.clouds[state_dir] = Cloud(shared.session, cache, history)
            shared.session.when_key_rejected.append(cache.clear)
        return shared.clouds[state_dir]

    def release(self, cloud: Cloud) -> None:
        """Give a cloud back; the last user's release closes connection and files."""
        for name, shared in list(self._shared.items()):
            if shared.session is cloud.session:
                shared.users -= 1
                if not shared.users:
                    del self._shared[name]
                    for each in shared.clouds.values():
                        self._siblings[name[0]].remove(each.cache)
                        each.cache.close()
                        if each.history is not None:
                            each.history.close()
                    shared.session.close()


CLOUDS: Final = Clouds()
"""Those of this process."""
