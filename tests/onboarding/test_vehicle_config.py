"""A vehicle's config: what is refused before it is sent, and what each state that Tesla reports means."""

import json
import time
from typing import Any

import pytest
from teslafast.errors import Misconfigured
from teslafast.onboarding import vehicle_config, vehicle_errors
from teslafast.onboarding.vehicle_config import build, interpret, parse_fields

from tests.support.certificates import World

NOW = time.time()


@pytest.fixture(scope="module")
def ca(world: World) -> str:
    return world.server_ca.read_text()


def test_a_config_has_every_key_in_the_type_that_vehicles_accept(ca: str) -> None:
    config = build("telemetry.example.com", 443, ca, {"Soc": 60.0, "Gear": 0.5}, 1_900_000_000)
    assert config == {
        "hostname": "telemetry.example.com",
        "port": 443,
        "ca": ca,
        "fields": {"Soc": {"interval_seconds": 60}, "Gear": {"interval_seconds": 0.5}},
        "alert_types": ["service"],
        "delivery_policy": "latest",
        "exp": 1_900_000_000,
    }
    assert '"port": 443,' in vehicle_config.to_json(config)
    assert json.loads(vehicle_config.to_json(config)) == config


def test_text_between_certificates_is_not_sent_to_vehicles(ca: str) -> None:
    chatty = f"Subject: CN=Our server CA\n{ca}\n# the end\n"
    assert build("telemetry.example.com", 443, chatty, {"Soc": 60}, 1)["ca"] == ca


@pytest.mark.parametrize("hostname", ["", "telemetry", ".example.com", "telemetry..com", "localhost"])
def test_a_hostname_without_a_domain_is_refused(ca: str, hostname: str) -> None:
    with pytest.raises(Misconfigured, match="--hostname"):
        build(hostname, 443, ca, {"Soc": 60}, 1)


def test_a_misspelt_field_is_refused_with_the_right_spelling(ca: str) -> None:
    with pytest.raises(Misconfigured, match="'VehicleSpede' is not a field — did you mean VehicleSpeed"):
        build("telemetry.example.com", 443, ca, {"VehicleSpede": 1}, 1)


def test_a_name_that_is_not_written_as_fields_are_is_refused_with_the_way_to_list_them(ca: str) -> None:
    with pytest.raises(Misconfigured, match="'foo_bar' is not a field — list the fields: teslafast vehicle configure"):
        build("telemetry.example.com", 443, ca, {"foo_bar": 30}, 1)


def test_the_field_unknown_is_refused(ca: str) -> None:
    with pytest.raises(Misconfigured, match="'Unknown' is not a field"):
        build("telemetry.example.com", 443, ca, {"Unknown": 1}, 1)


def test_a_ca_without_its_root_is_refused_with_the_roots_name(world: World) -> None:
    with pytest.raises(Misconfigured, match="ends below its root: 'Tesla Product Root CA' is missing"):
        build("telemetry.example.com", 443, world.issuing.pem.decode(), {"Soc": 60}, 1)


def test_a_chain_of_intermediate_and_root_is_accepted(world: World) -> None:
    whole = (world.issuing.pem + world.hidden_root.pem).decode()
    assert build("telemetry.example.com", 443, whole, {"Soc": 60}, 1)["ca"] == whole


def test_a_servers_certificate_in_place_of_its_ca_is_refused(world: World) -> None:
    with pytest.raises(Misconfigured, match="is not a CA"):
        build("telemetry.example.com", 443, world.server.certificate.read_text(), {"Soc": 60}, 1)


def test_a_ca_that_is_not_a_certificate_is_refused() -> None:
    with pytest.raises(Misconfigured, match="no readable certificate"):
        build("telemetry.example.com", 443, "ca.pem", {"Soc": 60}, 1)


def test_fields_are_parsed_from_name_and_seconds() -> None:
    assert parse_fields(["Soc=60", "Location=1", "Gear=1.5"]) == {"Soc": 60.0, "Location": 1.0, "Gear": 1.5}


@pytest.mark.parametrize("word", ["Soc", "Soc=", "Soc=0", "Soc=-1", "Soc=often", "Soc=nan", "Soc=inf", "=5x"])
def test_a_field_without_a_usable_interval_is_refused(word: str) -> None:
    with pytest.raises(Misconfigured, match="--field"):
        parse_fields([word])


def config(**members: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"hostname": "telemetry.example.com", "port": 443, "fields": {"Soc": {}}, "exp": int(NOW + 1000)}
    return {"synced": True, "config": whole | members, "limit_reached": False, "key_paired": True}


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (config(), "taken", "streams 1 fields to telemetry.example.com:443, until"),
        (config() | {"synced": False}, "waiting", "when it next connects to Tesla"),
        (config() | {"config": None}, "rejected", "has rejected its config"),
        (config() | {"synced": False, "config": None}, "none", "it has no config"),
        (config() | {"limit_reached": True}, "taken", "streams 1 fields"),
        (config() | {"key_paired": False}, "taken", "streams 1 fields"),
        (config() | {"synced": False, "limit_reached": True}, "limited", "too many apps"),
        (config() | {"synced": False, "key_paired": False}, "rejected", "virtual key is not on this vehicle"),
        (config() | {"config": None, "key_paired": False}, "rejected", "virtual key is not on this vehicle"),
        ({"synced": True}, "rejected", "or none was ever sent"),
        (config(exp=int(NOW - 86400)), "rejected", "expired on"),
        (config(exp=None, fields=None), "taken", "streams 0 fields"),
        ({}, "none", "it has no config"),
        ({"synced": True, "config": {"exp": 10**30}}, "taken", "streams 0 fields"),
        (config(exp="x", fields=3, hostname=5, port=[]), "taken", "streams 0 fields to 5:[]"),
    ],
)
def test_each_answer_of_teslas_has_its_state_and_meaning(answer: dict[str, Any], state: str, words: str) -> None:
    status = interpret(answer, NOW)
    assert status.state == state
    assert words in status.meaning
    assert status.settled == (state != "waiting")
    assert bool(status.remedy) == (state != "taken")


