from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    max_examples=50,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # an emulated processor is
)
settings.load_profile("repeatable")

# Of the processes that tests start, coverage follows the module's alone, see support/module_process.py: it takes longer
# than most commands of the command line, and a cloud that is killed loses it. pytest's own workers have it by now.
if "PYTEST_XDIST_WORKER" in os.environ and "COVERAGE_PROCESS_CONFIG" in os.environ:
    os.environ["MODULE_COVERAGE"] = os.environ.pop("COVERAGE_PROCESS_CONFIG")
