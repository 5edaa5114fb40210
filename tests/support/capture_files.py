"""The files of data capture: a message that says what was captured, then the readings, each after its length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from viam.proto.app.datasync import DataCaptureMetadata, SensorData


def captured(folder: Path, method: str) -> list[dict[str, Any]]:
    """The readings of a method in all finished files below a folder, oldest file first."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.rglob("*.capture")):
        head, *readings = messages(path.read_bytes())
        if DataCaptureMetadata.FromString(head).method_name == method:
            found += [MessageToDict(SensorData.FromString(reading).struct) for reading in readings]
    return found


def messages(data: bytes) -> list[bytes]:
    """The messages of a file."""
    found = []
    position = 0
    while position < len(data):
        length, shift = 0, 0
        while True:  # a number in groups of seven bits, the lowest first
            byte = data[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found.append(data[position : position + length])
        position += length
    return found
