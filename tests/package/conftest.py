"""Skips the tests of a finished archive unless `make test-archive` has built one."""

from __future__ import annotations

from support.module_process import PACKAGED

collect_ignore_glob = [] if PACKAGED else ["test_*archive.py"]
