"""The one place of the version and of the registry's names."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"

NAMESPACE: Final = "fleet-billing"
"""The publisher's namespace in Viam's registry; `meta.json` is held to it by a test."""

MODULE_NAME: Final = "viam-billing"
MODULE_ID: Final = f"{NAMESPACE}:{MODULE_NAME}"
BILLING_MODEL: Final = f"{MODULE_ID}:billing"
SENSOR_MODEL: Final = f"{MODULE_ID}:usage-sensor"
