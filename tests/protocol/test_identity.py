"""Which device a verified certificate names: every row of the protocol's tables (docs/protocol.md), and their order."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.errors import Refused
from teslafast.protocol.identity import Certificate, Device, identify

# Written down here a second time, from the protocol's description: a table that was copied from the code would prove nothing.
OID_ISSUERS = """
Tesla Motors Product Issuing CA
Tesla Motors Product RSA Issuing CA
Tesla Motors GF3 Product Issuing CA
Tesla Motors GF3 Product RSA Issuing CA
Tesla Energy Product Issuing CA
Tesla Energy GF0 Product Issuing CA
Tesla Motors GF0 Product Issuing CA
Tesla Motors GF Austin Product Issuing CA
Tesla Motors GF Berlin Product Issuing CA
Tesla Product Access Issuing CA
Tesla China Product Access Issuing CA
Tesla GF0 Product Access Issuing CA
Tesla GF3 Product Access Issuing CA
Tesla GF Austin Product Access Issuing CA
Tesla GF Berlin Product Access Issuing CA
""".strip().splitlines()

TESLA = "1.3.6.1.4.1.49279.2."
TYPES = {
    "4.1": "vehicle_device",
    "5.1": "vehicle_device",
    "4.11": "vehicle_board_device",
    "5.11": "vehicle_board_device",
    "4.2": "energy_device",
    "5.2": "energy_device",
    "4.12": "das_device",
    "5.12": "das_device",
    "4.14": "vehicle_service",
    "5.14": "vehicle_service",
    "4.15": "das_service",
    "5.15": "das_service",
    "4.16": "energy_service",
    "5.16": "energy_service",
    "4.28": "robotics_device",
    "5.28": "robotics_device",
}
WIFI = TESLA + "5.1.1"
VEHICLE = TESLA + "5.1"
ENERGY = TESLA + "5.2"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
VIN = "5YJ3E1EA7KF000001"


def certificate(issuer: str = OID_ISSUERS[0], *usages: str, name: str = VIN, units: tuple[str, ...] = ()) -> Certificate:
    return Certificate(common_name=name, issuer=issuer, usages=usages, units=units)


def refusal(shown: Certificate) -> Refused:
    with pytest.raises(Refused) as caught:
        identify(shown)
    assert caught.value.status is HTTPStatus.FORBIDDEN
    return caught.value


def test_the_protocol_has_fifteen_issuers_and_sixteen_oids() -> None:
    assert len(set(OID_ISSUERS)) == 15
    assert len(TYPES) == 16


@pytest.mark.parametrize("oid", TYPES)
@pytest.mark.parametrize("issuer", OID_ISSUERS)
def test_every_issuer_and_oid_names_its_kind_and_only_vehicles_may_stream(issuer: str, oid: str) -> None:
    shown = certificate(issuer, CLIENT_AUTH, TESLA + oid)
    if TYPES[oid] in ("vehicle_device", "vehicle_board_device"):
        assert identify(shown) == Device(VIN, TYPES[oid])
    else:
        assert TYPES[oid].replace("_", " ") in str(refusal(shown))


def test_the_first_oid_that_says_anything_decides() -> None:
    assert identify(certificate(OID_ISSUERS[0], VEHICLE, ENERGY)).kind == "vehicle_device"
    assert "energy device" in str(refusal(certificate(OID_ISSUERS[0], ENERGY, VEHICLE)))


def test_a_wifi_certificate_is_refused_unless_the_vehicles_oid_stands_before_it() -> None:
    error = refusal(certificate(OID_ISSUERS[0], CLIENT_AUTH, WIFI, VEHICLE))
    assert error.cause == "wifi_certificate"
    assert "the certificate is a Wi-Fi certificate" in str(error)
    assert identify(certificate(OID_ISSUERS[0], VEHICLE, WIFI)).kind == "vehicle_device"


@pytest.mark.parametrize("unknown", ["1.2.3", TESLA + "5.99", TESLA + "6.1", "2.5.29.37.0", CLIENT_AUTH])
def test_oids_that_say_nothing_are_passed_over(unknown: str) -> None:
    assert identify(certificate(OID_ISSUERS[0], unknown, VEHICLE)).kind == "vehicle_device"


@pytest.mark.parametrize("usages", [(), (CLIENT_AUTH,), ("1.2.3",)])
def test_without_an_oid_that_says_anything_it_is_refused(usages: tuple[str, ...]) -> None:
    assert refusal(certificate(OID_ISSUERS[0], *usages)).cause == "no_product"


@pytest.mark.parametrize(
    ("unit", "product"), [("Solar Inverter", "solar inverter device"), ("Gen3 Wall Connector", "wall connector device")]
)
@pytest.mark.parametrize("place", range(3))
def test_a_unit_that_names_a_product_goes_before_the_oid_wherever_it_stands(unit: str, product: str, place: int) -> None:
    units = ["Tesla Motors SN", "other"]
    units.insert(place, unit)
    assert product in str(refusal(certificate(OID_ISSUERS[0], VEHICLE, units=tuple(units))))


def test_a_unit_does_not_save_a_wifi_certificate_nor_one_without_an_oid() -> None:
    assert refusal(certificate(OID_ISSUERS[0], WIFI, units=("Solar Inverter",))).cause == "wifi_certificate"
    assert refusal(certificate(OID_ISSUERS[0], units=("Solar Inverter",))).cause == "no_product"


@pytest.mark.parametrize("issuer", ["TeslaMotors", "Tesla Issuing CA", "Tesla Motors Products CA"])
def test_the_old_issuers_issue_to_vehicles_whatever_the_oids_say(issuer: str) -> None:
    assert identify(certificate(issuer)).kind == "vehicle_device"
    assert identify(certificate(issuer, WIFI)).kind == "vehicle_device"
    assert identify(certificate(issuer, ENERGY, units=("Solar Inverter",))).kind == "vehicle_device"


@pytest.mark.parametrize(
    ("issuer", "units", "kind"),
    [
        ("Tesla Motors Products CA", ("Tesla Motors SN",), "vehicle_board_device"),
        ("Tesla Motors Products CA", ("Tesla Motors SN", "other"), "vehicle_board_device"),
        ("Tesla Motors Products CA", ("other", "Tesla Motors SN"), "vehicle_device"),
        ("Tesla Issuing CA", ("Tesla Motors SN",), "vehicle_device"),
        ("TeslaMotors", ("Tesla Motors SN",), "vehicle_device"),
    ],
)
def test_only_products_ca_with_the_sn_unit_first_names_a_vehicle_board(issuer: str, units: tuple[str, ...], kind: str) -> None:
    assert identify(certificate(issuer, units=units)).kind == kind


@pytest.mark.parametrize("issuer", ["", "Tesla", "tesla issuing ca", "Tesla Issuing CA ", "Tesla Root CA", "Let's Encrypt"])
def test_another_issuer_is_refused_by_its_name(issuer: str) -> None:
    error = refusal(certificate(issuer, VEHICLE))
    assert error.cause == "unknown_issuer"
    assert repr(issuer) in str(error)


def test_dots_in_the_name_become_dashes() -> None:
    device = identify(certificate(OID_ISSUERS[0], VEHICLE, name="device.1.a"))
    assert device == Device("device-1-a", "vehicle_device")
    assert device.sender_id == "vehicle_device.device-1-a"


def test_a_vin_in_lower_case_is_the_vin_that_filters_tokens_and_settings_name() -> None:
    device = identify(certificate(OID_ISSUERS[0], VEHICLE, name=VIN.lower()))
    assert device.vin == VIN
    assert device.sender_id == f"vehicle_device.{VIN.lower()}"  # its envelopes name it as its certificate does
    assert identify(certificate(OID_ISSUERS[0], VEHICLE, name="device-1")).vin == "device-1"


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\0b", "É" * 17])
def test_a_name_that_cannot_be_a_vehicles_is_refused(name: str) -> None:
    assert refusal(certificate(OID_ISSUERS[0], VEHICLE, name=name)).cause == "no_vin"


@given(
    st.builds(
        Certificate,
        common_name=st.text(),
        issuer=st.text() | st.sampled_from(OID_ISSUERS),
        usages=st.lists(st.text() | st.sampled_from([WIFI, VEHICLE, ENERGY])),
        units=st.lists(st.text() | st.just("Tesla Motors SN")),
    )
)
def test_any_certificate_is_identified_or_refused_in_one_line(shown: Certificate) -> None:
    try:
        said = identify(shown).vin
    except Refused as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) < 200


@pytest.mark.parametrize("name", ["5YJ3E1EA7KF000001 ", "<img src=x>", 'A"B\\C', "A,B", "*", "a/b", "-", "5YJ3E1EA7KF00000\t"])
def test_a_name_that_no_filter_token_or_setting_could_name_is_refused(name: str) -> None:
    assert refusal(certificate(OID_ISSUERS[0], VEHICLE, name=name)).cause == "no_vin"
