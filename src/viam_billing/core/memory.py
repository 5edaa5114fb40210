"""What the C library of Linux keeps of memory that was freed: by itself, the megabytes of a PDF for ever."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
"""From malloc.h: what is larger goes back to the system as soon as it is freed."""
_LARGE_BYTES: Final = 128 * 1024
_M_ARENA_MAX: Final = -8
"""From malloc.h: otherwise almost every thread, such as gRPC core's, gets a heap of its own, mostly empty."""
_ARENAS: Final = 2


def keep_little_memory() -> None:
    """From now on, and for threads that are not there yet; elsewhere than on Linux this does nothing."""
    with contextlib.suppress(AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        library.mallopt(_M_ARENA_MAX, _ARENAS)


def return_small_blocks() -> None:
    """Those that are free now, such as gRPC core's of a message of megabytes. Takes milliseconds."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
