"""A vehicle's config: what is refused before it is sent, and what each state that Tesla reports means."""

import json
import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from teslafast.certificates import chain
from teslafast.errors import Misconfigured
from teslafast.onboarding import vehicle_config
from teslafast.onboarding.vehicle_config import build, judge, parse_fields

from tests.support.certificates import VALID, Authority, World

NOW = time.time()


@pytest.fixture(scope="module")
def ca(world: World) -> str:
    return world.server_ca.read_text()


def test_a_config_has_every_key_that_vehicles_want_in_the_type_that_they_want(ca: str) -> None:
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
    assert '"port": 443,' in vehicle_config.shown(config)
    assert json.loads(vehicle_config.shown(config)) == config


def test_what_stands_between_certificates_is_not_sent_to_vehicles(ca: str) -> None:
    chatty = f"Subject: CN=Our server CA\n{ca}\n# the end\n"
    assert build("telemetry.example.com", 443, chatty, {"Soc": 60}, 1)["ca"] == ca


@pytest.mark.parametrize("hostname", ["", "telemetry", ".example.com", "telemetry..com", "localhost"])
def test_a_name_that_no_vehicle_could_find_is_refused(ca: str, hostname: str) -> None:
    with pytest.raises(Misconfigured, match="--hostname"):
        build(hostname, 443, ca, {"Soc": 60}, 1)


def test_a_field_with_a_typing_error_is_refused_with_the_one_that_was_meant(ca: str) -> None:
    with pytest.raises(Misconfigured, match="'VehicleSpede' is no field — did you mean VehicleSpeed"):
        build("telemetry.example.com", 443, ca, {"VehicleSpede": 1}, 1)


def test_unknown_is_no_field(ca: str) -> None:
    with pytest.raises(Misconfigured, match="'Unknown' is no field"):
        build("telemetry.example.com", 443, ca, {"Unknown": 1}, 1)


def test_a_ca_without_its_root_is_refused_by_the_name_that_is_missing(world: World) -> None:
    with pytest.raises(Misconfigured, match="ends below its root: 'Tesla Product Root CA' is missing"):
        build("telemetry.example.com", 443, world.issuing.pem.decode(), {"Soc": 60}, 1)


def test_a_whole_chain_of_intermediate_and_root_is_taken(world: World) -> None:
    whole = (world.issuing.pem + world.hidden_root.pem).decode()
    assert build("telemetry.example.com", 443, whole, {"Soc": 60}, 1)["ca"] == whole


def test_a_servers_certificate_in_place_of_its_ca_is_refused(world: World) -> None:
    with pytest.raises(Misconfigured, match="is no CA"):
        build("telemetry.example.com", 443, world.server.certificate.read_text(), {"Soc": 60}, 1)


def test_text_that_is_no_certificate_is_refused() -> None:
    with pytest.raises(Misconfigured, match="no readable certificate"):
        build("telemetry.example.com", 443, "ca.pem", {"Soc": 60}, 1)


def test_fields_are_read_from_words() -> None:
    assert parse_fields(["Soc=60", "Location=1", "Gear=1.5"]) == {"Soc": 60.0, "Location": 1.0, "Gear": 1.5}


@pytest.mark.parametrize("word", ["Soc", "Soc=", "Soc=0", "Soc=-1", "Soc=often", "Soc=nan", "Soc=inf", "=5x"])
def test_a_word_without_a_usable_interval_is_refused(word: str) -> None:
    with pytest.raises(Misconfigured, match="--field"):
        parse_fields([word])


