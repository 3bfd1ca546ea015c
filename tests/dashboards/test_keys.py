"""Keys for tokens: each form that a file may have, and each key that would refuse every token later."""

from __future__ import annotations

import base64
import datetime
import hmac
import json
from contextlib import nullcontext
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from hypothesis import given
from hypothesis import strategies as st
from teslafast.config import Settings
from teslafast.dashboards.keys import MOST_KEYS, read_key_set, read_keys
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
    "a set of what nobody knows": (json.dumps({"keys": [{"kty": "AKP", "kid": "x"}, 7]}), "RS256", "key 'x': it cannot be read"),
    "a set with a shared secret": (json.dumps({"keys": [jwk(RSA), {"kty": "oct", "k": "c2VjcmV0"}]}), "RS256", "shared"),
    "a set with a private key": (json.dumps({"keys": [jwk(P256), jwk(RSA) | {"d": "AQAB"}]}), "RS256", "private"),
    "a set for encryption": (json.dumps({"keys": [jwk(RSA, use="enc")]}), "RS256", "no key"),
    "other operations": (json.dumps(jwk(RSA) | {"key_ops": ["encrypt"]}), "RS256", "key_ops"),
    "longer than OpenSSL verifies with": (json.dumps(jwk(RSA) | {"n": "_" * 2800}), "RS256", "16800 bits"),
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


# What an issuer may have in its set besides a key for us (RFC 7517, 5: "implementations SHOULD ignore JWKs …").
BESIDES: dict[str, tuple[Any, str | None]] = {
    "a kind of key that is newer": (
        {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA", "kid": "pq"},
        "key 'pq': it cannot be read",
    ),
    "no kty": ({"n": "AQAB"}, "key 1: it cannot be read"),
    "numbers in place of text": ({"kty": "RSA", "n": 5, "e": [7]}, "key 1: it cannot be read"),
    "half of a key": ({"kty": "EC", "crv": "P-256", "x": "AAAA"}, "key 1: it cannot be read"),
    "a point off its curve": (jwk(P256) | {"x": "A" * 43}, "key 1: it cannot be read"),
    "an unknown curve": (jwk(P256) | {"crv": "P-999"}, "key 1: it cannot be read"),
    "a curve for agreement": ({"kty": "OKP", "crv": "X25519", "x": "A" * 43}, "key 1"),
    "an unknown algorithm": (jwk(RSA, alg="RS1024"), "key 1: the key says that it is for RS1024"),
    "an algorithm that is no text": (jwk(RSA) | {"alg": ["RS256"]}, "key 1: the key says"),
    "encryption by its algorithm": (jwk(P256, alg="ECDH-ES", kid="e"), "key 'e': the key says that it is for ECDH-ES"),
    "encryption by its use": (jwk(RSA, use="enc"), None),
    "wrapping": (jwk(RSA) | {"key_ops": ["wrapKey"]}, "key 1: its key_ops"),
    "1024 bits": (jwk(SHORT), "key 1: its RSA key has 1024 bits"),
    "no object": ("key", "key 1: it is not a JWK"),
    "null": (None, "key 1: it is not a JWK"),
    "a name of megabytes": ({"kty": "?", "kid": "k" * 1_000_000}, "key 'kkk"),
}


@pytest.mark.parametrize("besides", BESIDES)
def test_a_key_that_is_not_understood_is_passed_over_and_named_and_the_others_count(besides: str) -> None:
    one, said = BESIDES[besides]
    text = json.dumps({"keys": [one, jwk(RSA, kid="same"), jwk(P256, kid="same"), jwk(RSA)]})
    found = read_key_set(text, ["RS256"], "keys.json")
    assert [key.algorithms for key in found.keys] == [("RS256",)] * 2
    named = [reason for reason in found.ignored if "'same'" not in reason]
    assert len(named) == (said is not None)
    assert all(reason.startswith(said or "") and len(reason) < 300 for reason in named)
    assert verifies(text, RSA, "RS256")


@pytest.mark.parametrize(
    "broken",
    [
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        pem(SHORT),
        "-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n",
    ],
)
def test_a_block_that_cannot_be_used_does_not_keep_the_others_from_it(broken: str) -> None:
    text = certificate(P256) + broken + pem(RSA)
    assert [verifies(text, key, name, "RS256,ES256") for key, name in ((P256, "ES256"), (RSA, "RS256"))] == [True, True]
    (reason,) = read_key_set(text, ["RS256", "ES256"], "keys.pem").ignored
    assert reason.startswith("block 2 (")


def test_several_lines_of_openssh_are_several_keys() -> None:
    text = f"{openssh(RSA)} me@here\n\n{openssh(P256)}\n# a remark\n"
    assert [verifies(text, key, name, "RS256,ES256") for key, name in ((P256, "ES256"), (RSA, "RS256"))] == [True, True]


def test_no_public_key_verifies_what_was_signed_with_its_text_as_a_secret() -> None:
    """Algorithm confusion: the token's header names HMAC, the secret is what everybody may read."""
    for text in (pem(RSA), json.dumps({"keys": [jwk(RSA, alg="HS256"), jwk(RSA)]})):
        settings = Settings.from_env({"JWT_ALGORITHMS": "RS256", "JWT_PUBLIC_KEY_PATH": "key.pem"})
        verifier = Verifier.from_settings(settings, text)
        for secret in (text, pem(RSA), pem(RSA).strip(), jwk(RSA)["n"]):
            part = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=") + b"."
            part += base64.urlsafe_b64encode(b'{"sub":"x","exp":%d}' % (NOW + 60)).rstrip(b"=")
            mac = base64.urlsafe_b64encode(hmac.digest(secret.encode(), part, "sha256")).rstrip(b"=")
            with pytest.raises(Refused):
                verifier.verify((part + b"." + mac).decode(), NOW)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
MEMBERS = ["kty", "alg", "use", "key_ops", "kid", "crv", "x", "y", "n", "e", "x5c"]


@given(
    st.lists(
        JSON_VALUES
        | st.dictionaries(st.sampled_from(MEMBERS), JSON_VALUES | st.sampled_from(["RSA", "EC", "OKP", "P-256", "sig", "AQAB"]))
    )
)
def test_whatever_a_set_holds_it_is_read_or_refused_in_words(keys: list[Any]) -> None:
    text = json.dumps({"keys": [*keys, jwk(P256)]})
    refused = any(isinstance(one, dict) and (one.get("kty") == "oct" or "d" in one) for one in keys)
    with pytest.raises(Misconfigured) if refused else nullcontext():
        assert read_keys(text, ["RS256", "ES256"], "keys.json")


def test_a_key_counts_for_those_algorithms_for_which_it_works() -> None:
    (key,) = read_keys(pem(RSA), ["RS256", "ES256", "PS256"], "key.pem")
    assert key.algorithms == ("RS256", "PS256")
