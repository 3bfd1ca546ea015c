"""The public half of an app's key: what a file may hold, and what is said of everything else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from teslafast.certificates.app_key import LARGEST_KEY_FILE, public_pem

KEY = ec.generate_private_key(ec.SECP256R1())
_PEM = serialization.Encoding.PEM
PRIVATE = KEY.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
OLD_PRIVATE = KEY.private_bytes(_PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
LOCKED = KEY.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret"))


def pem(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


PUBLIC = pem(KEY.public_key())
OTHERS = {
    "P-384": (pem(ec.generate_private_key(ec.SECP384R1()).public_key()), "secp384r1"),
    "secp256k1, whose keys are as long": (pem(ec.generate_private_key(ec.SECP256K1()).public_key()), "secp256k1"),
    "RSA": (pem(rsa.generate_private_key(65537, 2048).public_key()), "RSA"),
    "Ed25519": (pem(ed25519.Ed25519PrivateKey.generate().public_key()), "Ed25519"),
}


def fault(content: bytes) -> str:
    with pytest.raises(ValueError, match=r"\A(holds|is) [^\n]+\Z") as caught:
        public_pem(content)
    return str(caught.value)


def served(content: bytes) -> bytes | None:
    """None if it is refused: by a ValueError, and no other exception."""
    try:
        return public_pem(content)
    except ValueError:
        return None


def test_a_public_key_as_openssl_writes_it_comes_out_unchanged() -> None:
    assert public_pem(PUBLIC) == PUBLIC
    assert len(PUBLIC) == 178


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + PUBLIC,
        PUBLIC.replace(b"\n", b"\r\n"),
        b"Bag Attributes\n" + PUBLIC + b"\n\nof the car\n",
        PUBLIC.strip(),
    ],
    ids=["with a byte order mark", "with Windows' line ends", "with words around it", "without a last line end"],
)
def test_the_key_is_written_anew_and_nothing_else_of_the_file_with_it(content: bytes) -> None:
    assert public_pem(content) == PUBLIC


@pytest.mark.parametrize("private", [PRIVATE, OLD_PRIVATE, LOCKED], ids=["PKCS 8", "SEC 1", "encrypted"])
def test_a_private_key_is_refused_also_beside_a_public_one(private: bytes) -> None:
    for content in (private, PUBLIC + private, private + PUBLIC):
        assert fault(content) == "holds a private key, which must not be served"


@pytest.mark.parametrize("kind", OTHERS)
def test_a_key_of_another_kind_or_curve_is_refused_by_its_name(kind: str) -> None:
    content, named = OTHERS[kind]
    assert named in fault(content)
    assert "P-256" in fault(content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no public key in PEM"),
        (b"<html>Not found</html>", "holds no public key in PEM"),
        (PUBLIC + PUBLIC, "holds 2 public keys"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "holds a certificate, not a public key"),
        (PUBLIC[:100], "cannot be read"),
        (b" " * (LARGEST_KEY_FILE + 1), "is larger than"),
    ],
    ids=["empty", "a page", "two keys", "a certificate", "half a key", "too large"],
)
def test_a_file_that_is_no_key_is_refused_in_one_line(content: bytes, says: str) -> None:
    assert says in fault(content)


@given(st.binary(max_size=400), st.integers(0, len(PUBLIC)))
def test_whatever_a_file_holds_there_is_a_key_or_a_refusal(noise: bytes, at: int) -> None:
    for content in (noise, PUBLIC[:at] + noise + PUBLIC[at:]):
        if (kept := served(content)) is not None:
            assert kept.startswith(b"-----BEGIN PUBLIC KEY-----\n")
