from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from viam_billing import version
from viam_billing.service import BillingService

ROOT = Path(__file__).resolve().parents[2]
META: dict[str, Any] = json.loads((ROOT / "meta.json").read_text())
MODELS = pytest.mark.parametrize("model", META["models"], ids=lambda model: str(model["model"]))


def test_the_module_has_its_id() -> None:
    """The namespace stands in one place of the code."""
    assert META["module_id"] == version.MODULE_ID == f"{version.NAMESPACE}:{version.MODULE_NAME}"


def test_the_billing_service_is_a_model() -> None:
    """A generic service, under the name that the module registers."""
    models = {model["model"]: model["api"] for model in META["models"]}
    assert models[version.BILLING_MODEL] == "rdk:service:generic" == str(BillingService.API)
    assert str(BillingService.MODEL) == version.BILLING_MODEL


@MODELS
def test_a_model_belongs_to_the_module(model: dict[str, str]) -> None:
    """The registry refuses another's."""
    assert model["model"].startswith(f"{META['module_id']}:")


@MODELS
def test_a_short_description_is_short(model: dict[str, str]) -> None:
    """100 characters at most."""
    assert 0 < len(model["short_description"]) <= 100


@MODELS
def test_a_models_page_is_there(model: dict[str, str]) -> None:
    """The registry shows it."""
    assert (ROOT / model["markdown_link"].partition("#")[0]).is_file()


def test_the_entrypoint_can_be_run() -> None:
    """By viam-server, as it is."""
    assert os.access(ROOT / META["entrypoint"], os.X_OK)


@pytest.mark.parametrize("step", ["setup", "build"])
def test_a_build_step_can_be_run(step: str) -> None:
    """By the registry's cloud build."""
    assert os.access(ROOT / META["build"][step], os.X_OK)
