"""
What JWT_PUBLIC_KEY_PATH may hold, and the keys that tokens are verified with: each with the algorithms for which it works.

    PEM           public keys and certificates, as many as there are; a line of OpenSSH's
    JSON          a JWK, or a set of them ({"keys": […]}), as identity providers publish it

A key counts for an algorithm if a signature can be tried with it, here and now: what parses may still be of another kind, of
another curve, or too short, and would then refuse every token later. A key that cannot be read or used is passed over and named,
as RFC 7517 (5) wants it, because an issuer adds kinds of keys that we do not know; without one that can be used the file is
refused. So is a file with a private or shared key: whoever can verify must not be able to sign. Pure: the text is an argument.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import Misconfigured

MOST_KEYS = 16  # a provider has two or three; a bad token costs one try of a signature, some 0.1 ms, for each
LEAST_RSA_BITS = 2048  # RFC 7518, 3.3
MOST_RSA_BITS = 16_384  # OpenSSL verifies with no longer one, and refuses the signature then as if it were wrong
NAMED_BYTES = 64  # of a key's `kid`, in a message

_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_ALGORITHMS_OF_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "secp256k1": "ES256K"}
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_SIGNATURE_BYTES = 64  # of the signature that is tried: wrong for every key
_REMEDY = "give the issuer's public key or certificate as PEM, or its JWK set as JSON"


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """
    `key`: what PyJWT takes; `algorithms`: those of JWT_ALGORITHMS for which it works; `name`: the same for the same key, b"" for
    a secret.
    """

    key: Any
    algorithms: tuple[str, ...]
    name: bytes = b""


class KeySet(NamedTuple):
    """`keys`: those that work; `ignored`: which ones do not, and why, in words."""

    keys: tuple[VerifyingKey, ...]
    ignored: tuple[str, ...]


class _Found(NamedTuple):
    """A key in the file: `name` says which, `algorithm` is a JWK's own `alg`; `key` is None if it cannot be read (`fault`)."""

    name: str
    key: Any
    algorithm: object = None
    fault: str = ""


def read_keys(text: str, algorithms: Sequence[str], path: Path | str) -> tuple[VerifyingKey, ...]:
    """The keys in the text of JWT_PUBLIC_KEY_PATH that work for `algorithms`. Raises Misconfigured."""
    return read_key_set(text, algorithms, path).keys


def read_key_set(text: str, algorithms: Sequence[str], path: Path | str) -> KeySet:
    """What is in the text of JWT_PUBLIC_KEY_PATH. Raises Misconfigured if it is not to be used at all."""
    keys, ignored = [], []
    for found in _of_json(text, path) if text.lstrip()[:1] in ("{", "[") else _of_pem(text, path):
        usable, reasons = ((), [found.fault]) if found.fault else _usable(found.key, found.algorithm, algorithms)
        if usable:
            keys.append(VerifyingKey(found.key, usable, _name_of(found.key)))
        else:
            ignored.append(f"{found.name}: {reasons[0]}")
    if len(keys) > MOST_KEYS:
        raise _fault(f"{path} holds {len(keys)} keys, more than {MOST_KEYS}", "keep those that are in use")
    if not keys:
        fault = ignored[0] if ignored else "it holds no key"
        raise _fault(f"{path} does not hold a public key for {','.join(algorithms)}: {fault}", _REMEDY)
    return KeySet(tuple(keys), tuple(ignored))


