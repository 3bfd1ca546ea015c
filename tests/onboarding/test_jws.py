"""The signature on a vehicle's config: known answers, laws, forgeries; and keys that cannot sign one."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from hypothesis import given, settings
from hypothesis import strategies as st
from teslafast.errors import Misconfigured
from teslafast.onboarding import jws

from tests.support import DATA

# The constants of Tesla's own unit tests, and one whole token that an independent implementation of the scheme made.
KNOWN = json.loads((DATA / "jws_known_answers.json").read_text())
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

keys = st.integers(1, ORDER - 1).map(lambda scalar: ec.derive_private_key(scalar, ec.SECP256R1()))
few = settings(max_examples=20, deadline=None)  # a verification takes 20 ms: it is made to be read, not to be fast


def key_of(case: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(KNOWN[case]["private_scalar_hex"], 16), ec.SECP256R1())


def pem_of(key: PrivateKeyTypes, password: bytes | None = None) -> bytes:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


def test_teslas_own_constant_is_reproduced_to_the_byte() -> None:
    known = KNOWN["kat1_sign"]
    assert jws.public_bytes(key_of("kat1_sign")).hex() == known["public_key_hex"]
    assert jws.sign(key_of("kat1_sign"), known["message_utf8"].encode()).hex() == known["signature_hex"]


def test_the_nonce_is_that_of_rfc_6979() -> None:
    known = KNOWN["kat2_rfc6979_nonce"]
    assert jws.nonce(int(known["private_scalar_hex"], 16), known["message_utf8"].encode()) == int(known["nonce_hex"], 16)


def test_a_whole_token_is_reproduced_to_the_byte() -> None:
    known = KNOWN["kat3_jws"]
    claims = {name: value for name, value in known["claims"].items() if name not in ("iss", "aud")}
    assert jws.token(claims, key_of("kat3_jws")) == known["token"]


def test_issuer_and_audience_are_ours_to_set() -> None:
    known = KNOWN["kat3_jws"]
    assert jws.token(known["claims"] | {"iss": "another", "aud": "another"}, key_of("kat3_jws")) == known["token"]


def test_a_token_for_one_vehicle_names_it_as_its_audience() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    part = jws.token({}, key, "com.tesla.vehicle.VIN.TelemetryClient").split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=="))
    assert claims["aud"] == "com.tesla.vehicle.VIN.TelemetryClient"
    assert base64.b64decode(claims["iss"]) == jws.public_bytes(key)


@few
@given(keys, st.binary(max_size=300))
def test_what_is_signed_verifies_and_is_always_the_same(key: ec.EllipticCurvePrivateKey, message: bytes) -> None:
    signature = jws.sign(key, message)
    assert len(signature) == 96
    assert jws.verify(jws.public_bytes(key), message, signature)
    assert jws.sign(key, message) == signature


@few
@given(keys, keys, st.binary(max_size=40), st.integers(0, 96 * 8 - 1))
def test_any_flipped_bit_other_message_or_other_key_is_refused(
    key: ec.EllipticCurvePrivateKey, other: ec.EllipticCurvePrivateKey, message: bytes, bit: int
) -> None:
    signature = jws.sign(key, message)
    flipped = bytes(byte ^ (0x80 >> bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(signature))
    public = jws.public_bytes(key)
    assert not jws.verify(public, message, flipped)
    assert not jws.verify(public, message + b"\0", signature)
    assert jws.public_bytes(other) == public or not jws.verify(jws.public_bytes(other), message, signature)


@few
@given(keys, st.binary(max_size=40))
def test_openssl_finds_the_same_points(key: ec.EllipticCurvePrivateKey, message: bytes) -> None:
    """V = cA + rG, with OpenSSL for cA (by its x, which is what ECDH gives) and for rG: a second opinion on our arithmetic."""
    signature = jws.sign(key, message)
    rest = int.from_bytes(signature[64:], "big")
    generator, commitment = jws.public_bytes(ec.derive_private_key(1, ec.SECP256R1())), b"\x04" + signature[:64]
    items = (generator, commitment, jws.public_bytes(key), message)
    digest = hashlib.sha256(b"".join(len(item).to_bytes(4, "big") + item for item in items)).digest()
    challenge = ec.derive_private_key(int.from_bytes(digest, "big") % ORDER, ec.SECP256R1())
    x_of_ca = int.from_bytes(challenge.exchange(ec.ECDH(), key.public_key()), "big")
    rg = ec.derive_private_key(rest, ec.SECP256R1()).public_key().public_numbers()
    v = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), commitment).public_numbers()
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    # cA = V - rG, so its x is ((y_V + y_rG) / (x_rG - x_V))² - x_V - x_rG
    slope = (v.y + rg.y) * pow(rg.x - v.x, -1, p)
    assert (slope * slope - v.x - rg.x) % p == x_of_ca


@pytest.mark.parametrize("signature", [b"", b"\0" * 96, b"\xff" * 96, b"\0" * 95, b"\0" * 97])
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    assert not jws.verify(jws.public_bytes(key_of("kat1_sign")), b"hello world", signature)


@pytest.mark.parametrize("public", [b"", b"\x04" + b"\1" * 64, b"\x02" + b"\1" * 32])
def test_what_is_no_public_key_is_refused(public: bytes) -> None:
    signature = bytes.fromhex(KNOWN["kat1_sign"]["signature_hex"])
    assert not jws.verify(public, b"hello world", signature)


def test_a_rest_of_the_order_or_more_is_refused() -> None:
    """Each signature has one spelling."""
    known = KNOWN["kat1_sign"]
    beyond = bytes.fromhex(known["signature_hex"])[:64] + ORDER.to_bytes(32, "big")
    assert not jws.verify(bytes.fromhex(known["public_key_hex"]), b"hello world", beyond)


def test_a_p_256_key_is_taken_in_both_of_openssls_forms() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    older = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    for pem in (pem_of(key), older):
        assert jws.public_bytes(jws.load_key(pem, "--key")) == jws.public_bytes(key)


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (pem_of(ec.generate_private_key(ec.SECP384R1())), "on the curve secp384r1, Tesla accepts only P-256"),
        (pem_of(ec.generate_private_key(ec.SECP256K1())), "on the curve secp256k1, Tesla accepts only P-256"),
        (pem_of(rsa.generate_private_key(65537, 2048)), "an RSA key, Tesla accepts only EC keys"),
        (pem_of(ed25519.Ed25519PrivateKey.generate()), "an Ed25519 key, Tesla accepts only EC keys"),
        (pem_of(ec.generate_private_key(ec.SECP256R1()), b"secret"), "is encrypted"),
        (
            ec.generate_private_key(ec.SECP256R1())
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            "is a public key",
        ),
        (b"no key at all", "holds no private key in PEM"),
    ],
    ids=["P-384", "secp256k1", "RSA", "Ed25519", "encrypted", "public", "text"],
)
def test_a_wrong_curve_or_kind_of_key_is_refused_in_words(pem: bytes, words: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        jws.load_key(pem, "private-key.pem")
    assert words in str(refused.value)
    assert "openssl" in refused.value.remedy


def test_a_signature_that_does_not_hold_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jws, "verify", lambda *_: False)
    with pytest.raises(ArithmeticError):
        jws.sign(key_of("kat1_sign"), b"hello world")


def test_our_signature_is_not_ecdsa() -> None:
    """The same key's ECDSA signature is no Tesla.SS256 one, whatever its length."""
    key = ec.generate_private_key(ec.SECP256R1())
    assert not jws.verify(jws.public_bytes(key), b"m", key.sign(b"m", ec.ECDSA(hashes.SHA256())))
