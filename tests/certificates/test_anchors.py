"""The anchors of CA_PATH: which clients they let in, proved by handshakes."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from teslafast.certificates import anchors, peer
from teslafast.protocol.identity import identify

from tests.support import SHARED
from tests.support.certificates import CLIENT_AUTH, Pair, World
from tests.support.handshakes import Ends
from tests.support.tls import for_vehicles, refusal

BUNDLES = SHARED / "tesla" / "ca"


def test_an_issuing_ca_that_is_not_self_signed_is_accepted_as_an_anchor(world: World) -> None:
    ends = Ends(world.client(world.vehicle("device-1")), for_vehicles(world)).shake()
    shown = peer.peer_certificate(ends.server)
    assert shown is not None
    assert identify(shown).vin == "device-1"


def test_a_vehicle_certificate_without_key_usage_is_accepted(world: World) -> None:
    vehicle = world.pair(world.products, "device-9", usages=(), units=("Tesla Motors SN",))
    ends = Ends(world.client(vehicle), for_vehicles(world)).shake()
    shown = peer.peer_certificate(ends.server)
    assert shown is not None
    assert identify(shown).kind == "vehicle_board_device"


@pytest.mark.parametrize("flags", [ssl.VERIFY_DEFAULT, ssl.VERIFY_X509_PARTIAL_CHAIN])
def test_the_same_anchors_loaded_as_plain_certificates_would_refuse_it(world: World, flags: ssl.VerifyFlags) -> None:
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain.load_cert_chain(world.server.certificate, world.server.key)
    plain.verify_mode = ssl.CERT_REQUIRED
    plain.verify_flags |= flags
    plain.load_verify_locations(world.anchors)
    vehicle = world.pair(world.products, "device-9", usages=(), units=("Tesla Motors SN",))
    assert refusal(world, vehicle, plain)[0] == "purpose"


def test_vehicles_connect_under_strict_verification(world: World) -> None:
    context = for_vehicles(world)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for vehicle in (world.vehicle("device-1"), world.pair(world.products, "device-9", usages=(CLIENT_AUTH,))):
        Ends(world.client(vehicle), context).shake()


def test_an_intermediate_that_the_client_sends_completes_its_chain(world: World) -> None:
    between = world.issuing.authority("Tesla GF0 Product Access Issuing CA")
    leaf = world.pair(between, "device-2")
    chain = world.write("chain.pem", leaf.certificate.read_bytes() + between.pem)
    ends = Ends(world.client(Pair(chain, leaf.key)), for_vehicles(world)).shake()
    shown = peer.peer_certificate(ends.server)
    assert shown is not None
    assert shown.issuer == "Tesla GF0 Product Access Issuing CA"
    assert refusal(world, leaf)[0] == "unknown_ca"


@pytest.mark.parametrize("name", ["prod_ca.crt", "eng_ca.crt"])
def test_every_certificate_of_teslas_real_bundles_is_loaded(name: str) -> None:
    path = BUNDLES / name
    if not path.exists():
        pytest.skip("Tesla's public bundles are not in the repository; they lie beside it where this was developed")
    inside = x509.load_pem_x509_certificates(path.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert anchors.load_anchors(context, path) == len(inside) == {"prod_ca.crt": 14, "eng_ca.crt": 8}[name]
    assert context.cert_store_stats() == {"x509": len(inside), "crl": 0, "x509_ca": len(inside)}
    ders = [certificate.public_bytes(serialization.Encoding.DER) for certificate in inside]
    assert anchors.anchors(path) == ders


def test_anchors_in_openssls_trusted_form_are_loaded(world: World, tmp_path: Path) -> None:
    aux = bytes.fromhex("300c300a06082b06010505070302")
    body = base64.encodebytes(anchors.anchors(world.anchors)[0] + aux).decode()
    path = tmp_path / "trusted.pem"
    path.write_text(f"some words\n-----BEGIN TRUSTED CERTIFICATE-----\n{body}-----END TRUSTED CERTIFICATE-----\n")
    assert anchors.anchors(path) == anchors.anchors(world.anchors)[:1]
    Ends(world.client(world.vehicle("device-1")), for_vehicles(world, CA_PATH=str(path))).shake()
