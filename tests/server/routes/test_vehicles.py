"""Vehicles at `/`: who is admitted, as which device, and what everybody else is answered."""

from __future__ import annotations

import pytest
from teslafast.core.load import ServerLoad
from teslafast.protocol.identity import Device
from teslafast.server.routes import Peer
from teslafast.vehicles.admission import AdmitVehicle

from tests.support.routing import (
    BROWSER,
    CAR,
    DEVELOPMENT,
    EITHER,
    PLAIN,
    TIME,
    VEHICLE,
    WIFI,
    answer,
    decide,
    header,
    request,
    status,
    token,
    upgrade,
)


def test_a_vehicle_with_a_certificate_is_admitted() -> None:
    asked = upgrade("/", x_network_interface="wifi", version="1.2.0", x_txid="{0F8FAD5B-D9CB-469F-A165-70867728950E}")
    expected = AdmitVehicle(
        Device("5YJ3E1EA7KF000001", "vehicle_device"), True, "wifi", "1.2.0", "0f8fad5b-d9cb-469f-a165-70867728950e"
    )
    assert decide(asked, VEHICLE) == expected
    assert decide(asked, EITHER) == expected


@pytest.mark.parametrize("txid", [None, "", "no uuid", "0f8fad5b", "g" * 32])
def test_an_x_txid_that_is_not_a_uuid_is_ignored(txid: str | None) -> None:
    admitted = decide(upgrade("/", x_txid=txid), VEHICLE)
    assert isinstance(admitted, AdmitVehicle)
    assert admitted.connection_id is None


def test_headers_are_cut_to_32_printable_ascii_characters() -> None:
    admitted = decide(upgrade("/", x_network_interface="a\x1b[31m" + "b" * 99, version="é1"), VEHICLE)
    assert isinstance(admitted, AdmitVehicle)
    assert admitted.network_interface.isprintable()
    assert len(admitted.network_interface) <= 32
    assert admitted.client_version == "1"


@pytest.mark.parametrize("peer", [PLAIN, BROWSER, Peer("192.0.2.1:5", "vehicles", True)])
def test_in_production_a_vehicle_without_a_certificate_is_answered_403(peer: Peer) -> None:
    found = answer(upgrade("/"), peer)
    assert found.status == 403
    assert found.cause == "no_certificate"


def test_the_reason_for_refusing_a_certificate_is_logged_but_not_answered() -> None:
    found = answer(upgrade("/"), Peer("192.0.2.1:5", "vehicles", True, WIFI))
    assert found.status == 403
    assert found.reason == "the certificate is a Wi-Fi certificate, not the one for telemetry"
    assert b"the certificate is" not in found.body


def test_a_vehicle_outside_tesla_vin_is_answered_403() -> None:
    assert isinstance(decide(upgrade("/"), VEHICLE, variables={"TESLA_VIN": "A,5YJ3E1EA7KF000001"}), AdmitVehicle)
    found = answer(upgrade("/"), VEHICLE, variables={"TESLA_VIN": "A"})
    assert found.status == 403
    assert found.reason == "VIN 5YJ3E1EA7KF000001 is not in TESLA_VIN"


def test_in_development_a_vehicle_may_name_itself_and_stays_unverified() -> None:
    admitted = decide(upgrade("/?vin=A"), variables=DEVELOPMENT)
    assert isinstance(admitted, AdmitVehicle)
    assert admitted.device == Device("A", "vehicle_device")
    assert not admitted.verified


def test_in_development_a_certificate_overrides_the_query() -> None:
    admitted = decide(upgrade("/?vin=A"), EITHER, variables=DEVELOPMENT)
    assert isinstance(admitted, AdmitVehicle)
    assert (admitted.device.vin, admitted.verified) == ("5YJ3E1EA7KF000001", True)


def test_a_vin_in_the_query_is_mended_as_in_every_filter() -> None:
    admitted = decide(upgrade("/?vin=5yj3e1ea7kf000001"), variables=DEVELOPMENT)
    assert isinstance(admitted, AdmitVehicle)
    assert admitted.device.vin == "5YJ3E1EA7KF000001"


def test_tesla_vin_in_lower_case_lets_the_vehicle_in() -> None:
    listed = {"TESLA_VIN": "5yj3e1ea7kf000001"}
    assert isinstance(decide(upgrade("/"), VEHICLE, variables=listed), AdmitVehicle)


def test_an_invalid_vin_in_the_query_is_answered_400() -> None:
    assert status(upgrade("/?vin=a%20b"), variables=DEVELOPMENT) == 400


@pytest.mark.parametrize("variables", [{}, DEVELOPMENT])
def test_a_vehicle_that_does_not_upgrade_gets_the_landing_page(variables: dict[str, str]) -> None:
    assert status(request("/"), EITHER, variables=variables) == 200


def test_a_vehicles_invalid_handshake_is_answered_400_or_405() -> None:
    assert status(upgrade("/", sec_websocket_version="8"), VEHICLE) == 400
    assert status(upgrade("/", "POST"), VEHICLE) == 405
    assert status(upgrade("/", has_body=True), VEHICLE) == 400


# ---- limits


def test_over_max_vehicles_only_connected_vehicles_may_connect_again() -> None:
    full = ServerLoad(TIME, vehicles=2)
    assert status(upgrade("/"), VEHICLE, full, variables={"MAX_VEHICLES": "2"}) == 503
    again = ServerLoad(TIME, vehicles=2, known_vehicle=lambda vin: vin == CAR.common_name)
    assert isinstance(decide(upgrade("/"), VEHICLE, again, variables={"MAX_VEHICLES": "2"}), AdmitVehicle)


def test_while_draining_everybody_new_is_answered_503() -> None:
    draining = ServerLoad(TIME, draining=True)
    for asked, peer in ((upgrade("/"), VEHICLE), (upgrade("/stream", authorization=f"Bearer {token()}"), PLAIN)):
        found = answer(asked, peer, draining)
        assert (found.status, found.cause) == (503, "draining")
        assert header(found, "Retry-After")
