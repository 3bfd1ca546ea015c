"""The report as a whole: a healthy set-up is healthy, and only what can be examined is. The other files break one thing each."""

from __future__ import annotations

from teslafast.doctor.finding import State

from tests.support.certificates import HOST
from tests.support.peers import token
from tests.support.servers import Inside
from tests.support.sites import VARIABLES, VIN, Site, only, serving


def test_a_healthy_set_up_has_no_line_that_is_wrong(site: Site) -> None:
    with serving(site) as port:
        findings = site.look(port)
    assert [one.line for one in findings if one.state is not State.WELL] == [
        f"! address: 127.0.0.1 is used for {HOST} — run doctor again without --address once DNS has the address"
    ]
    assert [one.check for one in findings] == [
        *("settings", "layout", "TESLA_VIN", "key", "chain", "name", "expiry", "ca", "CA_PATH", "address", "port", "sent"),
        *("vehicle's view", "asks", "test vehicle", "health", "dashboard", "access token", f"config of {VIN}", "ca"),
        "reported errors",
    ]


def test_a_healthy_set_up_with_a_port_for_vehicles_has_no_line_that_is_wrong(site: Site) -> None:
    environment = {name: site.environment[name] for name in VARIABLES if name != "REQUEST_CLIENT_CERT"}
    with Inside(site.world, **environment, VEHICLE_PORT="0") as server:
        site.environment |= {"VEHICLE_PORT": "8443", "REQUEST_CLIENT_CERT": ""}
        site.told(server.place.vehicle_port)
        site.options["dashboards"] = f"https://{HOST}:{server.place.port}"
        findings = site.look(server.place.vehicle_port)
    assert [one.line for one in findings if one.state is State.WRONG] == []


def test_without_a_servers_environment_only_what_is_visible_from_outside_is_checked(site: Site) -> None:
    with serving(site) as port:
        site.environment.clear()
        site.options["token"] = token()
        findings = site.look(port)
    assert {one.state for one in findings} == {State.WELL, State.NOTE, State.SKIPPED}
    assert [one.check for one in findings if one.state is State.SKIPPED] == ["settings", "Fleet API"]
    assert "An intermediate of our own" in only(findings, "sent")[0].says


def test_without_a_url_nothing_is_connected_to(site: Site) -> None:
    site.options["url"] = None
    findings = site.look(0)
    assert [one.check for one in findings if one.state is State.SKIPPED] == ["outside"]
    assert not only(findings, "port")


def test_doctor_leaves_no_vehicle_and_no_record_behind(site: Site) -> None:
    with Inside(site.world, **{name: site.environment[name] for name in VARIABLES}) as server:
        site.look(server.place.port)
        server.lines.wait_for("vehicle_disconnected")
        assert server.counts("records").get("data", 0) == 0
        assert server.ask(lambda inside: inside.hub.registry.connected) == 0
