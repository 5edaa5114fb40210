"""Charges a customer for each job that the robot has done: each once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from viam.robot.client import RobotClient
from viam.services.generic import Generic

JOBS = Path("/var/lib/cleaning-jobs")
EVERY_S = 60


def job_done(jobs: Path, number: int, customer_org_id: str, dollars: float) -> None:
    """Note a job to be charged: all of the request, so that it is the same whenever it is sent."""
    idempotency_key = f"robot7-job-{number:06}"
    request = {
        "command": "charge_organization",
        "org_id_to_charge": customer_org_id,
        "subtotal": dollars,
        "description": f"Cleaning ({idempotency_key})",
        "idempotency_key": idempotency_key,
    }
    part = jobs / f"{idempotency_key}.part"
    with part.open("w") as file:
        json.dump(request, file)
        file.flush()
        os.fsync(file.fileno())
    part.rename(jobs / f"{idempotency_key}.json")


async def charge_what_is_due(billing: Generic, jobs: Path) -> None:
    """Send every job that is not charged. Whatever goes wrong, its file stays and is sent again next time."""
    for file in sorted(jobs.glob("*.json")):  # noqa: ASYNC240 - a small folder, and nothing else runs here
        request = json.loads(file.read_text())
        try:
            charge = await billing.do_command(request, timeout=90)
        except Exception as error:  # noqa: BLE001 - whatever it is, the request stays and is sent again
            print(file.stem, "is not charged yet, or not known to be:", getattr(error, "message", None) or repr(error))
            continue
        file.rename(file.with_suffix(".charged"))
        print(file.stem, "charged:", charge["total"], "dollars,", charge.get("invoice_id"))
        print(file.stem, "payment_status:", await payment_status(billing, request["idempotency_key"]))


async def payment_status(billing: Generic, idempotency_key: str) -> str:
    """Whether the invoice of a charge is paid, as far as the cloud can say it now."""
    question = {"command": "get_charge", "idempotency_key": idempotency_key, "max_age_s": 0}
    try:
        charge = await billing.do_command(question, timeout=30)
    except Exception:  # noqa: BLE001 - the charge is made, and only this is not known
        return "not known"
    return str(charge.get("payment_status", "not known"))


async def main() -> None:
    options = RobotClient.Options.with_api_key(api_key="MACHINE-KEY", api_key_id="MACHINE-KEY-ID")
    async with await RobotClient.at_address("MACHINE-ADDRESS", options) as machine:
        billing = Generic.from_robot(machine, "billing")
        while True:
            await charge_what_is_due(billing, JOBS)
            await asyncio.sleep(EVERY_S)


if __name__ == "__main__":
    asyncio.run(main())
