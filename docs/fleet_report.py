"""What a fleet costs, printed by software that runs anywhere: needs only `viam-billing`, see docs/client.md.

    python fleet_report.py MACHINE-ADDRESS --api-key-id ID --api-key KEY

The machine is the one that runs the billing service. The machine key opens that machine; it is not the owner's API key.
For a viam-server on this computer without authentication: `python fleet_report.py localhost:8080 --insecure`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from viam_billing_client import Billing, BillingError, MachineError, NotConfiguredError, answers


async def main(options: argparse.Namespace) -> int:
    try:
        async with Billing.connect(
            options.address,
            api_key=options.api_key,
            api_key_id=options.api_key_id,
            service=options.service,
            insecure=options.insecure,
        ) as billing:
            print_fleet(await billing.get_fleet_usage())
            await print_budget(billing)
            print_days(await billing.get_usage_history(step="day"))
    except (BillingError, MachineError, ValueError) as error:  # ValueError: the API key and its ID do not fit
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    return 0


def print_fleet(fleet: answers.FleetUsage) -> None:
    age = " (the cloud is away, this is the newest known)" if fleet.stale else ""
    total = "not known" if fleet.total_month_to_date is None else f"{fleet.total_month_to_date:,.2f} dollars"
    print(f"Fleet: {total} this month, as of {fleet.as_of or 'now'}{age}")
    for row in fleet.organizations:
        if row.error:
            print(f"  {row.org_id}  not known: {row.error.message}")
            continue
        end = f", {row.projection.total:,.2f} by its end" if row.projection else ""
        print(f"  {row.org_id}  {row.month_to_date:>12,.2f}{end}, {count(len(row.location_ids), 'location')}")
    for location in fleet.locations:
        if location.error:
            print(f"  location {location.location_id}  not known: {location.error.message}")
    if fleet.failed_count:
        print(f"  {count(fleet.failed_count, 'row')} not known, so the sum is not the whole")
    if fleet.out_of_scope_count:
        print(f"  {count(fleet.out_of_scope_count, 'location')} left out: not in the service's allowed_location_ids")


def count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


async def print_budget(billing: Billing) -> None:
    try:
        budget = await billing.check_budget()
    except NotConfiguredError as error:
        print(f"Budget: {error}")
    else:
        print(f"Budget: {budget.status}, {budget.used_fraction:.0%} of {budget.monthly_budget:,.2f} used")


def print_days(history: answers.UsageHistory) -> None:
    print(f"Days of {history.org_id}:")
    for point in history.points:
        cost = "         ?" if point.delta is None else f"{point.delta:>10,.2f}"
        print(f"  {point.time:%Y-%m-%d}  {cost}  {point.month_to_date:>12,.2f} so far this month")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print what a fleet costs this month.")
    parser.add_argument("address", help="the machine's address, such as office-main.abc123xyz.viam.cloud")
    parser.add_argument("--api-key-id", help="the ID of the machine key")
    parser.add_argument("--api-key", help="the machine key, which opens the machine")
    parser.add_argument("--service", default="billing", help="the name of the billing service")
    parser.add_argument("--insecure", action="store_true", help="for a viam-server without authentication, with a port")
    os.environ.setdefault("RUST_LOG", "off")  # else the SDK's native library prints its logs between the figures
    sys.exit(asyncio.run(main(parser.parse_args())))
