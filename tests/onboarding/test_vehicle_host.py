"""The host name of a config: what no vehicle can reach is refused before it is sent."""

import pytest
from teslafast.errors import Misconfigured
from teslafast.onboarding.vehicle_host import check_root, check_vehicle_host


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("telemetry.example.com", "telemetry.example.com"),
        ("Telemetry.Example.COM.", "telemetry.example.com"),
        (" telemetry.example.com ", "telemetry.example.com"),
        ("bücher.example.com", "xn--bcher-kva.example.com"),
        ("xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
        ("myapp.fly.dev", "myapp.fly.dev"),
    ],
)
def test_a_public_name_is_sent_in_the_form_of_dns(given: str, sent: str) -> None:
    assert check_vehicle_host(given) == sent


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("road.example.com", "example.com"),
        ("example.com", "road.example.com"),
        ("cars.example.com", "keys.example.com"),
        ("myapp.fly.dev", "myapp.fly.dev"),
        ("cars.example.co.uk", "example.co.uk"),
        ("cars.road.up.railway.app", "road.up.railway.app"),
        ("cars.road.kozow.com", "road.kozow.com"),
    ],
)
def test_a_host_below_the_root_of_the_apps_domain_is_taken(host: str, domain: str) -> None:
    check_root(host, domain)


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("road.example.org", "example.com"),
        ("other.fly.dev", "myapp.fly.dev"),
        ("other.co.uk", "example.co.uk"),
        ("other.up.railway.app", "road.up.railway.app"),
        ("other.nl.eu.org", "road.nl.eu.org"),
        ("other.kozow.com", "road.kozow.com"),
    ],
)
def test_a_host_of_another_owner_is_refused_before_tesla_does(host: str, domain: str) -> None:
    with pytest.raises(Misconfigured, match="hostname domain does not match with partner account"):
        check_root(host, domain)


@pytest.mark.parametrize("given", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "[::1]", "127.0.0.1"])
def test_an_address_is_refused(given: str) -> None:
    with pytest.raises(Misconfigured, match=r"--hostname: .* is an address"):
        check_vehicle_host(given)


@pytest.mark.parametrize(
    "given", ["server.local", "car.lan", "nas.home", "a.internal", "x.home.arpa", "me.fritz.box", "a.localhost", "x.test"]
)
def test_a_name_of_a_private_network_is_refused(given: str) -> None:
    with pytest.raises(Misconfigured, match="private network"):
        check_vehicle_host(given)


def test_an_address_in_a_names_clothes_is_refused() -> None:
    with pytest.raises(Misconfigured, match="stands for an address"):
        check_vehicle_host("192-0-2-1.nip.io")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://telemetry.example.com", "did you mean --hostname telemetry.example.com?"),
        ("wss://telemetry.example.com:8443/", "did you mean --hostname telemetry.example.com --port 8443?"),
        ("telemetry.example.com:443", "did you mean --hostname telemetry.example.com --port 443?"),
        ("telemetry.example.com/", "did you mean --hostname telemetry.example.com?"),
        ("https://[", "give the full name"),
    ],
)
def test_a_url_is_refused_with_the_name_in_it(given: str, meant: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        check_vehicle_host(given)
    assert refused.value.remedy.startswith(meant)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "telemetry",
        "a..com",
        ".com",
        "-a.example.com",
        "a_b.example.com",
        "x" * 64 + ".com",
        "1.2.3.4.5",
        "straße.de",
        "*.a.de",
    ],
)
def test_what_is_no_full_name_is_refused(given: str) -> None:
    with pytest.raises(Misconfigured, match="--hostname"):
        check_vehicle_host(given)
