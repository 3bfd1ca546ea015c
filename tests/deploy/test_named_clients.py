"""
Real nginx and HAProxy name the client: by PROXY protocol before TLS, by X-Forwarded-For, and by its certificate (RFC 9440).

The clients connect from 127.0.0.9, the proxies from 127.0.0.1, which is trusted. Run by `make test-deploy`.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from tests.support.certificates import Pair, World
from tests.support.peers import PATIENCE_S, Connection, Vehicle
from tests.support.ports import free_port
from tests.support.proxies import MISSING, haproxy, nginx, running
from tests.support.servers import Process

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(
        bool(MISSING), reason=f"{' and '.join(MISSING)} not installed: apt install nginx libnginx-mod-stream haproxy"
    ),
]

CLIENT = "127.0.0.9"
TRUST = {"TRUSTED_PROXIES": "127.0.0.1/32"}
VIN = "5YJ3TEST5PF000001"

NGINX_TCP = """
include /etc/nginx/modules-enabled/*.conf;
events {{}}
stream {{
    server {{
        listen 127.0.0.1:{port};
        proxy_pass 127.0.0.1:{behind};
        proxy_protocol on;
    }}
}}
"""
HAPROXY_TCP = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend public
    bind 127.0.0.1:{port}
    default_backend teslafast
backend teslafast
    server vehicles 127.0.0.1:{behind} {send}
"""
NGINX_HTTP = """
events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
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
    bind 127.0.0.1:{port} {tls}
    option forwardfor
    http-request del-header Client-Cert
    http-request del-header Client-Cert-Chain
    {certificate}
    default_backend teslafast
backend teslafast
    server teslafast 127.0.0.1:{behind}
"""
PASSED_ON = """
    http-request set-header Client-Cert ":%[ssl_c_der,base64]:" if { ssl_c_used }
    http-request set-header Client-Cert-Chain ":%[ssl_c_chain_der,base64]:" if { ssl_c_used }
"""
TCP = {
    "nginx, version 1": (nginx, NGINX_TCP, ""),
    "haproxy, version 1": (haproxy, HAPROXY_TCP, "send-proxy"),
    "haproxy, version 2": (haproxy, HAPROXY_TCP, "send-proxy-v2"),
    "haproxy, version 2 with TLVs": (haproxy, HAPROXY_TCP, "send-proxy-v2 proxy-v2-options unique-id,crc32c"),
}


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S, source_address=(CLIENT, 0))


def vehicle(port: int, context: ssl.SSLContext) -> Vehicle:
    secure = context.wrap_socket(connected(port), server_hostname="localhost")
    return Vehicle(Connection(secure, ClientProtocol(parse_uri(f"wss://localhost:{port}/")), {}), VIN)


@pytest.fixture(scope="module")
def mutual(world: World) -> Iterator[Process]:
    with Process(world, VEHICLE_PORT="0", DASHBOARD_TLS="false", **TRUST) as process:
        yield process


@pytest.mark.parametrize("how", TCP)
def test_the_proxy_header_names_the_vehicles_address(how: str, mutual: Process, world: World, tmp_path: Path) -> None:
    start, text, send = TCP[how]
    port, config = free_port(), tmp_path / "proxy.conf"
    config.write_text(text.format(port=port, behind=mutual.place.vehicle_port, send=send))
    seen = len(mutual.lines.read)
    with running(start, config, port), vehicle(port, world.client(world.vehicle(VIN))) as car:
        car.tell({"VehicleSpeed": {"floatValue": 65.5}})
        local = car.connection._socket.getsockname()[1]
    addresses = [line["address"] for line in mutual.lines.read[seen:] if line["event"] == "vehicle_connected"]
    assert addresses == [f"{CLIENT}:{local}"]


@pytest.mark.parametrize(("start", "text"), [(nginx, NGINX_HTTP), (haproxy, HAPROXY_HTTP)], ids=["nginx", "haproxy"])
def test_x_forwarded_for_names_the_client_and_not_what_it_claims(start: object, text: str, tmp_path: Path) -> None:
    port, config = free_port(), tmp_path / "proxy.conf"
    with Process(None, **TRUST) as server:
        config.write_text(text.format(port=port, behind=server.place.port, tls="", certificate=""))
        with running(start, config, port):  # type: ignore[arg-type]
            asking = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S, source_address=(CLIENT, 0))
            asking.request("GET", "/nothing", headers={"X-Forwarded-For": "6.6.6.6"})
            assert asking.getresponse().status == 404
            asking.close()
            (line,) = server.lines.wait_for("request_refused", cause="unknown_path")
    assert line["address"] == CLIENT


def test_haproxy_passes_a_vehicles_certificate_on_and_the_server_verifies_it(world: World, tmp_path: Path) -> None:
    """HAProxy asks for a certificate and takes any: only the server knows which CA a vehicle's may be from."""
    port, config, pair = free_port(), tmp_path / "proxy.conf", world.server
    (tmp_path / "both.pem").write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    tls = f"ssl crt {tmp_path}/both.pem ca-file {world.anchors} verify optional ca-ignore-err all crt-ignore-err all"
    certificate = PASSED_ON
    between = world.issuing.authority("Tesla Motors Product RSA Issuing CA")
    below = world.pair(between, VIN)
    chain = Pair(world.write("with-chain.pem", below.certificate.read_bytes() + between.pem), below.key)
    settings = {"NODE_ENV": "production", "CA_PATH": str(world.anchors), "CLIENT_CERT_HEADER": "true"}
    with Process(None, **(settings | TRUST)) as server:
        config.write_text(HAPROXY_HTTP.format(port=port, behind=server.place.port, tls=tls, certificate=certificate))
        with running(haproxy, config, port):
            for count, shown in enumerate((world.vehicle(VIN), chain), 1):
                with vehicle(port, world.client(shown)) as car:
                    car.tell({"VehicleSpeed": {"floatValue": 65.5}})
                line = server.lines.wait_for("vehicle_connected", count)[-1]
                assert (line["vin"], line["address"]) == (VIN, CLIENT)
            with (
                connected(port) as plain,
                world.client(world.pair(world.stranger, VIN)).wrap_socket(plain, server_hostname="localhost") as bad,
            ):
                bad.sendall(
                    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                )
                assert bad.recv(64).startswith(b"HTTP/1.1 403 ")
            assert "CA_PATH" in server.lines.wait_for("request_refused", cause="certificate_header")[0]["reason"]
