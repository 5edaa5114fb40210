from __future__ import annotations

import licences


def test_every_shipped_package_has_its_licence() -> None:
    found = licences.licences()
    assert {"viam-sdk", "protobuf", "msgspec", "grpcio", "grpclib"} <= found.keys()
    assert found.keys() - {"python"} <= licences.locked()
    assert [name for name, paths in found.items() if not paths] == []
    assert all(path.read_text(errors="replace").strip() for paths in found.values() for path in paths)


def test_nothing_for_development_is_among_them() -> None:
    assert licences.licences().keys().isdisjoint({"pytest", "rich", "mypy"})
