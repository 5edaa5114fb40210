from __future__ import annotations

import licences


def test_the_project_has_the_licence_that_it_declares() -> None:
    """The whole text, as whoever gets the module has to get it too."""
    text = (licences.ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in (licences.ROOT / "pyproject.toml").read_text()


def test_every_shipped_package_has_its_licence() -> None:
    found = licences.licences()
    assert {"viam-sdk", "protobuf", "msgspec", "grpcio", "grpclib"} <= found.keys()
    assert found.keys() - {"python"} <= licences.locked()
    assert [name for name, paths in found.items() if not paths] == []
    assert all(path.read_text(errors="replace").strip() for paths in found.values() for path in paths)


def test_nothing_for_development_is_among_them() -> None:
    assert licences.licences().keys().isdisjoint({"pytest", "rich", "mypy"})
