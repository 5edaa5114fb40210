"""The demonstration as a newcomer starts it: a process whose output somebody reads."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.docs_pages import blocks
from support.module_process import PACKAGED, ModuleProcess
from viam_billing.version import BILLING_MODEL, MODULE_ID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(PACKAGED, reason="the demonstration runs from the source tree")

COMMAND = (sys.executable, "-m", "viam_billing_sandbox.demo", "--direct")
LIMIT_S = 60.0


@contextlib.contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The demonstration, its output in pipes; it ends before the test does."""
    with subprocess.Popen(  # noqa: S603 - this project's own command
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, **environment},
    ) as process:
        try:
            yield process
        finally:
            # SIGTERM and not SIGKILL, so that also after a failed assertion its processes end with it.
            process.terminate()


def read_to(process: subprocess.Popen[str], words: str) -> str:
    """What it prints, up to the line with these words."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if words in line:
            return seen
    pytest.fail(f"{words!r} was not printed, but: {seen}")


def left_of(output: str) -> list[int]:
    """Those of the process groups named in the output that are still there."""
    groups = [int(number) for number in re.findall(r"\(process (\d+)\)", output)]
    assert groups, "the output names no process"
    left = []
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, 0)
            left.append(group)
    return left


def configurations(output: str) -> list[dict[str, Any]]:
    """The machine configurations in the output, in their order."""
    starts = [found.start() for found in re.finditer(r'^\{\n  "(modules|network)"', output, re.MULTILINE)]
    return [json.JSONDecoder().raw_decode(output, start)[0] for start in starts]


@pytest.fixture(scope="module")
def ended() -> subprocess.CompletedProcess[str]:
    """One run to its end, for the tests that read what it printed."""
    with started(COLUMNS="40", FORCE_COLOR="1") as process:
        output, errors = process.communicate(timeout=LIMIT_S)
    return subprocess.CompletedProcess(COMMAND, process.returncode, output, errors)


@pytest.fixture(scope="module")
def output(ended: subprocess.CompletedProcess[str]) -> str:
    """What that run printed."""
    return ended.stdout


def test_it_ends_well(ended: subprocess.CompletedProcess[str]) -> None:
    """The run exits with 0 and writes no errors."""
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_pipe_gets_plain_text_of_100_columns(output: str) -> None:
    """Into a pipe go neither colours nor the width of some terminal, whatever the environment says."""
    assert "\x1b" not in output
    assert {len(line) for line in output.splitlines() if line.endswith("──")} >= {100}


def test_it_shows_who_pays(output: str) -> None:
    """The location's payer is shown by id and name."""
    assert re.search(r"paid by +c93e5f7a-1b2d-4a38-8c4e-5f6071829304 \(Alder Farms\)", output)


def test_it_shows_the_total_so_far(output: str) -> None:
    """The month's cost up to now is an amount in dollars."""
    assert re.search(r"total so far +\$\d[\d,]*\.\d\d *$", output, re.MULTILINE)


def test_it_shows_what_the_whole_month_will_cost(output: str) -> None:
    """There is a projection, or on the month's first day the reason why there is none."""
    assert re.search(r"whole month +(\$\d[\d,]*\.\d\d \(straight_line|left out while less than 5 %)", output)


def test_it_shows_the_cost_of_a_kind_of_usage_with_a_bar(output: str) -> None:
    """The largest kind of usage has the longest bar."""
    kinds = re.findall(r"^ +(\w+) +\$[\d,]+\.\d\d +(█+)", output, re.MULTILINE)
    longest_first = sorted(kinds, key=lambda kind: -len(kind[1]))
    assert (kinds, kinds[0][0]) == (longest_first, "per_machine")


def test_it_marks_the_overdue_invoice_whose_payment_failed(output: str) -> None:
    """The one unpaid invoice is marked, with the reason of the failed payment under the mark."""
    marked = re.search(r"(AF-\d{4}-\d\d) .* outstanding +OVERDUE *\n +payment failed: card_declined", output)
    assert marked is not None
    assert re.search(r"overdue +\$166\.10 in 1 invoice", output)
    assert re.search(r"by age +days_\d+_\d+ \$166\.10", output)


def test_it_saves_the_invoice_and_checks_the_file(output: str) -> None:
    """The saved PDF's path, size and hash are shown, and the hash was found to be the file's."""
    saved = re.search(r"path +\S+\.pdf *\n +size +\d+ bytes *\n +sha256 +[0-9a-f]{64} *\n +checked +(.+)", output)
    assert saved is not None
    assert saved[1].strip() == "the file has this sha256"


def test_it_shows_the_refusal_of_a_change(output: str) -> None:
    """A change without permission shows the code and the attribute to change."""
    refusal = re.search(r"refused +command_not_allowed(.+?)\n\n", output, re.DOTALL)
    assert refusal is not None
    assert "PERMISSION_DENIED" in refusal[1]
    assert "allowed_commands" in refusal[1]