def config(**members: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"hostname": "telemetry.example.com", "port": 443, "fields": {"Soc": {}}, "exp": int(NOW + 1000)}
    return {"synced": True, "config": whole | members, "limit_reached": False, "key_paired": True}


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (config(), "taken", "streams 1 fields to telemetry.example.com:443, until"),
        (config() | {"synced": False}, "waiting", "when it next talks to Tesla"),
        (config() | {"config": None}, "rejected", "has rejected its config"),
        (config() | {"synced": False, "config": None}, "none", "there is no config"),
        (config() | {"limit_reached": True}, "limited", "too many apps"),
        (config() | {"key_paired": False}, "rejected", "virtual key is not on this vehicle"),
        (config(exp=int(NOW - 86400)), "rejected", "expired on"),
        (config(exp=None, fields=None), "taken", "streams 0 fields"),
        ({}, "none", "there is no config"),
        ({"synced": True, "config": {"exp": 10**30}}, "taken", "streams 0 fields"),
    ],
)
def test_each_state_has_its_meaning(answer: dict[str, Any], state: str, words: str) -> None:
    verdict = judge(answer, NOW)
    assert verdict.state == state
    assert words in verdict.says
    assert verdict.settled == (state != "waiting")
    assert bool(verdict.remedy) == (state != "taken")


def test_what_vehicles_report_is_explained_where_it_is_known() -> None:
    assert "signature" in vehicle_config.explain_error({"error_name": "config_manager_error"})[0]
    assert "teslafast doctor" in vehicle_config.explain_error({"error_name": "cloud_manager_error"})[1]
    assert vehicle_config.explain_error({"error_name": "something new"}) == ("", "")


def test_every_reason_for_which_tesla_leaves_a_vehicle_out_is_explained() -> None:
    assert set(vehicle_config.SKIPPED) == {"missing_key", "unsupported_hardware", "unsupported_firmware", "max_configs"}


# ---- the chain of the server's certificate, which the `ca` is taken from


@pytest.fixture(scope="module")
def tree() -> tuple[Authority, Authority, Any]:
    """(root, intermediate, leaf for *.example.com and 192.0.2.1)."""
    root = Authority.root("A root")
    intermediate = root.authority("An intermediate")
    leaf, _ = intermediate.leaf("leaf", hosts=("*.example.com", "192.0.2.1"))
    return root, intermediate, leaf


def test_a_climb_ends_at_the_root_whatever_the_order_of_what_is_known(tree: tuple[Authority, Authority, Any]) -> None:
    root, intermediate, leaf = tree
    way = [intermediate.certificate, root.certificate]
    assert chain.climb(leaf, way) == way
    assert chain.climb(leaf, way[::-1]) == way
    assert chain.climb(leaf, [intermediate.certificate]) == [intermediate.certificate]
    assert chain.climb(leaf, [root.certificate]) == []


def test_a_ca_of_the_same_name_with_another_key_is_not_climbed(tree: tuple[Authority, Authority, Any]) -> None:
    assert chain.climb(tree[2], [Authority.root("An intermediate").certificate]) == []


def crossed(subject: Authority, issuer: Authority) -> x509.Certificate:
    """The subject's key and name, vouched for by the issuer."""
    names, key = (subject.certificate.subject, issuer.certificate.subject), subject.key.public_key()
    builder = x509.CertificateBuilder(names[1], names[0], key, x509.random_serial_number(), *VALID)
    return builder.add_extension(x509.BasicConstraints(True, None), critical=True).sign(issuer.key, hashes.SHA256())


def test_two_cas_that_vouch_for_each_other_do_not_hold_a_climb_up_for_ever() -> None:
    one, other = Authority.root("One"), Authority.root("Other")
    leaf, _ = one.leaf("leaf")
    assert len(chain.climb(leaf, [crossed(one, other), crossed(other, one)])) == chain.LONGEST_CHAIN


def test_a_broken_order_is_found_at_its_place(tree: tuple[Authority, Authority, Any]) -> None:
    root, intermediate, leaf = tree
    assert chain.first_break([leaf, intermediate.certificate, root.certificate]) is None
    assert chain.first_break([leaf, root.certificate, intermediate.certificate]) == 0
    assert chain.first_break([leaf, intermediate.certificate, leaf]) == 1
    assert chain.first_break([leaf]) is None


@pytest.mark.parametrize(
    ("hostname", "held"),
    [
        ("telemetry.example.com", True),
        ("TELEMETRY.Example.com.", True),
        ("a.b.example.com", False),
        ("example.com", False),
        ("telemetry.example.org", False),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
    ],
)
def test_a_wild_card_stands_for_one_label(tree: tuple[Authority, Authority, Any], hostname: str, held: bool) -> None:
    assert chain.holds(tree[2], hostname) == held
