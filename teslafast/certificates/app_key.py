"""
The public half of an app's key, as Tesla wants to find it: PEM of an EC key on the curve P-256, and nothing else.

Whatever else a file holds must not be served: a private key least of all. So a file is read for the key alone, and the key is
written anew. Pure.
"""

from __future__ import annotations

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

LARGEST_KEY_FILE = 16 * 1024  # bytes: a public key has 178; who gives a file of another kind is told so at once

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----")


def public_pem(content: bytes) -> bytes:
    """The key in the file as PEM, 178 bytes. Raises ValueError, whose text says what the file holds instead."""
    if len(content) > LARGEST_KEY_FILE:
        raise ValueError(f"is larger than {LARGEST_KEY_FILE} bytes, and a public key has 178")
    labels = [begin[1].decode("ascii") for begin in _BEGIN.finditer(content)]
    if any(label.endswith("PRIVATE KEY") for label in labels):
        raise ValueError("holds a private key, which must not be served")
    if labels.count("PUBLIC KEY") != 1:
        raise ValueError(_instead(labels))
    try:
        key = serialization.load_pem_public_key(content[content.index(b"-----BEGIN PUBLIC KEY-----") :])
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("holds a public key that cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        kind = type(key).__name__.removeprefix("_").removesuffix("PublicKey")
        raise ValueError(f"holds a key of the kind {kind}, and Tesla accepts only EC keys on the curve P-256 (prime256v1)")
    if not isinstance(key.curve, ec.SECP256R1):
        raise ValueError(f"holds a key on the curve {key.curve.name}, and Tesla accepts only P-256 (prime256v1)")
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _instead(labels: list[str]) -> str:
    if labels.count("PUBLIC KEY") > 1:
        return f"holds {labels.count('PUBLIC KEY')} public keys, and an app has one"
    return f"holds a {labels[0].lower()}, not a public key" if labels else "holds no public key in PEM"
