"""Connections that a trusted proxy passes on: whose address the log shows, which certificate counts, and what strangers claim."""

from __future__ import annotations

import base64
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.server.test_proxy_protocol import HEADERS, v2
from tests.support.certificates import EXPIRED, Authority, Pair, World
from tests.support.peers import Raw
from tests.support.servers import Inside

LOOPBACK = {"TRUSTED_PROXIES": "127.0.0.1"}
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
DER = serialization.Encoding.DER


def through(server: Inside, header: bytes, pair: Pair | None = None, step: int = 4096) -> Raw:
    """A socket to the vehicles' port, or to PORT if there is none: the header in pieces of `step` bytes, then TLS."""
    raw = server.place.bare(server.place.vehicle_port)
    raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for start in range(0, len(header), step):
        raw.send(header[start : start + step])
    tls = server.place.tls(pair)
    if tls is not None:
        raw.socket = tls.wrap_socket(raw.socket, server_hostname="localhost")
    return raw


# ---- PROXY protocol


@pytest.mark.parametrize("kind", HEADERS)
def test_the_header_names_the_client_before_tls(kind: str, world: World) -> None:
    header, client = HEADERS[kind]
    with Inside(world, VEHICLE_PORT="0", **LOOPBACK) as server, through(server, header, world.vehicle("device-1")) as raw:
        assert raw.upgrade("/").startswith(b"HTTP/1.1 101 ")
        (line,) = server.lines.wait_for("vehicle_connected")
    assert line["address"].startswith(
        f"{client[0]}:" if client and ":" not in client[0] else f"[{client[0]}]" if client else "127.0.0.1"
    )


