"""These read a finished archive: `make test-archive` builds one; `make test` has none and leaves them out."""

from __future__ import annotations

from support.module_process import PACKAGED

collect_ignore_glob = [] if PACKAGED else ["test_*.py"]
