"""
What JWT_PUBLIC_KEY_PATH may hold, and the keys that tokens are verified with: each with the algorithms for which it works.

    PEM           public keys and certificates, as many as there are; a line of OpenSSH's
    JSON          a JWK, or a set of them ({"keys": […]}), as identity providers publish it

A key counts for an algorithm if a signature can be tried with it, here and now: what parses may still be of another kind, of
another curve, or too short, and would then refuse every token later. A private key is refused: whoever can verify must not be
able to sign. Pure: the text is an argument.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Misconfigured

MOST_KEYS = 16  # a provider has two or three; a bad token costs one try of a signature, some 0.1 ms, for each
LEAST_RSA_BITS = 2048  # RFC 7518, 3.3

_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_SIGNATURE_BYTES = 64  # of the signature that is tried: wrong for every key
_REMEDY = "give the issuer's public key or certificate as PEM, or its JWK set as JSON"


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """`key`: what PyJWT takes; `algorithms`: those of JWT_ALGORITHMS for which it works."""

    key: Any
    algorithms: tuple[str, ...]


def read_keys(text: str, algorithms: Sequence[str], path: Path | str) -> tuple[VerifyingKey, ...]:
    """The keys in the text of JWT_PUBLIC_KEY_PATH that work for `algorithms`. Raises Misconfigured."""
    found = list(_of_json(text, path) if text.lstrip()[:1] in ("{", "[") else _of_pem(text, path))
    if len(found) > MOST_KEYS:
        raise _fault(f"{path} holds {len(found)} keys, more than {MOST_KEYS}", "keep those that are in use")
    keys, reasons = [], []
    for key, named in found:
        usable, why_not = _usable(key, named, algorithms)
        if usable:
            keys.append(VerifyingKey(key, usable))
        reasons += why_not
    if not keys:
        fault = reasons[0] if reasons else "it holds no key"
        raise _fault(f"{path} does not hold a public key for {','.join(algorithms)}: {fault}", _REMEDY)
    return tuple(keys)


def _usable(key: Any, named: str | None, algorithms: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The algorithms for which the key works, and why it does not work for the others. `named`: a JWK's own `alg`."""
    usable, reasons = [], []
    for name in algorithms:
        reason = f"the key says that it is for {named}" if named not in (None, name) else _why_not(key, name)
        if reason is None:
            usable.append(name)
        else:
            reasons.append(reason)
    return tuple(usable), reasons


def _why_not(key: Any, algorithm: str) -> str | None:
    """Why this key cannot verify by this algorithm; None if it can."""
    bits = getattr(key, "key_size", 0)
    if algorithm[:2] in ("RS", "PS") and hasattr(key, "public_numbers") and not hasattr(key, "curve") and bits < LEAST_RSA_BITS:
        return f"its RSA key has {bits} bits, fewer than {LEAST_RSA_BITS}"
    curve = getattr(getattr(key, "curve", None), "name", None)
    if algorithm in _CURVES and curve not in (None, _CURVES[algorithm]):
        return f"{algorithm} needs a key of the curve {_CURVES[algorithm]}, and it has one of {curve}"
    import jwt

    try:
        method = jwt.get_algorithm_by_name(algorithm)
        prepared = method.prepare_key(key)
        method.verify(b"", prepared, bytes(_SIGNATURE_BYTES))
    except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError, AttributeError):
        return f"its key is of another kind than {algorithm} needs"
    return None


# ---- PEM


def _of_pem(text: str, path: Path | str) -> Iterator[tuple[Any, str | None]]:
    blocks = list(_PEM_BLOCK.finditer(text))
    if not blocks:
        yield _of_openssh(text, path), None
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import InvalidVersion

    for block in blocks:
        if "PRIVATE KEY" in block[1]:
            raise _private(path)
        try:
            yield _of_block(block[1], block[0].encode()), None
        except (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm, InvalidVersion):
            raise _fault(f"{path}: the block {block[1]!r} cannot be read", _REMEDY) from None


def _of_block(kind: str, pem: bytes) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    if kind in ("CERTIFICATE", "X509 CERTIFICATE"):
        return x509.load_pem_x509_certificate(pem.replace(b" X509 CERTIFICATE-", b" CERTIFICATE-")).public_key()
    return serialization.load_pem_public_key(pem)


def _of_openssh(text: str, path: Path | str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        return serialization.load_ssh_public_key(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _fault(f"{path} does not hold a public key", _REMEDY) from None


# ---- JSON Web Keys (RFC 7517)


def _of_json(text: str, path: Path | str) -> Iterator[tuple[Any, str | None]]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise _fault(f"{path} is not valid JSON", _REMEDY) from None
    members = said.get("keys", [said]) if isinstance(said, dict) else said
    if not isinstance(members, list) or not all(isinstance(one, dict) for one in members):
        raise _fault(f"{path} is neither a JWK nor a JWK set", _REMEDY)
    import jwt

    for one in members:
        if one.get("use", "sig") != "sig":
            continue  # for encryption
        if one.get("kty") == "oct" or "d" in one:
            raise _private(path)
        try:
            yield jwt.PyJWK(one, _algorithm_of(one)).key, one.get("alg")
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            raise _fault(f"{path}: its key {str(one.get('kid', ''))[:64]!r} cannot be read", _REMEDY) from None


def _algorithm_of(key: dict[str, Any]) -> str | None:
    """What PyJWT needs to read it; None where the key's type alone says so."""
    return {"RSA": "RS256"}.get(str(key.get("kty")))


def _private(path: Path | str) -> Misconfigured:
    remedy = "a server only verifies: give the public half (openssl pkey -in KEY -pubout), and keep the key with the issuer"
    return _fault(f"{path} holds a private or shared key", remedy)


def _fault(fault: str, remedy: str) -> Misconfigured:
    return Misconfigured("JWT_PUBLIC_KEY_PATH", fault, remedy)
