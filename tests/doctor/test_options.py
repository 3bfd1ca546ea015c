"""The options of doctor: which addresses it takes, and which environment counts as a server's."""

from __future__ import annotations

import datetime

import pytest
from teslafast.doctor.options import DoctorOptions
from teslafast.errors import Misconfigured

from tests.support.sites import Site, W, assert_said

NOW = datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC)


def options(url: str | None, **more: str) -> DoctorOptions:
    return DoctorOptions(environment={}, now=NOW, url=url, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("https://telemetry.example.com:8443/", ("telemetry.example.com", 8443)),
        ("telemetry.example.com", ("telemetry.example.com", 443)),
        ("wss://[2001:db8::7]", ("2001:db8::7", 443)),
    ],
)
def test_vehicles_connect_to_the_host_and_port_of_the_url(url: str, at: tuple[str, int]) -> None:
    assert options(url).vehicles_at == at
    assert options(url).dashboards_at == ("https", *at)


def test_dashboards_may_connect_elsewhere_and_without_tls() -> None:
    both = options("https://telemetry.example.com:8443", dashboards="http://localhost")
    assert both.dashboards_at == ("http", "localhost", 80)


def test_an_address_is_used_for_the_host_of_the_url_only() -> None:
    given = options("https://telemetry.example.com", address="192.0.2.7")
    assert given.address_of("telemetry.example.com") == "192.0.2.7"
    assert given.address_of("www.example.com") == "www.example.com"


def test_a_url_without_tls_is_refused_because_vehicles_need_tls() -> None:
    with pytest.raises(Misconfigured, match=r"vehicles connect only over TLS — give https://HOST:PORT"):
        _ = options("http://telemetry.example.com").vehicles_at


@pytest.mark.parametrize(
    ("environment", "is_servers"),
    [({}, False), ({"PORT": "443", "HOST": "::", "TESLA_VIN": "X"}, False), ({"CERT_PATH": "server.pem"}, True)],
)
def test_an_environment_is_a_servers_if_it_has_a_variable_that_only_servers_have(
    environment: dict[str, str], is_servers: bool
) -> None:
    assert DoctorOptions(environment=environment, now=NOW).has_settings is is_servers


def test_an_unusable_url_is_the_only_line_of_the_report(site: Site) -> None:
    site.options["url"] = "ftp://telemetry.example.com"
    findings = site.look(0)
    assert_said(findings, "URL", W, "'ftp://telemetry.example.com' is not a usable address", "https://telemetry.example.com:443")
    assert len(findings) == 1
