"""A vehicle's connection ends with the first certificate of its chain, whoever has verified it, and so does what it resumes."""

from __future__ import annotations

import base64
import datetime
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from teslafast.server import _tls_chains

from tests.support.certificates import DAY, NOW, VALID, Authority, Pair, Validity, World
from tests.support.peer_connections import secured
from tests.support.peers import PATIENCE_S, Raw, upgrade_head
from tests.support.servers import Inside

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SHORT: Validity = (NOW - DAY, NOW + DAY)
ENDS_S = (NOW + DAY).timestamp()
ISSUING = "Tesla Motors Product Issuing CA"


@dataclass
class Chain:
    """`anchor` is in CA_PATH; the vehicle shows a leaf, and `between` if that is not the anchor."""

    anchor: Authority
    between: Authority
    pair: Pair

    @classmethod
    def made(cls, world: World, folder: Path, anchor: Validity, between: Validity | None, leaf: Validity) -> Chain:
        top = Authority.root("A root" if between else ISSUING, anchor)
        issuing = top.authority(ISSUING, valid=between) if between else top
        pair = world.pair(issuing, "device-1", valid=leaf)
        if between:
            whole = folder / "chain.pem"
            whole.write_bytes(pair.certificate.read_bytes() + issuing.pem)
            pair = Pair(whole, pair.key)
        return cls(top, issuing, pair)

    def settings(self, world: World, folder: Path) -> dict[str, str]:
        bundle = folder / "bundle.pem"
        bundle.write_bytes(self.anchor.pem)
        return world.environment | {"CA_PATH": str(bundle), "VEHICLE_PORT": "0"}


CHAINS = {
    "the anchor ends first": (SHORT, None, VALID),
    "the issuer ends first": (VALID, SHORT, VALID),
    "the root ends first": (SHORT, VALID, VALID),
    "the leaf ends first": (VALID, VALID, SHORT),
}


@pytest.fixture(params=CHAINS)
def chain(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Chain:
    return Chain.made(world, tmp_path, *CHAINS[request.param])


def connected(server: Inside, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Raw:
    plain = socket.create_connection(("127.0.0.1", server.place.vehicle_port), PATIENCE_S)
    return Raw(secured(context, plain, session))


def asked(server: Inside, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[int, ssl.SSLSession | None]:
    """What it is answered, and what it can resume then."""
    with connected(server, context, session) as raw:
        raw.send(upgrade_head("/"))
        assert isinstance(raw.socket, ssl.SSLSocket)
        return raw.status(), raw.socket.session


def client(world: World, pair: Pair, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = world.client(pair)
    context.minimum_version = context.maximum_version = version
    return context


def ends(server: Inside) -> list[float]:
    return server.ask(lambda running: [one._ends_at for one in running.hub.connections.vehicles])  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_connection_ends_with_the_first_of_its_chain_and_a_resumed_one_too(
    world: World, tmp_path: Path, chain: Chain, version: ssl.TLSVersion
) -> None:
    with Inside(world, **chain.settings(world, tmp_path)) as server:
        context = client(world, chain.pair, version)
        with connected(server, context) as raw:
            raw.send(upgrade_head("/"))
            assert raw.status() == 101
            assert ends(server) == [ENDS_S]
            assert isinstance(raw.socket, ssl.SSLSocket)
            session = raw.socket.session
        server.lines.wait_for("vehicle_disconnected")
        with connected(server, context, session) as again:
            again.send(upgrade_head("/"))
            assert again.status() == 101
            assert isinstance(again.socket, ssl.SSLSocket)
            assert again.socket.session_reused
            assert ends(server) == [ENDS_S]


def test_a_passed_on_certificate_ends_with_the_first_of_its_chain(world: World, tmp_path: Path, chain: Chain) -> None:
    def sequence(certificate: x509.Certificate) -> str:
        return f":{base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()}:"

    leaf = x509.load_pem_x509_certificate(chain.pair.certificate.read_bytes())
    headers = [f"Client-Cert: {sequence(leaf)}", f"Client-Cert-Chain: {sequence(chain.between.certificate)}"]
    proxied = {"CLIENT_CERT_HEADER": "true", "TRUSTED_PROXIES": "127.0.0.1", "NODE_ENV": "production"}
    bundle = chain.settings(world, tmp_path)["CA_PATH"]
    with Inside(None, **proxied, CA_PATH=bundle) as server, server.place.bare() as raw:
        assert raw.upgrade("/", *headers).startswith(b"HTTP/1.1 101 ")
        assert ends(server) == [ENDS_S]


@pytest.mark.faults
@pytest.mark.parametrize("version", VERSIONS)
def test_in_real_time_the_connection_ends_and_its_session_lets_nobody_in(
    world: World, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    soon = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(seconds=3)
    chain = Chain.made(world, tmp_path, (NOW - DAY, soon), None, VALID)
    with Inside(world, **chain.settings(world, tmp_path)) as server:
        context = client(world, chain.pair, version)
        with connected(server, context) as raw:
            raw.send(upgrade_head("/"))
            assert raw.status() == 101
            assert isinstance(raw.socket, ssl.SSLSocket)
            session = raw.socket.session
            assert raw.close_code() == 1008
        server.lines.wait_for("vehicle_disconnected", cause="certificate_expired")
        if version is ssl.TLSVersion.TLSv1_3:
            status, session = asked(server, context, session)
            assert status == 403
        try:
            status, _ = asked(server, context, session)
        except (OSError, EOFError):
            server.lines.wait_for("tls_failed", cause="expired")
        else:
            assert status == 403  # OpenSSL's clock lags some ms behind the server's own


def test_who_shows_no_certificate_has_no_end(world: World) -> None:
    with Inside(world) as server:
        assert server.place.get("/health").status == 200
        assert server.ask(lambda _: _tls_chains.ends_at()) is None