@pytest.mark.parametrize("step", [1, 5, 13, 17])
@pytest.mark.parametrize("header", [V1, v2("192.0.2.1", 56324)], ids=["version 1", "version 2"])
def test_a_header_in_pieces_names_the_client_on_a_plain_port(header: bytes, step: int) -> None:
    with Inside(None, **LOOPBACK) as server, through(server, header, step=step) as raw:
        raw.send(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        assert raw.status() == 404
        assert server.lines.wait_for("request_refused")[0]["address"] == "192.0.2.1:56324"


def test_a_trusted_proxy_need_not_speak_it(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", **LOOPBACK) as server, server.place.vehicle("device-1"):
        assert server.lines.wait_for("vehicle_connected")[0]["address"].startswith("127.0.0.1:")


def test_a_check_that_connects_and_says_nothing_leaves_no_line() -> None:
    with Inside(None, **LOOPBACK) as server:
        server.place.bare().socket.close()
        assert server.place.get("/health").status == 200
        server.wait_until(lambda running: not len(running.listeners.pending))
        assert server.counts("refused_connections") == {}


@pytest.mark.parametrize("header", [b"PROXY TCP4 nobody\r\n", b"PROXY TC"])
def test_a_broken_or_unfinished_header_ends_the_connection_with_a_line(header: bytes) -> None:
    with Inside(None, **LOOPBACK) as server, through(server, header) as raw:
        with suppress(OSError):  # a broken one has been enough
            raw.socket.shutdown(socket.SHUT_WR)
        assert raw.rest() == b""
        assert "PROXY" in server.lines.wait_for("connection_refused", cause="proxy_header")[0]["reason"]
        assert server.counts("refused_connections") == {"proxy_header": 1}


def test_a_header_that_never_comes_ends_with_the_handshake_timeout() -> None:
    with Inside(None, HANDSHAKE_TIMEOUT="0.2", **LOOPBACK) as server, server.place.bare() as raw:
        assert raw.rest() == b""
        assert "HANDSHAKE_TIMEOUT" in server.lines.wait_for("connection_refused", cause="proxy_header")[0]["reason"]


@pytest.mark.parametrize("header", [V1, v2("192.0.2.1", 1)], ids=["version 1", "version 2"])
def test_a_header_of_anybody_else_is_named_where_tls_fails(header: bytes, world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", TRUSTED_PROXIES="10.0.0.1") as server:
        with server.place.bare(server.place.vehicle_port) as raw:
            raw.send(header + b"\x16\x03\x01")
            assert raw.rest() == b""
        (line,) = server.lines.wait_for("tls_failed", cause="not_tls")
        assert "PROXY protocol" in line["meaning"]
        assert "TRUSTED_PROXIES" in line["meaning"]
        assert line["address"].startswith("127.0.0.1:")


@pytest.mark.parametrize("header", [V1, v2("192.0.2.1", 1)], ids=["version 1", "version 2"])
def test_a_header_of_anybody_else_is_named_on_a_plain_port(header: bytes) -> None:
    with Inside() as server, server.place.bare() as raw:
        raw.send(header + b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert raw.status() == 400
        assert "TRUSTED_PROXIES" in server.lines.wait_for("request_refused", cause="not_http")[0]["reason"]


# ---- X-Forwarded-For


def test_each_request_of_a_kept_connection_names_its_own_client() -> None:
    with Inside(None, **LOOPBACK) as server, server.place.bare() as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        assert raw.head().startswith(b"HTTP/1.1 200 ")
        raw.send(b"GET /nothing HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.2\r\n\r\n")
        assert server.lines.wait_for("request_refused")[0]["address"] == "192.0.2.2"


def test_a_strangers_claim_is_ignored_and_counted() -> None:
    with Inside(TRUSTED_PROXIES="10.0.0.1") as server:
        assert server.place.get("/nothing", X_Forwarded_For="192.0.2.1").status == 404
        assert server.lines.wait_for("request_refused")[0]["address"].startswith("127.0.0.1:")
        assert server.counts("ignored_headers") == {"x-forwarded-for": 1}
        assert b'teslafast_proxy_headers_ignored_total{header="x-forwarded-for"} 1.0' in server.place.get("/metrics").body


# ---- Client-Cert


def sequence(certificate: x509.Certificate) -> str:
    return f":{base64.b64encode(certificate.public_bytes(DER)).decode()}:"


def header_of(pair: Pair) -> str:
    return f"Client-Cert: {sequence(x509.load_pem_x509_certificate(pair.certificate.read_bytes()))}"


def accepting(world: World, **more: str) -> Inside:
    """A server behind a proxy that ends TLS: production, a plain port, anchors."""
    return Inside(None, NODE_ENV="production", CA_PATH=str(world.anchors), **({"CLIENT_CERT_HEADER": "true"} | LOOPBACK | more))


def test_a_certificate_that_a_trusted_proxy_passes_on_is_a_vehicles(world: World) -> None:
    with accepting(world) as server, server.place.bare() as raw:
        assert raw.upgrade("/", header_of(world.vehicle("device-1")), "X-Forwarded-For: 192.0.2.1").startswith(b"HTTP/1.1 101 ")
        (line,) = server.lines.wait_for("vehicle_connected")
        assert (line["vin"], line["address"]) == ("device-1", "192.0.2.1")


def test_a_chain_is_followed_to_an_anchor_whatever_its_order(world: World) -> None:
    between = world.issuing.authority("Tesla Motors Product RSA Issuing CA")
    leaf = header_of(world.pair(between, "device-1"))
    with accepting(world) as server:
        for chain in (sequence(between.certificate), f"{sequence(world.issuing.certificate)}, {sequence(between.certificate)}"):
            with server.place.bare() as raw:
                assert raw.upgrade("/", leaf, f"Client-Cert-Chain: {chain}").startswith(b"HTTP/1.1 101 ")
        both = base64.b64encode(between.certificate.public_bytes(DER) + world.issuing.certificate.public_bytes(DER)).decode()
        with server.place.bare() as raw:
            assert raw.upgrade("/", leaf, f"Client-Cert-Chain: :{both}:").startswith(b"HTTP/1.1 101 "), "as HAProxy has it"
        with server.place.bare() as raw:
            assert raw.upgrade("/", leaf).startswith(b"HTTP/1.1 403 "), "without the CA between"


def altered(pair: Pair, part: str, other: str) -> str:
    """The header with a certificate in which some bytes are others (hex)."""
    der = x509.load_pem_x509_certificate(pair.certificate.read_bytes()).public_bytes(DER)
    assert bytes.fromhex(part) in der
    return f"Client-Cert: :{base64.b64encode(der.replace(bytes.fromhex(part), bytes.fromhex(other))).decode()}:"


def bad(world: World) -> dict[str, tuple[str, str]]:
    """Header, and what the log says of it."""
    stranger = Authority.root("Tesla Motors Product Issuing CA")
    return {
        "another CA": (header_of(world.pair(stranger, "device-1")), "not from a CA in CA_PATH"),
        "expired": (header_of(world.pair(world.issuing, "device-1", valid=EXPIRED)), "expired"),
        "for servers": (header_of(world.pair(world.issuing, "device-1", usages=("1.3.6.1.5.5.7.3.1",))), "TLS clients"),
        "no base64": ("Client-Cert: :!:", "certificate"),
        "no sequence": ("Client-Cert: abc", "byte sequence"),
        "PEM": (f"Client-Cert: {world.vehicle('device-1').certificate.read_text().replace(chr(10), ' ')}", "byte sequence"),
        "no certificate": ("Client-Cert: :AAAA:", "not a certificate"),
        "version 6": (altered(world.vehicle("device-1"), "a003020102", "a003020105"), "version"),
        "the same extension twice": (altered(world.vehicle("device-1"), "0603551d23", "0603551d0e"), "uplicate"),
        "an unknown signature": (altered(world.vehicle("device-1"), "2a8648ce3d040302", "2a8648ce3d040377"), "ignature"),
        "a chain alone": (header_of(world.vehicle("device-1")).replace("Cert", "Cert-Chain"), "client-cert"),
    }


FAULTS = ["another CA", "expired", "for servers", "no base64", "no sequence", "PEM", "no certificate", "a chain alone"]
UNREADABLE = ["version 6", "the same extension twice", "an unknown signature"]


@pytest.mark.parametrize("fault", FAULTS + UNREADABLE)
def test_a_certificate_that_does_not_verify_is_answered_403_and_the_log_says_why(fault: str, world: World) -> None:
    header, said = bad(world)[fault]
    with accepting(world) as server, server.place.bare() as raw:
        assert raw.upgrade("/", header).startswith(b"HTTP/1.1 403 ")
        assert said in server.lines.wait_for("request_refused", cause="certificate_header")[0]["reason"]


def test_two_leaves_are_answered_403(world: World) -> None:
    both = f"{header_of(world.vehicle('device-1'))}, {header_of(world.vehicle('device-2')).partition(' ')[2]}"
    with accepting(world) as server, server.place.bare() as raw:
        assert raw.upgrade("/", both).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("settings", [{"TRUSTED_PROXIES": "10.0.0.1"}, {"CLIENT_CERT_HEADER": "false"}])
def test_without_both_settings_the_header_is_ignored(settings: dict[str, str], world: World) -> None:
    with accepting(world, **settings) as server, server.place.bare() as raw:
        assert raw.upgrade("/", header_of(world.vehicle("device-1"))).startswith(b"HTTP/1.1 403 ")
        server.lines.wait_for("request_refused", cause="no_certificate")


def test_a_certificate_of_the_connection_beside_the_header_is_refused_loudly(world: World) -> None:
    with Inside(world, VEHICLE_PORT="0", CLIENT_CERT_HEADER="true", **LOOPBACK) as server:
        with server.place.raw(world.vehicle("device-1"), server.place.vehicle_port) as raw:
            assert raw.upgrade("/", header_of(world.vehicle("device-2"))).startswith(b"HTTP/1.1 403 ")
        assert server.lines.wait_for("request_refused", cause="two_certificates")[0]["level"] == "warning"


def test_anchors_that_change_are_used_for_the_next_header(world: World, tmp_path: Path) -> None:
    bundle = tmp_path / "anchors.pem"
    bundle.write_bytes(world.stranger.pem)
    with Inside(None, NODE_ENV="production", CA_PATH=str(bundle), CLIENT_CERT_HEADER="true", **LOOPBACK) as server:
        for anchor, status in ((None, b"403"), (world.issuing.pem, b"101"), (b"junk", b"101")):
            if anchor is not None:
                bundle.write_bytes(anchor)
                server.renew_certificates()
            with server.place.bare() as raw:
                assert raw.upgrade("/", header_of(world.vehicle("device-1"))).split()[1] == status
