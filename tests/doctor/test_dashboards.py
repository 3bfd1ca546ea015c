"""What is broken between a dashboard and the server; and the token is sent only to a server that verifies."""

from __future__ import annotations

from teslafast.doctor.finding import State

from tests.support.ports import free_port
from tests.support.servers import Inside
from tests.support.sites import VARIABLES, Site, W, answering, assert_said, only, serving


def test_the_vehicles_port_in_place_of_the_dashboards_is_wrong(site: Site) -> None:
    environment = {name: site.environment[name] for name in VARIABLES}
    with Inside(site.world, **environment, VEHICLE_PORT="0") as server:
        findings = site.look(server.place.vehicle_port)
        site.environment["VEHICLE_PORT"] = "8443"
        knowing = site.look(server.place.vehicle_port)
    assert_said(findings, "health", W, "no answer", "give the other one with --dashboards")
    assert [one.state for one in only(knowing, "health")] == [State.SKIPPED]


def test_a_token_signed_with_another_secret_is_refused(site: Site) -> None:
    with serving(site) as port:
        site.environment["JWT_SECRET"] = "another secret, also of 32 bytes or more"
        assert_said(site.look(port), "dashboard", W, "/stream answers 401", "mint the token with the server's JWT_SECRET")


def test_the_token_is_not_sent_unencrypted_to_another_machine(site: Site) -> None:
    site.options["dashboards"] = "http://dashboards.example.com"
    assert_said(site.look(free_port()), "dashboard", W, "tokens would travel unencrypted to dashboards.example.com", "https://")


def test_the_token_is_not_sent_to_a_server_that_does_not_verify(site: Site) -> None:
    (site.folder / "ca.pem").write_bytes(site.world.stranger.pem)
    with serving(site) as port:
        assert_said(site.look(port), "dashboard", W, "doctor did not send the token", "a public one, or import your ca.pem")


def test_a_server_that_answers_stream_with_something_else_is_wrong(site: Site) -> None:
    site.environment["JWT_SECRET"] = ""
    site.options["token"] = "a token"
    with answering(None, b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{"status":"ok"}') as port:
        site.options["dashboards"] = f"http://127.0.0.1:{port}"
        assert_said(site.look(free_port()), "dashboard", W, "/stream answers 200", "see the server's log")
