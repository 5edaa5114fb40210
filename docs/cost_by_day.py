"""Draws what each day has cost, from the sensor's readings that data capture stored in Viam's cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from viam.app.viam_client import ViamClient
from viam.rpc.dial import Credentials, DialOptions

QUERY = """
SELECT data.readings.billing_organization_id AS organization, substr(data.readings.as_of, 1, 10) AS day,
       max(data.readings.month_to_date) AS month_to_date
FROM readings WHERE component_name = 'usage' AND method_name = 'Readings'
GROUP BY organization, day ORDER BY organization, day
"""


def cost_by_day(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, float | None]]:
    """The cost of each day, None for the first one seen and after a gap: nobody saw what it began with."""
    for organization, days in groupby(rows, key=lambda row: row["organization"]):
        before = None
        for row in days:
            day = date.fromisoformat(row["day"])
            if day.day == 1:
                start = 0
            elif before is not None and date.fromisoformat(before["day"]) == day - timedelta(days=1):
                start = before["month_to_date"]
            else:
                start = None
            yield organization, row["day"], None if start is None else row["month_to_date"] - start
            before = row


async def main() -> None:
    login = Credentials(type="api-key", payload="ORGANIZATION-API-KEY")
    options = DialOptions(credentials=login, auth_entity="ORGANIZATION-API-KEY-ID")
    client = await ViamClient.create_from_dial_options(options)
    rows = await client.data_client.tabular_data_by_sql("ORGANIZATION-ID", QUERY)
    for organization, day, cost in cost_by_day(rows):
        print(organization, day, "?" if cost is None else f"{cost:10.2f} " + "#" * round(cost / 10))
    client.close()


if __name__ == "__main__":
    asyncio.run(main())
