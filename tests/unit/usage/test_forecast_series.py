from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecast.judge import judged
from forecast.series import Month, Series, SeriesError, read_folder
from support.module_process import CHECKOUT
from viam_billing.core.times import DAY_S, from_rfc3339, next_month_s

SCRIPT = CHECKOUT / "tests" / "forecast" / "forecast.py"
OCTOBER_S = from_rfc3339("2026-10-01T00:00:00Z")
JANUARY_S = from_rfc3339("2027-01-01T00:00:00Z")


def day(number: int) -> str:
    """A day after the first of October 2026, as a file has it."""
    months = ((31, "2026-10"), (30, "2026-11"), (31, "2026-12"), (31, "2027-01"))
    for length, month in months:
        if number < length:
            return f"{month}-{number + 1:02}"
        number -= length
    raise AssertionError


def steady(days: int, cost: str = "10") -> Iterator[str]:
    """Rows of as many days."""
    return (f"{day(number)},{cost}" for number in range(days))


def read(folder: Path, *rows: str, head: str = "time,cost") -> Series:
    """The series of one file."""
    (folder / "own.csv").write_text("\n".join([head, *rows]) + "\n")
    return read_folder(folder)[0]


def starts(series: Series) -> list[float]:
    """When its months begin."""
    return [month.start_s for month in series.months]


def test_whole_months_with_four_weeks_before_them_are_judged(tmp_path: Path) -> None:
    """October has none before it, and January is not whole; December ends with the year."""
    series = read(tmp_path, *steady(31 + 30 + 31 + 30))
    november_s = next_month_s(OCTOBER_S)
    assert series.months == [
        Month(november_s, november_s + 30 * DAY_S, 300.0),
        Month(november_s + 30 * DAY_S, JANUARY_S, 310.0),
    ]
    assert series.cost(series.months[0], november_s + 5 * DAY_S) == 50.0
    assert series.cost(series.months[0], november_s) == 0.0


def test_hours_are_as_good_as_days(tmp_path: Path) -> None:
    """Rows in any order; what lies in one hour is one cost."""
    days = read(tmp_path, *steady(92, "24"))
    rows = [
        f"{day(number)}T{hour:02}:{minute}:00Z,0.5" for number in range(92) for hour in range(24) for minute in (10, 40)
    ]
    hours = read(tmp_path, *reversed(rows))
    assert [month.total for month in hours.months] == pytest.approx([month.total for month in days.months])
    assert len(hours.points) == 24 * len(days.points)


def test_a_time_is_that_of_its_own_zone(tmp_path: Path) -> None:
    """An hour that summer time gives twice has both costs, and one that it takes away is no gap."""
    rows = [
        f"{day(number)}T{hour:02}:00:00{zone},1" for number in range(61) for hour in range(24) for zone in ("+01:00",)
    ]
    twice = "2026-10-25T02:00:00+02:00,1"
    missing = [row for row in rows if not row.startswith("2026-11-29T02")]
    series = read(tmp_path, *missing, twice)
    assert starts(series) == [next_month_s(OCTOBER_S)]
    assert series.months[0].total == 30 * 24 - 1
    assert series.cost(Month(OCTOBER_S, 0, 0), OCTOBER_S + 31 * DAY_S) == 31 * 24 + 1


@pytest.mark.parametrize(("missing", "whole"), [(range(40, 47), True), (range(40, 48), False), (range(28, 34), True)])
def test_a_gap_costs_nothing_up_to_a_week(tmp_path: Path, missing: range, whole: bool) -> None:  # noqa: FBT001 - a column
    """Nor does it at the month's first days; a month with a longer one is not known."""
    series = read(tmp_path, *(row for number, row in enumerate(steady(92)) if number not in missing))
    assert (next_month_s(OCTOBER_S) in starts(series)) == whole
    if whole:
        assert series.months[0].total == 10.0 * (30 - len([number for number in missing if number > 30]))
    assert series.months[-1].total == 310.0


def test_credits_count_and_a_month_that_comes_to_nothing_is_left_out(tmp_path: Path) -> None:
    """An error has to be a part of something."""
    rows = [f"{day(number)},{-300 if number == 40 else 10}" for number in range(92)]
    assert [month.total for month in read(tmp_path, *rows).months] == [310.0]
    rows[40] = f"{day(40)},-100"
    assert [month.total for month in read(tmp_path, *rows).months] == [190.0, 310.0]