@pytest.mark.parametrize(
    ("name", "meaning", "remedy"),
    [
        ("config_manager_error", "signature", "configure again"),
        ("cloud_manager_error", "could not connect", "teslafast doctor"),
        ("cloud_manager_error_of_a_newer_firmware", "could not connect", "teslafast doctor"),
    ],
)
def test_a_reported_error_is_explained_by_the_start_of_its_name(name: str, meaning: str, remedy: str) -> None:
    explained = vehicle_errors.explain_error({"error_name": name})
    assert meaning in explained[0]
    assert remedy in explained[1]


@pytest.mark.parametrize("report", [{"error_name": "something new"}, {"error_name": "a cloud_manager_error"}, {}])
def test_an_error_with_another_name_has_no_explanation(report: dict[str, Any]) -> None:
    assert vehicle_errors.explain_error(report) == ("", "")


def test_every_documented_reason_for_skipping_a_vehicle_is_explained() -> None:
    assert set(vehicle_config.SKIPPED) == {"missing_key", "unsupported_hardware", "unsupported_firmware", "max_configs"}


@pytest.mark.parametrize(
    ("required", "first", "then"),
    [
        (True, "open https://tesla.com/_ak/", ""),
        (False, "in the car, turn on Controls → Safety → Allow Third-Party App Data Streaming", "tesla.com/_ak/"),
        (None, "open https://tesla.com/_ak/", "Allow Third-Party App Data Streaming"),
    ],
)
def test_whether_a_vehicle_takes_keys_decides_what_helps_it(required: bool | None, first: str, then: str) -> None:
    unpaired = config() | {"synced": False, "key_paired": False}
    remedy = interpret(unpaired, NOW, {"vehicle_command_protocol_required": required}).remedy
    assert remedy.startswith(first)
    assert then in remedy
    assert ("Safety" in remedy) == (required is not True), "a car that needs the key has no use for the switch"


@pytest.mark.parametrize("seconds", [0, 60, 3599, 361 * 86400])
def test_an_expiry_that_tesla_or_a_sleeping_vehicle_cannot_use_is_refused(seconds: float) -> None:
    with pytest.raises(Misconfigured, match=r"--expires: .* — give 1h to 360d"):
        vehicle_config.check_expiry(seconds)


@pytest.mark.parametrize("seconds", [3600, 86400, 360 * 86400])
def test_an_expiry_from_an_hour_to_360_days_is_taken(seconds: float) -> None:
    vehicle_config.check_expiry(seconds)


def test_fields_sent_along_stand_in_the_config(ca: str) -> None:
    along = vehicle_config.parse_included(["Location=GpsHeading, VehicleSpeed"])
    built = build("telemetry.example.com", 443, ca, {"Location": 5, "Soc": 60}, 1, included=along)
    assert built["fields"] == {
        "Location": {"interval_seconds": 5, "include_fields": ["GpsHeading", "VehicleSpeed"]},
        "Soc": {"interval_seconds": 60},
    }


@pytest.mark.parametrize(
    ("along", "says"), [({"Gear": ("Soc",)}, "Gear is not asked for"), ({"Soc": ("Gaer",)}, "did you mean Gear")]
)
def test_fields_sent_along_that_cannot_be_are_refused(ca: str, along: dict[str, tuple[str, ...]], says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        build("telemetry.example.com", 443, ca, {"Soc": 60}, 1, included=along)


@pytest.mark.parametrize("word", ["Location", "Location=", "Location=,"])
def test_an_include_that_names_nothing_is_refused(word: str) -> None:
    with pytest.raises(Misconfigured, match="--include"):
        vehicle_config.parse_included([word])


def test_a_new_field_of_teslas_is_sent_and_named(ca: str) -> None:
    built = build("telemetry.example.com", 443, ca, {"SolarRoofPower": 30, "Soc": 60}, 1)
    assert built["fields"]["SolarRoofPower"] == {"interval_seconds": 30}
    assert vehicle_config.not_known_here(built) == ["SolarRoofPower"]


def test_a_new_field_with_nearly_the_name_of_a_known_one_is_sent_when_it_is_insisted_on(ca: str) -> None:
    built = build("telemetry.example.com", 443, ca, {"DiStateFL": 30}, 1, new=["DiStateFL"])
    assert "DiStateFL" in built["fields"]
    with pytest.raises(Misconfigured, match="give it with --new-field"):
        build("telemetry.example.com", 443, ca, {"DiStateFL": 30}, 1)
