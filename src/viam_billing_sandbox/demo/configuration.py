"""The configurations of the demonstration's services, and those that it prints for the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from viam_billing.version import BILLING_MODEL, MODULE_ID, MODULE_NAME, NAMESPACE
from viam_billing_sandbox.child import RUN_SH
from viam_billing_sandbox.demo.machine import API
from viam_billing_sandbox.scenario import DEFAULT_API_KEY, DEFAULT_API_KEY_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viam_billing_sandbox.demo.view import View

LOCATION_ID: Final = "alderbarn1"
"""Alder Barn in the default scenario: its payer has an overdue invoice whose payment failed."""
ORG_ID: Final = "c93e5f7a-1b2d-4a38-8c4e-5f6071829304"
OTHER_ORG_ID: Final = "a27b41c8-3d5f-4e02-b6a9-7c8d9e0f1a2b"
SERVICE: Final = "billing"
PYTHON: Final = ".venv/bin/python"

_MODULE: Final = f"{NAMESPACE}_{MODULE_NAME}"
_SANDBOX_PORT: Final = 8765


def attributes(address: str) -> dict[str, object]:
    """Returns the attributes of a service that asks the sandbox at this address."""
    return {
        "api_key": DEFAULT_API_KEY,
        "api_key_id": DEFAULT_API_KEY_ID,
        "app_address": address,
        "org_id": ORG_ID,
        "location_id": LOCATION_ID,
    }


def how_to_configure(view: View) -> None:
    """Prints the configuration for a machine of the reader, as in the README."""
    view.heading("The configuration for a machine of yours")
    view.text(
        "Paste it into the machine's JSON in the Viam app, with the path of run.sh in that machine's checkout and with "
        "the API key of an organization's owner. Organization and location are the machine's own."
    )
    view.space()
    own = {"api_key_id": "00000000-0000-0000-0000-000000000000", "api_key": "YOUR-ORGANIZATION-OWNERS-KEY"}
    view.json({"modules": [local_module()], "services": [service(own)]})
    view.space()
    view.text("Once 0.1.0 is released, the module can come from the registry, and no checkout is needed:")
    view.space()
    view.json({"modules": [{"type": "registry", "name": _MODULE, "module_id": MODULE_ID, "version": "latest"}]})


def how_to_try(view: View) -> None:
    """Prints the configuration for viam-server on this computer."""
    view.heading("The same on this computer, with viam-server and the sandbox")
    view.text("In one terminal, in the checkout:")
    view.command(f"{PYTHON} -m viam_billing_sandbox --port {_SANDBOX_PORT}")
    view.text("In a second terminal, with the configuration below saved as sandbox.json:")
    view.command("viam-server -config sandbox.json -disable-mdns")
    view.space()
    services = [service(attributes(f"http://127.0.0.1:{_SANDBOX_PORT}"))]
    view.json({"network": {"bind_address": "localhost:8080"}, "modules": [local_module()], "services": services})


def local_module() -> dict[str, object]:
    """Returns the module of this checkout, as viam-server's configuration has it."""
    path = str(RUN_SH) if RUN_SH.exists() else "/absolute/path/of/run.sh"
    return {"type": "local", "name": _MODULE, "executable_path": path}


def service(values: Mapping[str, object]) -> dict[str, object]:
    """Returns the service with these attributes, as viam-server's configuration has it."""
    return {"name": SERVICE, "api": API, "model": BILLING_MODEL, "attributes": values}
