"""What a fleet costs, printed by software that runs anywhere: needs only the Viam SDK (pip install viam-sdk).

    python fleet_report.py MACHINE-ADDRESS --api-key-id ID --api-key KEY

The machine is the one that runs the billing service. The key opens that machine; it is not the organization owner's.
For a viam-server on this computer without authentication: `python fleet_report.py localhost:8080 --insecure`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from grpclib import GRPCError
from viam.errors import ResourceNotFoundError, ViamError
from viam.robot.client import RobotClient
from viam.rpc.dial import DialOptions
from viam.services.generic import Generic


async def main(options: argparse.Namespace) -> int:
    try:
        if options.insecure:
            client_options = RobotClient.Options(dial_options=DialOptions(insecure=True, disable_webrtc=True))
        else:
            client_options = RobotClient.Options.with_api_key(api_key=options.api_key, api_key_id=options.api_key_id)
        async with await RobotClient.at_address(options.address, client_options) as machine:
            billing = Generic.from_robot(machine, options.service)
            print_fleet(await ask(billing, "get_fleet_usage"))
            await print_if_configured(billing)
            print_days(await ask(billing, "get_usage_history", step="day"))
    except GRPCError as error:
        print(f"no answer: {error.message}", file=sys.stderr)
    except ResourceNotFoundError:
        print(f'the machine has no generic service "{options.service}": --service names another', file=sys.stderr)
    except (OSError, ConnectionError, ViamError, ValueError) as error:  # TimeoutError is an OSError
        print(f"no connection to {options.address}: {error or 'it does not answer'}", file=sys.stderr)
    else:
        return 0
    return 1


async def ask(billing: Generic, command: str, **parameters: object) -> dict[str, Any]:
    answer = await billing.do_command({command: parameters}, timeout=120)
    return dict(answer[command])


def print_fleet(fleet: dict[str, Any]) -> None:
    age = " (the cloud is away, this is the newest known)" if fleet["stale"] else ""
    total = f"{fleet['total_month_to_date']:,.2f} dollars" if "total_month_to_date" in fleet else "not known"
    print(f"Fleet: {total} this month, as of {fleet.get('as_of', 'now')}{age}")
    for row in fleet["organizations"]:
        if "error" in row:
            print(f"  {row['org_id']}  not known: {row['error']['message']}")
            continue
        end = f", {row['projection']['total']:,.2f} by its end" if "projection" in row else ""
        print(f"  {row['org_id']}  {row['month_to_date']:>12,.2f}{end}, {len(row['location_ids'])} locations")
    for row in fleet["locations"]:
        if "error" in row:
            print(f"  location {row['location_id']}  not known: {row['error']['message']}")
    if not fleet["complete"]:
        print(f"  {fleet['failed_count']:.0f} rows are not known, so the sum is not the whole")


async def print_if_configured(billing: Generic) -> None:
    try:
        budget = await ask(billing, "check_budget")
    except GRPCError as error:
        if not (error.message or "").startswith("not_configured:"):
            raise
        print(f"Budget: {error.message}")
    else:
        print(f"Budget: {budget['status']}, {budget['used_fraction']:.0%} of {budget['monthly_budget']:,.2f} used")


def print_days(history: dict[str, Any]) -> None:
    print(f"Days of {history['org_id']}:")
    for point in history["points"]:
        cost = f"{point['delta']:>10,.2f}" if "delta" in point else "         ?"
        print(f"  {point['time'][:10]}  {cost}  {point['month_to_date']:>12,.2f} so far this month")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print what a fleet costs this month.")
    parser.add_argument("address", help="the machine's address, such as office-main.abc123xyz.viam.cloud")
    parser.add_argument("--api-key-id", default="", help="the ID of a key that opens the machine")
    parser.add_argument("--api-key", default="", help="that key")
    parser.add_argument("--service", default="billing", help="the name of the billing service")
    parser.add_argument("--insecure", action="store_true", help="for a viam-server without authentication, with a port")
    sys.exit(asyncio.run(main(parser.parse_args())))
