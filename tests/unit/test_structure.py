from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "viam_billing"
PACKAGE = "viam_billing"

PACKAGES = (
    "version",
    "core",
    "settings",
    "storage",
    "cloud",
    "usage",
    "cache",
    "charging",
    "audit",
    "commands",
    "module",
    "__main__",
)
"""From the leaves to the start: a package imports only from those before it."""


def modules() -> dict[str, Path]:
    """Every module of the package by its name inside it; the package itself is empty text."""
    return {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
        for path in sorted(SOURCE.rglob("*.py"))
    }


def imports(path: Path) -> set[str]:
    """All that a file imports, wherever it does: `a.b` and `a.b.name` for `from a.b import name`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively, which this test does not read"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def own_imports(path: Path) -> set[str]:
    """The modules of this package that a file imports, each by its longest name."""
    names = modules()
    found = {name.removeprefix(PACKAGE).lstrip(".") for name in imports(path) if name.partition(".")[0] == PACKAGE}
    real = {name for name in found if name in names}
    return {name for name in real if not any(other.startswith(f"{name}.") or (other and not name) for other in real)}


def imported_at_start(path: Path) -> set[str]:
    """The modules of this package that a file imports as soon as it is imported itself."""
    top = [node for node in ast.parse(path.read_text()).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    found = {f"{node.module}.{alias.name}" for node in top if isinstance(node, ast.ImportFrom) for alias in node.names}
    found |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
    found |= {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    return {name.removeprefix(f"{PACKAGE}.") for name in found}


def importers(*names: str) -> set[str]:
    """Which modules import one of the names or something below them."""
    return {
        module
        for module, path in modules().items()
        if any(found == name or found.startswith(f"{name}.") for found in imports(path) for name in names)
    }


def test_every_package_has_its_place() -> None:
    """A new one has to be placed, and none is placed that is gone."""
    assert {name.partition(".")[0] for name in modules()} - {""} == set(PACKAGES)


@pytest.mark.parametrize("module", modules())
def test_dependencies_point_one_way(module: str) -> None:
    """A module imports from packages before its own only, not even for its types; a package's parts know each other."""
    package = module.partition(".")[0]
    allowed = {"", package, *PACKAGES[: PACKAGES.index(package)]} if package else set()
    assert {other.partition(".")[0] for other in own_imports(modules()[module])} <= allowed


def test_there_is_no_import_cycle() -> None:
    """Imports for types count too: what needs each other belongs together."""
    graph = {name: own_imports(path) - {name} for name, path in modules().items()}
    list(TopologicalSorter(graph).static_order())


def test_only_the_cloud_knows_the_protos() -> None:
    """All else sees native values and typed questions."""
    protos = ("viam.gen", "viam.proto.app.billing", "viam.app")
    assert importers(*protos) == {"cloud.app_client", "cloud.client", "cloud.decoding", "cloud.transport"}


def test_only_the_outermost_modules_know_the_sdks_module() -> None:
    """`Module` and the resources' bases."""
    assert importers("viam.module", "viam.resource", "viam.services", "viam.components") == {
        "module.sensor",
        "module.service",
        "module.process",
    }


def test_nothing_outside_imports_the_sandbox() -> None:
    """It is not shipped."""
    assert not importers(f"{PACKAGE}_sandbox")


def test_what_is_shipped_needs_no_development_library() -> None:
    """The sandbox's certificate and the demonstration's output."""
    assert not importers("rich", "cryptography", "hypothesis", "pytest", "trustme")


def test_only_the_process_that_sends_alerts_knows_apprise() -> None:
    """The module itself never imports it, neither at its start nor later."""
    assert importers("apprise", "certifi", "requests") == {"audit.sender"}
    assert importers(f"{PACKAGE}.audit.sender") == {"__main__", "audit.courier"}
    assert not own_imports(modules()["audit.sender"])


def test_what_is_shipped_imports_its_dependencies_only() -> None:
    """The SDK with what it is built on, gRPC core, msgspec, Apprise, and Python's own library."""
    allowed = {"viam", "msgspec", "grpc", "grpclib", "google", "h2", "typing_extensions", "apprise", "certifi", PACKAGE}
    allowed |= {"_sha2", "_sha256"}  # Python's own, each of some versions
    found = {name.partition(".")[0] for path in modules().values() for name in imports(path)}
    assert found <= allowed | sys.stdlib_module_names


def test_only_the_transport_knows_grpc_core() -> None:
    """It may be replaced there, and nowhere else."""
    assert importers("grpc") == {"cloud.transport"}


def test_what_costs_time_to_import_is_imported_with_the_first_connection() -> None:
    """GRPC core and the SDK's clients: at the top of no file, so that a robot's start does not wait for them."""
    slow = {"cloud.app_client", "cloud.transport"}
    assert not {name for name, path in modules().items() if name not in slow and slow & imported_at_start(path)}


@pytest.mark.parametrize("module", modules())
def test_a_file_stays_short(module: str) -> None:
    """250 lines at most."""
    assert len(modules()[module].read_text().splitlines()) <= 250


@pytest.mark.parametrize("module", modules())
def test_a_file_opens_with_its_duty(module: str) -> None:
    """In a sentence."""
    words = ast.get_docstring(ast.parse(modules()[module].read_text()))
    assert words
    assert words.splitlines()[0].endswith((".", ":"))
