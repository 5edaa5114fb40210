from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from viam_billing import version
from viam_billing.module.sensor import UsageSensor
from viam_billing.module.service import BillingService

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


def test_the_usage_sensor_is_a_model() -> None:
    """A sensor, under the name that the module registers."""
    models = {model["model"]: model["api"] for model in META["models"]}
    assert models[version.SENSOR_MODEL] == "rdk:component:sensor" == str(UsageSensor.API)
    assert str(UsageSensor.MODEL) == version.SENSOR_MODEL


def test_its_keys_are_the_ones_the_cli_reads() -> None:
    """An unknown one, such as a model's `description`, is ignored without a word; `first_run` can stop a machine."""
    assert set(META) == {
        *("$schema", "module_id", "visibility", "url", "description", "models", "applications", "entrypoint"),
        "build",
    }
    assert set(META["build"]) == {"setup", "build", "path", "arch"}
    keys = {"api", "model", "short_description", "markdown_link"}
    assert all(set(model) == keys for model in META["models"])


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


def test_the_entrypoint_is_what_the_build_makes() -> None:
    """In the archive as in a checkout after a build: the folder in dist and in it the executable, named by the spec."""
    spec = (ROOT / "bundle" / "viam-billing.spec").read_text()
    assert META["entrypoint"] == f"dist/{version.MODULE_NAME}/{version.MODULE_NAME}"
    assert spec.count(f'name="{version.MODULE_NAME}"') == 2


def test_the_application_is_the_page_that_the_build_makes() -> None:
    """For one machine, which the user picks; the name is part of its address: lower case and hyphens."""
    (application,) = META["applications"]
    assert application == {"name": "billing", "type": "single_machine", "entrypoint": "dashboard/dist/index.html"}


def test_a_checkout_runs_without_a_build() -> None:
    """Through run.sh, which a local module's executable_path names; the entrypoint is the archive's."""
    assert os.access(ROOT / "run.sh", os.X_OK)


def test_the_build_leaves_the_archive_where_the_cli_looks() -> None:
    """The build's last step gives it this name."""
    assert f"archive={META['build']['path']}\n" in (ROOT / "build.sh").read_text()


def test_it_is_built_for_what_the_cloud_builds() -> None:
    """The platforms of Viam's cloud build."""
    assert set(META["build"]["arch"]) == {"linux/amd64", "linux/arm64", "darwin/arm64"}


@pytest.mark.parametrize("step", ["setup", "build"])
def test_a_build_step_can_be_run(step: str) -> None:
    """By the registry's cloud build."""
    assert os.access(ROOT / META["build"][step], os.X_OK)
