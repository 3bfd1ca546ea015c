"""When Tesla is asked a second time about a vehicle, and what it changes."""

import pytest
from teslafast.onboarding.fleet_api import FleetApi
from teslafast.onboarding.vehicle_status import look

from tests.support.fake_fleet_api import Car, FleetServer

VIN = "5YJ3TEST5PF000001"
CONFIG = {"hostname": "telemetry.example.com", "port": 443, "fields": {"Soc": {}}}


def looked(car: Car) -> tuple[str, str, list[str]]:
    """(state, remedy, the ends of the paths that were asked)."""
    with FleetServer({VIN: car}) as tesla:
        _, status = look(FleetApi.from_env(tesla.environment), VIN, 0)
    return status.state, status.remedy, [path.rpartition("/")[2] for _, path in tesla.calls]


def test_a_vehicle_without_a_key_that_streams_is_well_and_tesla_is_asked_once() -> None:
    assert looked(Car(key_paired=False, config=CONFIG)) == ("taken", "", ["fleet_telemetry_config"])


@pytest.mark.parametrize(("required", "helps"), [(True, "open https://tesla.com/_ak"), (False, "in the car, turn on Controls")])
def test_a_vehicle_without_a_key_that_does_not_stream_gets_the_remedy_that_it_can_follow(required: bool, helps: str) -> None:
    state, remedy, asked = looked(Car(key_paired=False, config=CONFIG, looks=9, protocol_required=required))
    assert state == "rejected"
    assert remedy.startswith(helps)
    assert asked == ["fleet_telemetry_config", "fleet_status"]
