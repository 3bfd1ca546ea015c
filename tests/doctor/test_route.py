"""What is broken between a vehicle and the server: the report's lines about DNS, port, TLS, and a test vehicle."""

from __future__ import annotations

import contextlib
import socket

import pytest
from teslafast.doctor import tls_probe
from teslafast.doctor.finding import State

from tests.support.certificates import HOST, SERVER_AUTH
from tests.support.ports import free_port
from tests.support.sites import VIN, N, Site, W, answering, assert_said, only, proxy, serving


def test_a_name_that_dns_does_not_know_needs_an_a_record(site: Site) -> None:
    site.options |= {"address": None, "url": "https://telemetry.invalid"}
    assert_said(site.look(0), "address", W, "DNS does not know telemetry.invalid", "make an A record")


def test_a_private_address_is_noted(site: Site) -> None:
    site.options |= {"address": None, "url": f"https://localhost:{free_port()}"}
    assert_said(site.look(0), "address", N, "only this network can reach it", "a public address")


def test_a_port_at_which_nothing_listens_is_wrong(site: Site) -> None:
    port = free_port()
    assert_said(
        site.look(port),
        "port",
        W,
        f"nothing listens at 127.0.0.1 port {port}",
        "start `teslafast serve`; if it runs on another machine, forward the port",
    )


def test_a_port_that_never_answers_points_to_the_firewall(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue looks like a firewall that drops: the kernel answers no further connection."""
    monkeypatch.setattr(tls_probe, "STEP_S", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as waiting:
        for _ in range(2):
            fill = waiting.enter_context(socket.socket())
            fill.setblocking(False)
            fill.connect_ex(full.getsockname())
        assert_said(site.look(full.getsockname()[1]), "port", W, "no answer from 127.0.0.1", "open the port in the firewall")


def test_a_server_without_tls_is_wrong(site: Site) -> None:
    with answering(None, b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert_said(
            site.look(port),
            "TLS",
            W,
            f"there is none at port {port}: the server there does not speak TLS",
            "set CERT_PATH and KEY_PATH",
        )


def test_a_proxy_with_a_certificate_of_its_own_is_found_in_three_ways(site: Site) -> None:
    theirs = site.world.pair(site.world.stranger, "sni.cloud.example", usages=(SERVER_AUTH,), hosts=(HOST,))
    with proxy(theirs.certificate, theirs.key) as port:
        findings = site.look(port)
    issued = "'sni.cloud.example', issued by \"Somebody else's CA\", by 'cloudish'"
    assert_said(findings, "sent", W, f"the certificate that arrives is not the one in CERT_PATH: {issued}", "nginx `stream`")
    assert_said(
        findings,
        "vehicle's view",
        W,
        "a vehicle with this `ca` refuses the server: unable to get local issuer certificate",
        "give vehicles the `ca`",
    )
    assert_said(findings, "asks", W, "an unknown certificate was let in, by 'cloudish'", "let TLS through untouched")


def test_a_proxy_with_our_certificate_is_found_because_it_lets_unknown_vehicles_in(site: Site) -> None:
    with proxy(site.folder / "server.pem", site.folder / "server.key") as port:
        findings = site.look(port)
    assert only(findings, "sent")[0].state is State.WELL
    assert_said(findings, "asks", W, "something in between ends TLS and keeps vehicles' certificates", "HAProxy `mode tcp`")


def test_a_server_that_does_not_ask_for_certificates_is_wrong(site: Site) -> None:
    with serving(site, REQUEST_CLIENT_CERT="false") as port:
        site.environment["REQUEST_CLIENT_CERT"] = "false"
        findings = site.look(port)
    assert_said(findings, "asks", W, "the server does not ask vehicles for their certificate", "set REQUEST_CLIENT_CERT=true")
    assert_said(findings, "test vehicle", W, f"{VIN} gets the answer 403", "TESLA_VIN")


def test_a_renewed_certificate_that_the_server_has_not_loaded_is_wrong(site: Site) -> None:
    with serving(site) as port:
        site.serve_with()  # renewed on disk, under the same CA
        findings = site.look(port)
    assert_said(findings, "sent", W, "the certificate that arrives is not the one in CERT_PATH", "let TLS through")
    assert only(findings, "vehicle's view")[0].state is State.WELL


def test_a_test_vehicle_that_is_not_in_tesla_vin_is_refused(site: Site) -> None:
    with serving(site, TESLA_VIN="5YJ3TEST7PF000002") as port:
        assert_said(site.look(port), "test vehicle", W, f"{VIN} gets the answer 403", "add it to TESLA_VIN")


def test_a_test_vehicle_of_another_ca_is_refused(site: Site) -> None:
    stranger = site.world.pair(site.world.stranger, VIN)
    (site.folder / "vehicles" / f"{VIN}.pem").write_bytes(stranger.certificate.read_bytes())
    (site.folder / "vehicles" / f"{VIN}.key").write_bytes(stranger.key.read_bytes())
    with serving(site) as port:
        assert_said(site.look(port), "test vehicle", W, "is refused", "set CA_PATH to vehicle_ca.pem")
