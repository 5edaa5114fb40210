"""The benchmark as `make bench` runs it, in short: what it measures is complete; how fast it is here is not asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.module_process import CHECKOUT, PACKAGED

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(PACKAGED, reason="measures the source tree with this Python")

BENCH = CHECKOUT / "tests" / "benchmarks" / "bench.py"
WITH_BAR = {
    "functions_cold",
    "functions_cached",
    "cached_read_p50",
    "throughput_32_callers",
    "naive_cached",
    "cold_calls",
    "cold_logins",
    "silent_tls",
    "fleet_calls",
    "fleet_cold",
    "fleet_in_flight",
    "fleet_cached",
    "fleet_cached_calls",
    "fleet_memory",
    "fleet_others",
    "history_size",
    "history_year",
    "charge_on_top",
    "charges_per_key",
    "charges_in_limit",
    "requests_delay",
    "requests_memory",
    "answers_delay",
    "answers_memory",
    "ready",
    "import",
    "memory",
    "client_import",
    "client_import_billing",
    "client_call",
    "cli_help",
    "cli_fleet_table",
    "cli_fleet_json",
    "cli_fleet_csv",
    "cli_memory_table",
    "cli_memory_json",
    "cli_memory_csv",
}
WAIT_S = 300.0
UNTRACED = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
"""What is measured is the product, not the coverage of it."""
WITHOUT_BAR = {
    "cached_read_p99",
    "throughput_1_callers",
    "throughput_8_callers",
    "throughput_100_callers",
    "naive_anew",
    "invoices_12",
    "invoices_120",
    "invoices_1200",
    "client_import_records",
}


@pytest.mark.timeout(WAIT_S + 10)
def test_every_figure_is_measured_printed_and_written(tmp_path: Path) -> None:
    """Each row has its value, and where it has a bar the word on whether that is reached."""
    file = tmp_path / "folder" / "bench.json"
    command = [sys.executable, str(BENCH), "--quick", "--json", str(file)]
    done = subprocess.run(  # noqa: S603 - ours
        command, check=False, capture_output=True, text=True, timeout=WAIT_S, env=UNTRACED
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(file.read_text())
    figures = {figure["name"]: figure for figure in report["figures"]}
    assert figures.keys() == WITH_BAR | WITHOUT_BAR
    assert all(figure["value"] is not None for figure in figures.values())
    assert {name for name, figure in figures.items() if figure["bar"]} == WITH_BAR
    assert {name for name, figure in figures.items() if isinstance(figure["reached"], bool)} == WITH_BAR
    assert all(figure["what"] in done.stdout for figure in figures.values())
    assert report["quick"] is True
    assert {"measured_at", "seconds", "python", "system", "rounds"} < report.keys()


def test_an_unknown_name_is_refused() -> None:
    """What is not measured is not passed over in silence."""
    command = [sys.executable, str(BENCH), "nonsense"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)  # noqa: S603 - ours
    assert done.returncode == 2
    assert "there is no nonsense" in done.stderr
