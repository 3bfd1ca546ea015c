"""
`Tesla.SS256`: the signature that a vehicle requires on its telemetry config (docs/protocol.md). Schnorr on P-256 with SHA-256.

    private a, public A = aG, message m        nonce v by RFC 6979, V = vG
    c = SHA-256(len‖G ‖ len‖V ‖ len‖A ‖ len‖m)       points uncompressed, lengths 4 bytes big endian
    r = v - a·c mod n                          signature = X(V) ‖ Y(V) ‖ r;   it holds if V = cA + rG

What is secret (a, v) meets the curve only inside OpenSSL, which works in constant time. The one line of big-number arithmetic on
them, r, is Python's and does not: it runs a few times in a vehicle's life, on the operator's machine, where nobody can time it.
`verify` handles only public values, and `sign` runs it on its own result: a miscomputed r would give the key away.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ..errors import Misconfigured

ALGORITHM = "Tesla.SS256"
FLEET_AUDIENCE = "com.tesla.fleet.TelemetryClient"

# P-256 (FIPS 186-4, D.1.2.3): y² = x³ - 3x + b over the field of p elements; G generates n points
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_KEY_REMEDY = "give the app's private key: openssl ecparam -name prime256v1 -genkey -noout -out private-key.pem"

Point = tuple[int, int] | None  # None is the point at infinity


def load_key(pem: bytes, name: str) -> ec.EllipticCurvePrivateKey:
    """The app's private key from PEM. Raises Misconfigured, with `name` as subject, unless it is an unencrypted P-256 key."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise Misconfigured(name, "is encrypted", "decrypt it: openssl ec -in KEY -out private-key.pem") from None
    except (ValueError, UnsupportedAlgorithm):
        what = "is a public key" if b"BEGIN PUBLIC KEY" in pem else "holds no private key in PEM"
        raise Misconfigured(name, what, _KEY_REMEDY) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        kind = type(key).__name__.removeprefix("_").removesuffix("PrivateKey")
        raise Misconfigured(name, f"is an {kind} key, Tesla accepts only EC keys on the curve P-256", _KEY_REMEDY)
    if not isinstance(key.curve, ec.SECP256R1):
        raise Misconfigured(name, f"is on the curve {key.curve.name}, Tesla accepts only P-256 (prime256v1)", _KEY_REMEDY)
    return key


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as an uncompressed point, 65 bytes."""
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def token(claims: Mapping[str, object], key: ec.EllipticCurvePrivateKey, audience: str = FLEET_AUDIENCE) -> str:
    """The signed config: a JWT in compact form. It sets `iss` and `aud`, whatever the claims say."""
    whole = {**claims, "iss": base64.b64encode(public_bytes(key)).decode(), "aud": audience}
    signing_input = f"{_part({'alg': ALGORITHM, 'typ': 'JWT'})}.{_part(whole)}"
    return f"{signing_input}.{_base64url(sign(key, signing_input.encode()))}"


def _part(value: Mapping[str, object]) -> str:
    return _base64url(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """The 96 bytes of a signature."""
    secret = key.private_numbers().private_value
    once = nonce(secret, message)
    commitment = public_bytes(ec.derive_private_key(once, ec.SECP256R1()))
    rest = (once - secret * _challenge(commitment, public_bytes(key), message)) % _N
    signature = commitment[1:] + rest.to_bytes(32, "big")
    if not verify(public_bytes(key), message, signature):
        raise ArithmeticError("the computed signature does not verify: this machine miscalculates")
    return signature


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature on the message was made with the key (an uncompressed point)."""
    commitment, rest = b"\x04" + signature[:64], int.from_bytes(signature[64:], "big")
    key, expected = _point(public), _point(commitment)
    if len(signature) != 96 or key is None or expected is None or not rest < _N:
        return False
    challenge = _challenge(commitment, public, message)
    return _add(_times(challenge % _N, key), _times(rest, _G)) == expected


def nonce(secret: int, message: bytes) -> int:
    """RFC 6979, 3.2, for P-256 and SHA-256: the same message and key always give the same nonce, others never do."""
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big") % _N
    seed = secret.to_bytes(32, "big") + digest.to_bytes(32, "big")
    state, key = b"\x01" * 32, b"\x00" * 32
    for separator in (b"\x00", b"\x01"):
        key = _mac(key, state + separator + seed)
        state = _mac(key, state)
    while True:
        state = _mac(key, state)
        candidate = int.from_bytes(state, "big")
        if 0 < candidate < _N:
            return candidate
        key = _mac(key, state + b"\x00")
        state = _mac(key, state)


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _challenge(commitment: bytes, public: bytes, message: bytes) -> int:
    generator = b"\x04" + b"".join(coordinate.to_bytes(32, "big") for coordinate in _G)
    items = (generator, commitment, public, message)
    return int.from_bytes(hashlib.sha256(b"".join(len(item).to_bytes(4, "big") + item for item in items)).digest(), "big")


# ---- the curve, for public values only


def _point(data: bytes) -> Point:
    """The point in 65 bytes; None if the point is not on the curve."""
    x, y = int.from_bytes(data[1:33], "big"), int.from_bytes(data[33:], "big")
    valid = len(data) == 65 and data[0] == 4 and x < _P and y < _P and (y * y - x * x * x + 3 * x - _B) % _P == 0
    return (x, y) if valid else None


def _add(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % _P == 0:
        return None
    slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, _P) if one == other else (y2 - y1) * pow(x2 - x1, -1, _P)
    x3 = (slope * slope - x1 - x2) % _P
    return x3, (slope * (x1 - x3) - y1) % _P


def _times(factor: int, point: Point) -> Point:
    result: Point = None
    for bit in bin(factor)[2:]:
        result = _add(result, result)
        if bit == "1":
            result = _add(result, point)
    return result
