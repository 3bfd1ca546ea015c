"""When a vehicle is not read from: while too many replies wait for the disk, or while it does not take them."""

from __future__ import annotations

import pytest
from teslafast.protocol.identity import Device
from teslafast.vehicles.admission import AdmitVehicle
from teslafast.vehicles.connection import VehicleConnection, vehicle_rules
from teslafast.vehicles.rate_limit import RateLimits

from tests.support.fake_loop import make_hub


class FakeTransport:
    """What is used of the transport beneath picows'; `reading`: whether it is read from."""

    def __init__(self) -> None:
        self.reading = True
        self.underlying_transport = self

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


@pytest.mark.parametrize("disk_first", [True, False])
def test_a_vehicle_is_read_from_again_only_when_the_disk_and_the_vehicle_itself_have_caught_up(disk_first: bool) -> None:
    hub, loop = make_hub()
    admitted = AdmitVehicle(Device("A", "vehicle_device"), True, "", "", None)
    connection = VehicleConnection(hub, vehicle_rules(hub, loop), RateLimits(0), admitted, "192.0.2.1")
    connection.transport = transport = FakeTransport()  # type: ignore[assignment]
    both = [(connection.pause_reading, connection.resume_reading), (connection.pause_writing, connection.resume_writing)]
    (pause, resume), (pause_too, resume_too) = both if disk_first else both[::-1]
    reading = []
    for step in (pause, pause_too, resume, resume_too, pause, resume):
        step()
        reading.append(transport.reading)
    assert reading == [False, False, False, True, False, True]
