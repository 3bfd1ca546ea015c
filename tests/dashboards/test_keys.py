"""Keys for tokens: each form that a file may have, and each key that would refuse every token later."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from teslafast.config import Settings
from teslafast.dashboards.keys import MOST_KEYS, read_keys
from teslafast.dashboards.tokens import Verifier
from teslafast.errors import Misconfigured, Refused

NOW = 1_800_000_000.0
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 — to be refused
P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
SPKI, PKCS1 = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1


def pem(key: Any, form: serialization.PublicFormat = SPKI) -> str:
    return str(key.public_key().public_bytes(PEM, form).decode())


def private(key: Any, form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> str:
    return str(key.private_bytes(PEM, form, serialization.NoEncryption()).decode())


def openssh(key: Any) -> str:
    return str(key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode())


def certificate(key: Any) -> str:
    name = x509.Name([])
    begun = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = begun.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=9)).sign(P256, hashes.SHA256())
    return made.public_bytes(PEM).decode()


def jwk(key: Any, **members: str) -> dict[str, Any]:
    kinds: dict[type, Any] = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
    }
    kind = next((kind for base, kind in kinds.items() if isinstance(key, base)), jwt.algorithms.OKPAlgorithm)
    made: dict[str, Any] = json.loads(kind.to_jwk(key.public_key()))
    return made | members


def verifies(text: str, key: Any, algorithm: str, allowed: str | None = None) -> bool:
    """Whether a token that this key signed verifies with the file of this text."""
    settings = Settings.from_env({"JWT_ALGORITHMS": allowed or algorithm, "JWT_PUBLIC_KEY_PATH": "key.pem"})
    token = jwt.encode({"sub": "somebody", "exp": NOW + 60}, key, algorithm=algorithm)
    return Verifier.from_settings(settings, text).verify(token, NOW).sub == "somebody"


FORMS = {
    "PEM": (pem(RSA), RSA, "RS256"),
    "PKCS1": (pem(RSA, PKCS1), RSA, "PS512"),
    "PEM with text around it": (f"# our key\r\n{pem(P256)}\n", P256, "ES256"),
    "Ed25519": (pem(ED), ED, "EdDSA"),
    "certificate": (certificate(RSA), RSA, "RS384"),
    "certificate of an elliptic key": (certificate(P256), P256, "ES256"),
    "OpenSSH": (openssh(RSA), RSA, "RS256"),
    "JWK": (json.dumps(jwk(RSA)), RSA, "RS256"),
    "JWK of an elliptic key": (json.dumps(jwk(P384, kid="a", alg="ES384", use="sig")), P384, "ES384"),
    "JWK of Ed25519": (json.dumps(jwk(ED)), ED, "EdDSA"),
    "JWK set": (json.dumps({"keys": [jwk(RSA, use="enc"), jwk(P256), jwk(RSA, kid="b")]}), RSA, "RS256"),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_public_key_verifies_tokens(form: str) -> None:
    assert verifies(*FORMS[form])


def test_each_of_several_keys_verifies_and_no_other() -> None:
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    text = "".join(map(pem, keys)) + certificate(P256)
    for key, algorithm in ((keys[0], "RS256"), (keys[1], "RS256"), (P256, "ES256")):
        assert verifies(text, key, algorithm, "RS256,ES256")
    with pytest.raises(Refused, match="signature"):
        verifies(text, RSA, "RS256", "RS256,ES256")


def other_curve() -> str:
    """A key of P-256 whose curve has another name."""
    known, other = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030177")
    der = P256.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = base64.encodebytes(der.replace(known, other)).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n"


USELESS = {
    "a private key": (private(RSA), "RS256", "private"),
    "a private key of PKCS1": (private(RSA, serialization.PrivateFormat.TraditionalOpenSSL), "RS256", "private"),
    "a private key beside its public half": (pem(P256) + private(P256), "ES256", "private"),
    "a private JWK": (json.dumps(jwk(RSA) | {"d": "AQAB"}), "RS256", "private"),
    "a shared secret as JWK": (json.dumps({"kty": "oct", "k": "c2VjcmV0"}), "RS256", "shared"),
    "1024 bits": (pem(SHORT), "RS256", "1024 bits"),
    "1024 bits in a certificate": (certificate(SHORT), "PS256", "1024 bits"),
    "1024 bits as JWK": (json.dumps(jwk(SHORT)), "RS256", "1024 bits"),
    "another kind": (pem(P256), "RS256", "another kind"),
    "another kind, the other way round": (pem(RSA), "ES256", "another kind"),
    "another curve": (pem(P384), "ES256", "secp384r1"),
    "a JWK for another algorithm": (json.dumps(jwk(RSA, alg="RS512")), "RS256", "RS512"),
    "a key for agreement": (pem(x25519.X25519PrivateKey.generate()), "EdDSA", "another kind"),
    "DSA": (pem(dsa.generate_private_key(2048)), "RS256", "another kind"),
    "Ed448 for Ed25519": (pem(ed448.Ed448PrivateKey.generate()), "Ed25519", ""),
    "a broken block": ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "RS256", "cannot be read"),
    "a curve that nobody knows": (other_curve(), "ES256", "cannot be read"),
    "a broken JWK": ('{"kty":"RSA","n":"!"}', "RS256", "cannot be read"),
    "broken JSON": ("{", "RS256", "JSON"),
    "a list of numbers": ("[1]", "RS256", "JWK"),
    "an empty set": ('{"keys":[]}', "RS256", "no key"),
    "nothing": ("", "RS256", "public key"),
    "too many": (pem(P256) * (MOST_KEYS + 1), "ES256", "more than"),
}


@pytest.mark.parametrize("fault", USELESS)
def test_a_key_that_would_refuse_every_token_stops_the_start(fault: str) -> None:
    text, algorithm, said = USELESS[fault]
    with pytest.raises(Misconfigured) as caught:
        read_keys(text, [algorithm], "key.pem")
    assert caught.value.subject == "JWT_PUBLIC_KEY_PATH"
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_counts_for_those_algorithms_for_which_it_works() -> None:
    (key,) = read_keys(pem(RSA), ["RS256", "ES256", "PS256"], "key.pem")
    assert key.algorithms == ("RS256", "PS256")
