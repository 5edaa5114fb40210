"""Writes a CSV file to validate: the history of a stand-in machine, and days that are hard, as FOCUS rows.

PYTHONPATH=tests python tests/focus/write.py FILE
"""

from __future__ import annotations

import asyncio
import csv
import sys
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from support.machine_process import MachineProcess
from viam_billing_client import Billing, answers
from viam_billing_client.cli.focus import COLUMNS, days_not_known, focus_rows


async def main(file: Path) -> None:
    """Ask, and write."""
    with MachineProcess("--direct") as machine:
        async with Billing.connect(f"localhost:{machine.port}", insecure=True) as billing:
            seen = await billing.get_usage_history(step="day", by="type")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as output:
        writer = csv.DictWriter(output, COLUMNS)
        writer.writeheader()
        for history in (seen, hard_days()):
            writer.writerows(focus_rows(history))
    print(f"{file}: {len(seen.points) - days_not_known(seen)} days of a machine, and hard ones")  # noqa: T201 - for a person


def hard_days() -> answers.UsageHistory:
    """A credit, costs without types, nothing, a day that nobody knows, the ends of a month and of a year."""
    days = (
        (datetime(2025, 10, 31, 23, tzinfo=timezone.utc), "110", "10", {"per_machine": "12", "logs_upload": "-1"}),
        (datetime(2025, 11, 1, 23, tzinfo=timezone.utc), "5", "5", {"per_machine": "5.01"}),
        (datetime(2025, 11, 2, 23, tzinfo=timezone.utc), "1", "-4", None),
        (datetime(2025, 11, 4, 23, tzinfo=timezone.utc), "9", None, None),
        (datetime(2025, 12, 31, 23, tzinfo=timezone.utc), "300", "0", {"unknown_31": "0"}),
    )
    return answers.UsageHistory(
        org_id="a27b41c8-3d5f-4e02-b6a9-7c8d9e0f1a2b",
        points=tuple(
            answers.UsagePoint(
                time=time,
                month_to_date=Decimal(total),
                delta=None if delta is None else Decimal(delta),
                delta_by_type=None if kinds is None else {kind: Decimal(cost) for kind, cost in kinds.items()},
            )
            for time, total, delta, kinds in days
        ),
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
