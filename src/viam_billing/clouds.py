"""What the services of one process share: a link for each key and address, a cache for each of those and its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from viam_billing.cache import Cache
from viam_billing.cache_file import CacheFile, cloud_name
from viam_billing.link import Link

if TYPE_CHECKING:
    from viam_billing.address import AppAddress


class _Shared(Struct):
    link: Link
    caches: dict[str | None, Cache]
    users: int = 0


class Cloud(Struct, frozen=True):
    """A link and the answers that came over it."""

    link: Link
    cache: Cache


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
            shared = self._shared[name] = _Shared(Link(address, key_id, key), {})
        shared.users += 1
        if state_dir not in shared.caches:
            file = CacheFile(state_dir, cloud_name(address, key_id, key)) if state_dir else None
            siblings = self._siblings.setdefault(address.text, [])
            cache = Cache(shared.link.presence, file, siblings=siblings)
            siblings.append(cache)
            shared.caches[state_dir] = cache
            shared.link.when_key_rejected.append(cache.clear)
        return Cloud(shared.link, shared.caches[state_dir])

    def release(self, cloud: Cloud) -> None:
        """Give a cloud back; the last user's release closes connection and files."""
        for name, shared in list(self._shared.items()):
            if shared.link is cloud.link:
                shared.users -= 1
                if not shared.users:
                    del self._shared[name]
                    for cache in shared.caches.values():
                        self._siblings[name[0]].remove(cache)
                        cache.close()
                    shared.link.close()


CLOUDS: Final = Clouds()
"""Those of this process."""