def test_it_shows_what_a_dry_run_would_send(output: str) -> None:
    """The permitted dry run answers the request that it did not send."""
    assert re.search(r'answer\n +\{[^}]*"would_send": \{[^}]*"location_id": "alderbarn1"', output)


def test_it_shows_the_refusal_of_a_misspelt_parameter(output: str) -> None:
    """The error of a wrong parameter names the right one."""
    refusal = re.search(r"refused +invalid_request(.+?)\n\n", output, re.DOTALL)
    assert refusal is not None
    assert "expected location_id" in refusal[1]


def test_it_shows_that_a_lost_answer_never_charges_twice(output: str) -> None:
    """The charge is unknown twice, is found, and is then answered from the journal; the cloud has charged once."""
    assert len(re.findall(r"refused +charge_outcome_unknown", output)) == 2
    assert re.findall(r"^ +the cloud +(.+?) *$", output, re.MULTILINE) == ["has charged once"] * 3
    invoices = re.findall(r"key +job-000123 *\n +state +succeeded *\n +total +\$24\.50 *\n +invoice +(\w+)", output)
    assert len(invoices) == 2
    assert invoices[0] == invoices[1]
    assert re.search(r"replayed +yes", output)


def test_it_shows_the_status_of_the_service_that_charged(output: str) -> None:
    """The status comes last of the answers, says that the cloud was reached, and counts the charge."""
    assert re.search(r"charged_last_24h +24\.5 .*connected +yes", output, re.DOTALL)


def test_it_shows_the_thresholds_of_the_budget(output: str) -> None:
    """It is the first check of the month, so all that are crossed are new."""
    assert re.search(r"crossed +(none|50%|50%, 80%) *\n +newly +\1 \(.+\n +by its end +\w.+\n +at its end +\w", output)


def test_nothing_is_left_running(output: str) -> None:
    """At its end no process that it started is there any more."""
    assert left_of(output) == []


async def test_the_printed_configuration_is_one_that_the_module_accepts(output: str) -> None:
    """The attributes pass the module's own check as they stand."""
    service = configurations(output)[0]["services"][0]
    assert (service["api"], service["model"]) == ("rdk:service:generic", BILLING_MODEL)
    async with ModuleProcess() as module:
        await module.validate(service["attributes"])


def test_the_printed_configurations_are_those_of_the_readme(output: str) -> None:
    """The checkout's module and the registry's; only the path is that of this checkout."""
    documented = [block.value for block in blocks("README.md") if block.language == "json" and "modules" in block.value]
    local, registry, _ = configurations(output)
    assert documented == [
        {**local, "modules": [{**local["modules"][0], "executable_path": "/absolute/path/of/run.sh"}]},
        registry,
    ]
    assert registry["modules"][0]["module_id"] == MODULE_ID


async def test_the_configuration_for_the_sandbox_needs_no_change(output: str) -> None:
    """What is printed for a local viam-server is accepted as it stands."""
    configuration = configurations(output)[2]
    assert os.access(configuration["modules"][0]["executable_path"], os.X_OK)
    async with ModuleProcess() as module:
        await module.validate(configuration["services"][0]["attributes"])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_everything(number: signal.Signals, status: int) -> None:
    """Stopped while the module is starting, it takes both processes with it."""
    with started() as process:
        seen = read_to(process, "module  ")
        process.send_signal(number)
        rest, errors = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, errors) == (status, "")
    assert left_of(seen + rest) == []


def test_keep_leaves_the_sandbox_running_until_ctrl_c() -> None:
    """With --keep the sandbox answers at the printed address, and Ctrl-C is a good end."""
    with started("--keep") as process:
        seen = read_to(process, "viam_billing_sandbox.control")
        port = int(re.findall(r"sandbox +http://127\.0\.0\.1:(\d+)", seen)[-1])
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, errors) == (0, "")
    assert left_of(seen + rest) == []


def test_a_module_that_cannot_start_fails_the_demonstration(tmp_path: Path) -> None:
    """A failure exits with 1 and shows the module's last words: here, that its socket's path is too long."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with started(TMPDIR=str(folder)) as process:
        output, errors = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, errors) == (1, "")
    assert "The demonstration failed: the module ended with status 1 before it was ready." in output
    assert "AF_UNIX path too long" in output
    assert left_of(output) == []
    assert list(folder.iterdir()) == []


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    """Piped into head, it ends without a traceback and without leaving a process."""
    with started() as process:
        seen = read_to(process, "module  ")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(LIMIT_S)
    assert (process.returncode, errors) == (1, "")
    assert left_of(seen) == []