def _name_of(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _usable(key: Any, named: object, algorithms: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The algorithms for which the key works, and why it does not work for the others. `named`: a JWK's own `alg`."""
    usable, reasons = [], []
    for name in algorithms:
        reason = f"the key says that it is for {named!s:.{NAMED_BYTES}}" if named not in (None, name) else _why_not(key, name)
        if reason is None:
            usable.append(name)
        else:
            reasons.append(reason)
    return tuple(usable), reasons


def _why_not(key: Any, algorithm: str) -> str | None:
    """Why this key cannot verify by this algorithm; None if it can."""
    bits = getattr(key, "key_size", 0)
    if algorithm[:2] in ("RS", "PS") and hasattr(key, "public_numbers") and not hasattr(key, "curve"):
        if bits < LEAST_RSA_BITS:
            return f"its RSA key has {bits} bits, fewer than {LEAST_RSA_BITS}"
        if bits > MOST_RSA_BITS:
            return f"its RSA key has {bits} bits, more than {MOST_RSA_BITS}"
    curve = getattr(getattr(key, "curve", None), "name", None)
    if algorithm in _CURVES and curve not in (None, _CURVES[algorithm]):
        return f"{algorithm} needs a key of the curve {_CURVES[algorithm]}, and it has one of {curve}"
    import jwt
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        method = jwt.get_algorithm_by_name(algorithm)
        prepared = method.prepare_key(key)
        method.verify(b"", prepared, bytes(_SIGNATURE_BYTES))
    except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
        return f"its key is of another kind than {algorithm} needs"
    return None


# ---- PEM


def _of_pem(text: str, path: Path | str) -> Iterator[_Found]:
    blocks = list(_PEM_BLOCK.finditer(text))
    if not blocks:
        yield from _of_openssh(text, path)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import InvalidVersion

    if any("PRIVATE KEY" in block[1] for block in blocks):
        raise _private(path)
    for number, block in enumerate(blocks, 1):
        name = f"block {number} ({block[1]})"
        try:
            yield _Found(name, _of_block(block[1], block[0].encode()))
        except (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm, InvalidVersion):
            yield _Found(name, None, fault="it cannot be read")


def _of_block(kind: str, pem: bytes) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    if kind in ("CERTIFICATE", "X509 CERTIFICATE"):
        return x509.load_pem_x509_certificate(pem.replace(b" X509 CERTIFICATE-", b" CERTIFICATE-")).public_key()
    return serialization.load_pem_public_key(pem)


def _of_openssh(text: str, path: Path | str) -> Iterator[_Found]:
    """A key a line."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise _fault(f"{path} does not hold a public key", _REMEDY)
    for number, line in lines:
        try:
            yield _Found(f"line {number}", serialization.load_ssh_public_key(line.strip().encode()))
        except (ValueError, UnsupportedAlgorithm):
            yield _Found(f"line {number}", None, fault="it is not a public key")


# ---- JSON Web Keys (RFC 7517)


def _of_json(text: str, path: Path | str) -> Iterator[_Found]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise _fault(f"{path} is not valid JSON", _REMEDY) from None
    members = said.get("keys", [said]) if isinstance(said, dict) else said
    if not isinstance(members, list):
        raise _fault(f"{path} is neither a JWK nor a JWK set", _REMEDY)
    if any(isinstance(one, dict) and (one.get("kty") == "oct" or "d" in one) for one in members):
        raise _private(path)
    for number, one in enumerate(members, 1):
        if isinstance(one, dict) and one.get("use", "sig") != "sig":
            continue  # for encryption: nothing to tell of
        yield _of_jwk(number, one)


def _of_jwk(number: int, one: object) -> _Found:
    if not isinstance(one, dict):
        return _Found(f"key {number}", None, fault="it is not a JWK")
    import jwt
    from cryptography.exceptions import UnsupportedAlgorithm

    name = f"key {str(one['kid'])[:NAMED_BYTES]!r}" if "kid" in one else f"key {number}"
    operations = one.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return _Found(name, None, fault="its key_ops do not name verify")
    unreadable = (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError, UnsupportedAlgorithm)
    try:
        return _Found(name, jwt.PyJWK(one, _algorithm_of(one)).key, one.get("alg"))
    except unreadable:
        return _Found(name, None, fault=f"it cannot be read (kty {str(one.get('kty'))[:NAMED_BYTES]!r})")


def _algorithm_of(key: dict[str, Any]) -> str | None:
    """What PyJWT needs to read it, whatever `alg` says; None where the key's type alone says so."""
    curve = str(key.get("crv"))
    return {"RSA": "RS256", "OKP": "EdDSA", "EC": _ALGORITHMS_OF_CURVES.get(curve)}.get(str(key.get("kty")))


def _private(path: Path | str) -> Misconfigured:
    remedy = "a server only verifies: give the public half (openssl pkey -in KEY -pubout), and keep the key with the issuer"
    return _fault(f"{path} holds a private or shared key", remedy)


def _fault(fault: str, remedy: str) -> Misconfigured:
    return Misconfigured("JWT_PUBLIC_KEY_PATH", fault, remedy)