def test_a_month_of_credits_alone_so_far_is_judged(tmp_path: Path) -> None:
    """No day has cost anything until late in its second month, which is all that the mean of 28 days knows."""
    found = judged(read(tmp_path, *(f"{day(number)},{900 if number == 58 else -1}" for number in range(61))))
    assert found is not None
    assert found.cells[5].average == found.cells[5].line > 1


def test_a_steady_series_is_foreseen(tmp_path: Path) -> None:
    found = judged(read(tmp_path, *steady(123)))
    assert found is not None
    assert found.months == 3
    for cell in found.cells.values():
        assert cell.error == pytest.approx(0.0, abs=1e-4)
        assert cell.line == pytest.approx(0.0, abs=1e-4)
        assert cell.inside == 1.0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "own.csv:1: found None"),
        ("time,cost\n", "found no row"),
        ("when,cost\n2026-10-01,1\n", r"own.csv:1: found \['when', 'cost'\]"),
        ("time,cost\nyesterday,1\n", "own.csv:2: found the time 'yesterday'"),
        ("time,cost\n2026-02-30,1\n", "own.csv:2: found the time '2026-02-30'"),
        ("time,cost\n2026-10-01,1\n,2\n", "own.csv:3: found the time ''"),
        ("time,cost\n2026-10-01,one\n", "own.csv:2: found the cost 'one'"),
        ("time,cost\n2026-10-01\n", "own.csv:2: found the cost None"),
        ("time,cost\n2026-10-01,\n", "own.csv:2: found the cost ''"),
        ("time,cost\n2026-10-01,nan\n", "own.csv:2: found the cost 'nan'"),
        ("time,cost\n2026-10-01,inf\n", "own.csv:2: found the cost 'inf'"),
        ("time,cost\n2026-10-01,1e300\n", "own.csv:2: found the cost '1e300'"),
        ("time,cost\n2026-10-01,9e11\n2026-10-02,9e11\n", "own: found a month of a trillion dollars or more"),
        ('time,cost\n"2026-10-01,1\n', "own.csv: "),
        ("time,cost\n\xff\n", "own.csv: 'utf-8'"),
    ],
)
def test_a_malformed_file_says_where(tmp_path: Path, text: str, found: str) -> None:
    """And what was expected instead."""
    (tmp_path / "own.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(SeriesError, match=found):
        read_folder(tmp_path)


def judge_folder(folder: Path, written: Path) -> subprocess.CompletedProcess[str]:
    """The script as `make forecast SERIES=folder` starts it."""
    command = [sys.executable, str(SCRIPT), "--series", str(folder), "--json", str(written)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603 - ours


def test_an_owners_series_are_judged_and_written_down(tmp_path: Path) -> None:
    """With a byte order mark, other columns and empty lines, as spreadsheets write them. One has no month to judge."""
    folder, written = tmp_path / "series", tmp_path / "out" / "forecast.json"
    folder.mkdir()
    weekly = [f"{day(number)},{10 if number % 7 < 5 else 0},x" for number in range(92)]
    (folder / "weekly.csv").write_text("\ufeff" + "\n".join(["time,cost,note", *weekly, "", ""]))
    (folder / "short.csv").write_text("\n".join(["time,cost", *steady(20)]))
    done = judge_folder(folder, written)
    assert done.returncode == 0, done.stderr
    assert "short: no whole month" in done.stdout
    series = json.loads(written.read_text())["series"]
    assert set(series) == {"weekly"}
    assert series["weekly"]["months"] == 2
    assert set(series["weekly"]) == {"months", "5", "10", "20"}
    for number in ("5", "10", "20"):
        assert set(series["weekly"][number]) == {"error", "line", "inside"}
        assert 0 <= series["weekly"][number]["error"] < series["weekly"][number]["line"] < 100
        assert 0 <= series["weekly"][number]["inside"] <= 1


@pytest.mark.parametrize("content", [None, "time,cost\n2026-10-01,1\n", "time;cost\n"])
def test_a_folder_without_a_month_to_judge_is_refused(tmp_path: Path, content: str | None) -> None:
    """In one line, and nothing is written."""
    if content is not None:
        (tmp_path / "own.csv").write_text(content)
    done = judge_folder(tmp_path, tmp_path / "forecast.json")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("forecast: ")
    assert not (tmp_path / "forecast.json").exists()
