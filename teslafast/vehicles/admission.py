"""A vehicle that may connect: what its request and its certificate said of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..protocol.identity import Device


@dataclass(frozen=True, slots=True)
class AdmitVehicle:
    """
    `verified`: its certificate says who it is. Otherwise (development only) it named itself, or will do so in its first message
    (`device.vin` is empty until then), and it may send JSON text.
    """

    device: Device
    verified: bool
    network_interface: str
    client_version: str
    connection_id: str | None
