"""What is broken between a vehicle or a dashboard and the server: the doctor's lines about the way there."""

from __future__ import annotations

import contextlib
import socket

import pytest
from teslafast.doctor import State, tls_probe

from tests.support.certificates import HOST, SERVER_AUTH
from tests.support.servers import Inside
from tests.support.sites import VARIABLES, VIN, N, Site, W, answering, assert_said, free_port, only, proxy, serving


def test_a_name_that_dns_does_not_know(site: Site) -> None:
    site.options |= {"address": None, "url": "https://telemetry.invalid"}
    assert_said(site.look(0), "address", W, "telemetry.invalid is not known to DNS", "make an A record")


def test_a_name_that_leads_to_this_network_only(site: Site) -> None:
    site.options |= {"address": None, "url": f"https://localhost:{free_port()}"}
    assert_said(site.look(0), "address", N, "only this network can reach that", "a public address")


def test_a_port_at_which_nothing_listens(site: Site) -> None:
    port = free_port()
    assert_said(
        site.look(port), "port", W, f"nothing listens at 127.0.0.1 port {port}", "start `teslafast serve`, and forward the port"
    )


def test_a_port_that_answers_nobody(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue looks like a firewall that drops: the kernel answers no further connection."""
    monkeypatch.setattr(tls_probe, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(2):
            fill = waiting.enter_context(socket.socket())
            fill.setblocking(False)
            fill.connect_ex(full.getsockname())
        assert_said(site.look(full.getsockname()[1]), "port", W, "no answer from 127.0.0.1", "open the port in the firewall")


def test_a_server_without_tls(site: Site) -> None:
    with answering(None, b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert_said(site.look(port), "TLS", W, "what answers there does not speak TLS", "set CERT_PATH and KEY_PATH")


def test_a_proxy_that_ends_tls_with_a_certificate_of_its_own(site: Site) -> None:
    theirs = site.world.pair(site.world.stranger, "sni.cloud.example", usages=(SERVER_AUTH,), hosts=(HOST,))
    with proxy(theirs.certificate, theirs.key) as port:
        findings = site.look(port)
    issued = "'sni.cloud.example', issued by \"Somebody else's CA\", by 'cloudish'"
    assert_said(findings, "sent", W, f"another certificate than CERT_PATH's is sent: {issued}", "nginx `stream`")
    assert_said(
        findings, "vehicle's view", W, "a vehicle refuses the server: unable to get local issuer certificate", "`ca` must be"
    )
    assert_said(findings, "asks", W, "a stranger's certificate was let in, by 'cloudish'", "let TLS through untouched")


def test_a_proxy_that_ends_tls_with_our_own_certificate(site: Site) -> None:
    with proxy(site.folder / "server.pem", site.folder / "server.key") as port:
        findings = site.look(port)
    assert only(findings, "sent")[0].state is State.WELL
    assert_said(findings, "asks", W, "something in between ends TLS and keeps vehicles' certificates", "HAProxy `mode tcp`")


def test_a_server_that_does_not_ask(site: Site) -> None:
    with serving(site, REQUEST_CLIENT_CERT="false") as port:
        site.environment["REQUEST_CLIENT_CERT"] = "false"
        findings = site.look(port)
    assert_said(findings, "asks", W, "vehicles are not asked for their certificate", "set REQUEST_CLIENT_CERT=true")
    assert_said(findings, "test vehicle", W, f"{VIN} is answered 403", "TESLA_VIN")


def test_a_server_that_still_runs_with_the_certificate_of_yesterday(site: Site) -> None:
    with serving(site) as port:
        site.serve_with()  # renewed on disk, under the same CA
        findings = site.look(port)
    assert_said(findings, "sent", W, "another certificate than CERT_PATH's is sent", "let TLS through")
    assert only(findings, "vehicle's view")[0].state is State.WELL


def test_a_vehicle_that_the_server_does_not_list(site: Site) -> None:
    with serving(site, TESLA_VIN="5YJ3TEST7PF000002") as port:
        assert_said(site.look(port), "test vehicle", W, f"{VIN} is answered 403", "is it in TESLA_VIN?")


def test_a_vehicle_whose_ca_the_server_does_not_know(site: Site) -> None:
    stranger = site.world.pair(site.world.stranger, VIN)
    (site.folder / "vehicles" / f"{VIN}.pem").write_bytes(stranger.certificate.read_bytes())
    (site.folder / "vehicles" / f"{VIN}.key").write_bytes(stranger.key.read_bytes())
    with serving(site) as port:
        assert_said(site.look(port), "test vehicle", W, "is refused", "is CA_PATH that of --certs")


def test_the_vehicles_port_in_place_of_the_dashboards(site: Site) -> None:
    environment = {name: site.environment[name] for name in VARIABLES}
    with Inside(site.world, **environment, VEHICLE_PORT="0") as server:
        findings = site.look(server.place.vehicle_port)
        site.environment["VEHICLE_PORT"] = "8443"
        knowing = site.look(server.place.vehicle_port)
    assert_said(findings, "health", W, "no answer", "name the other one with --dashboards")
    assert [one.state for one in only(knowing, "health")] == [State.SKIPPED]


def test_a_token_that_is_signed_with_another_secret(site: Site) -> None:
    with serving(site) as port:
        site.environment["JWT_SECRET"] = "another secret, also of 32 bytes or more"
        assert_said(site.look(port), "dashboard", W, "/stream answers 401", "mint the token with the JWT_SECRET")


def test_a_dashboard_that_is_dialled_in_clear_gets_no_token_sent(site: Site) -> None:
    site.options["dashboards"] = "http://dashboards.example.com"
    assert_said(site.look(free_port()), "dashboard", W, "tokens would travel in clear to dashboards.example.com", "https://")


def test_a_dashboards_server_that_does_not_verify_gets_no_token_sent(site: Site) -> None:
    (site.folder / "ca.pem").write_bytes(site.world.stranger.pem)
    with serving(site) as port:
        assert_said(site.look(port), "dashboard", W, "the token was not sent", "a public one, or import your ca.pem")


def test_what_is_no_url(site: Site) -> None:
    site.options["url"] = "ftp://telemetry.example.com"
    assert_said(site.look(0), "URL", W, "'ftp://telemetry.example.com' is no address", "https://telemetry.example.com:443")
