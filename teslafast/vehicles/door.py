"""
How a vehicle comes in: admitted by its certificate, then connected over WebSocket.

The same shape as a dashboards' door (dashboards/doors.py), with a certificate in the place of a token's grant.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..config import Settings
from ..errors import BadQuery, Refused
from ..http_messages import Request
from ..protocol.identity import Device, identify
from ..refusals import EXPIRED_CERTIFICATE, NO_CERTIFICATE, VIN_NOT_ALLOWED
from ..vin import is_vin, mended_vin
from ..websocket.upgrade import Upgrade
from .admission import AdmitVehicle, VehicleCaller, short, uuid_of


class VehicleDoor:
    """`connect(admission, address)` makes the connection's picows listener."""

    name = "vehicle"
    websocket = True

    def __init__(self, settings: Settings, connect: Callable[[AdmitVehicle, str], Any]) -> None:
        self._settings = settings
        self._connect = connect

    def admit(self, request: Request, caller: VehicleCaller) -> AdmitVehicle:
        """Raises Refused (400, 403, 503)."""
        device = _device(request, caller)
        allowed = self._settings.tesla_vin
        if allowed and device.vin not in allowed:
            raise Refused(VIN_NOT_ALLOWED, f"VIN {device.vin} is not in TESLA_VIN")
        caller.load.require_room_for_vehicle(device.vin, self._settings.max_vehicles)
        return AdmitVehicle(
            device,
            verified=caller.certificate is not None,
            network_interface=short(request.header("x-network-interface")),
            client_version=short(request.header("version")),
            connection_id=uuid_of(request.header("x-txid")),
            certificate_ends_at=math.inf if caller.certificate is None else caller.certificate.ends_at,
        )

    def open(self, admission: AdmitVehicle, address: str) -> Upgrade:
        return Upgrade(self._connect(admission, address), self._settings.max_frame_bytes)


def _device(request: Request, caller: VehicleCaller) -> Device:
    if caller.certificate is not None:
        if caller.certificate.ends_at <= caller.load.time:  # a resumed session is let in by TLS
            raise Refused(EXPIRED_CERTIFICATE)
        return identify(caller.certificate)
    if caller.unverified is not None:
        raise Refused(NO_CERTIFICATE, caller.unverified)
    named = dict(request.query).get("vin")
    if named is None:
        return Device("", "vehicle_device")
    vin = mended_vin(named)
    if not is_vin(vin):
        raise BadQuery("vin is not a VIN")
    return Device(vin, "vehicle_device")
