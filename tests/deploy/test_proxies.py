"""
Real nginx and HAProxy in front of a real `teslafast serve`: the files in deploy/ as they are, but for the ports.

Through them a vehicle's certificate must arrive. Through what an HTTP proxy does with the same programs it must not, and doctor
must say so. Needs Debian's nginx with libnginx-mod-stream, and haproxy; run by `make test-deploy`.
"""

from __future__ import annotations

import contextlib
import datetime
import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.doctor.finding import Finding, State
from teslafast.doctor.options import DoctorOptions
from teslafast.doctor.report import examine

from tests.support import ROOT
from tests.support.certificates import HOST, SERVER_AUTH, Pair, World
from tests.support.peers import PATIENCE_S, Place, Vehicle
from tests.support.ports import free_port
from tests.support.proxies import MISSING, Started, haproxy, nginx, running
from tests.support.servers import Process
from tests.support.sites import answering, dial

VIN = "5YJ3TEST5PF000001"
pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(
        bool(MISSING), reason=f"{' and '.join(MISSING)} not installed: apt install nginx libnginx-mod-stream haproxy"
    ),
]


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Process]:
    with Process(world, VEHICLE_PORT="0", DASHBOARD_TLS="false") as process:
        yield process


@pytest.fixture
def vehicles(world: World, tmp_path: Path) -> Path:
    """A folder with the test vehicle, as `certs init` leaves it."""
    pair = world.vehicle(VIN)
    (tmp_path / "vehicles").mkdir()
    shutil.copy(pair.certificate, tmp_path / f"vehicles/{VIN}.pem")
    shutil.copy(pair.key, tmp_path / f"vehicles/{VIN}.key")
    return tmp_path


def report(world: World, folder: Path, port: int, dashboards: int) -> dict[str, Finding]:
    """What doctor finds at this port, by check."""
    case = DoctorOptions(
        environment={},
        now=datetime.datetime.now(datetime.UTC),
        url=f"https://{HOST}:{port}",
        dashboards=f"http://127.0.0.1:{dashboards}",
        address="127.0.0.1",
        ca=world.server_ca,
        certs=folder,
    )
    return {finding.check: finding for finding in examine(case)}


# ---- as they should be


SHIPPED: dict[str, tuple[Started, str, str]] = {
    "nginx": (nginx, "nginx.conf", "listen 443;"),
    "haproxy": (haproxy, "haproxy.cfg", "bind :443"),
}


@pytest.fixture(params=SHIPPED)
def front(request: pytest.FixtureRequest, server: Process, world: World, tmp_path: Path) -> Iterator[int]:
    """The shipped configuration; behind it the vehicles' port, and a web server that everybody else gets to see."""
    start, name, bind = SHIPPED[request.param]
    text, port = (ROOT / "deploy" / name).read_text(), free_port()
    site = world.pair(world.stranger, "www.example.com", usages=(SERVER_AUTH,), hosts=("www.example.com",))
    with web(site) as other:
        word, _, ending = bind.partition(":443" if ":443" in bind else "443")
        changes = {
            bind: f"{word}127.0.0.1:{port}{ending}",
            "127.0.0.1:8443": f"127.0.0.1:{server.place.vehicle_port}",
            "127.0.0.1:8444": f"127.0.0.1:{other}",
        }
        for before, after in changes.items():
            assert text.count(before) == 1, f"{before!r} stands in {name} once"
            text = text.replace(before, after)
        (tmp_path / name).write_text(text)
        with running(start, tmp_path / name, port):
            yield port


@contextlib.contextmanager
def web(pair: Pair) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with answering(context, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as port:
        yield port


def test_a_vehicles_certificate_arrives_and_the_vehicle_streams(front: int, server: Process, world: World) -> None:
    context = world.client(world.vehicle(VIN))
    with Place(server.place.port, 0).dashboard() as dashboard, Vehicle(dial(HOST, front, context), VIN) as vehicle:
        vehicle.tell({"VehicleSpeed": {"floatValue": 65.5}})
        event = dashboard.until("data")
    assert (event["vin"], event["data"]) == (VIN, {"VehicleSpeed": 65.5})


def test_doctor_is_content(front: int, server: Process, world: World, vehicles: Path) -> None:
    found = report(world, vehicles, front, server.place.port)
    assert {one.check for one in found.values() if one.state is State.WRONG} == set()
    assert found["test vehicle"].says == f"{VIN} can connect"


def test_other_names_go_to_the_web_server(front: int, world: World) -> None:
    context = ssl.create_default_context(cadata=world.stranger.pem.decode())
    with (
        socket.create_connection(("127.0.0.1", front), PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="www.example.com") as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
        assert secure.recv(1024).startswith(b"HTTP/1.1 200 OK")


# ---- as they should not be: HTTP proxies that end TLS


NGINX_HTTP = """
include /etc/nginx/modules-enabled/*.conf;
events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{
            proxy_pass https://127.0.0.1:{behind};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
}}
"""
HAPROXY_HTTP = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend public
    bind 127.0.0.1:{port} ssl crt {both}
    default_backend teslafast
backend teslafast
    server vehicles 127.0.0.1:{behind} ssl verify none
"""
ENDING: dict[str, tuple[Started, str]] = {"nginx": (nginx, NGINX_HTTP), "haproxy": (haproxy, HAPROXY_HTTP)}


@pytest.mark.parametrize("program", ENDING)
def test_behind_an_http_proxy_doctor_says_what_is_in_the_way(
    program: str, server: Process, world: World, vehicles: Path, tmp_path: Path
) -> None:
    start, text = ENDING[program]
    port, pair = free_port(), world.server
    (tmp_path / "both.pem").write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    config = tmp_path / "ending.conf"
    names = {"certificate": pair.certificate, "key": pair.key, "both": tmp_path / "both.pem"}
    config.write_text(text.format(port=port, behind=server.place.vehicle_port, **names))
    with running(start, config, port):
        found = report(world, vehicles, port, server.place.port)
    assert found["sent"].state is State.WELL  # the proxy has our certificate: that alone shows nothing
    assert found["asks"].state is State.WRONG
    assert "something in between ends TLS and keeps vehicles' certificates" in found["asks"].says
    assert "nginx `stream`, HAProxy `mode tcp`" in found["asks"].remedy
    assert found["test vehicle"].state is State.WRONG
    if program == "nginx":
        assert "by 'nginx" in found["asks"].says
