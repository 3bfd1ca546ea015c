"""
Verifies dashboards' tokens: a token and the time become a Grant, or a refusal.

RFC 8725: the algorithms are a fixed list of one family (config checks that), `exp` is required, `aud` and `iss` must match if
they are set, keys have full length, and nothing in a token's header chooses the key. Secrets that are still accepted during a
rotation are tried after the present one. A token never becomes part of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jwt

from ..config import Settings
from ..errors import Misconfigured, Refused
from ..http_messages import Request
from ..refusals import (
    EXPIRED_TOKEN,
    TOKEN_EARLY,
    TOKEN_INVALID,
    TOKEN_SIGNATURE,
    TOKEN_TOO_LONG,
    VIN_NOT_GRANTED,
)

TOKEN_SUBPROTOCOL = "bearer."  # noqa: S105 — a prefix, not a token

LONGEST_TOKEN = 8192  # bytes, about 300 VINs; half of what a request head may have
MOST_VINS = 10_000  # more than LONGEST_TOKEN can hold: it is the limit where a token comes by another way than a request
LATEST_S = 100_000_000_000  # of the times in a token (the year 5138): a larger number is a mistake, such as milliseconds
NBF_LEEWAY_S = 5.0  # the issuer's clock may be ahead of ours; `exp` has no leeway: it is a promise to end


@dataclass(frozen=True, slots=True)
class Grant:
    """Who (`sub`) may see which vehicles (None = all) until when (`exp`, seconds since 1970)."""

    sub: str
    vins: frozenset[str] | None
    exp: float

    def allows(self, vin: str) -> bool:
        return self.vins is None or vin in self.vins

    def narrowed(self, wanted: Iterable[str] | None) -> Grant:
        """The same grant for these VINs only (None = all that it allows). Raises Refused (403) if it does not allow one."""
        if wanted is None:
            return self
        asked = frozenset(wanted)
        if not all(self.allows(vin) for vin in asked):
            raise Refused(VIN_NOT_GRANTED)
        return replace(self, vins=asked)


class Verifier:
    """Turns tokens into Grants. `keys`: to verify signatures with, the present one first."""

    def __init__(self, keys: Sequence[bytes | str], algorithms: Sequence[str], audience: str | None, issuer: str | None) -> None:
        self._keys = keys
        self._algorithms = list(algorithms)
        self._claims: dict[str, Any] = {"audience": audience, "issuer": issuer}
        self._options: Any = {
            "require": ["exp"],
            "verify_aud": audience is not None,
            "verify_iss": issuer is not None,
            "verify_exp": False,  # with `nbf` and `iat` below, against the caller's clock
            "verify_nbf": False,
            "verify_iat": False,
            "enforce_minimum_key_length": True,
        }

    @classmethod
    def from_settings(cls, settings: Settings, public_key: str | None = None) -> Verifier:
        """`public_key`: the text of JWT_PUBLIC_KEY_PATH. Raises Misconfigured if it fits none of JWT_ALGORITHMS."""
        if public_key is not None and not any(_fits(public_key, name) for name in settings.jwt_algorithms):
            fault = f"{settings.jwt_public_key_path} does not hold a public key for {','.join(settings.jwt_algorithms)}"
            raise Misconfigured("JWT_PUBLIC_KEY_PATH", fault, "give a PEM file with a key of that kind")
        keys = [public_key] if public_key is not None else [settings.jwt_secret, *settings.jwt_previous_secrets]
        return cls(keys, settings.jwt_algorithms, settings.jwt_audience, settings.jwt_issuer)

    def verify(self, token: str, now: float) -> Grant:
        """The token's Grant at `now` (seconds since 1970). Raises Refused (401)."""
        if len(token) > LONGEST_TOKEN:
            raise Refused(TOKEN_TOO_LONG)
        claims = self._claims_of(token)
        exp, nbf = _moment(claims, "exp"), _moment(claims, "nbf")
        if exp is None or exp <= now:
            raise Refused(EXPIRED_TOKEN)
        if nbf is not None and nbf - NBF_LEEWAY_S > now:
            raise Refused(TOKEN_EARLY)
        return Grant(sub=str(claims.get("sub", ""))[:128], vins=_vins(claims), exp=exp)

    def _claims_of(self, token: str) -> dict[str, Any]:
        for key in self._keys:
            try:
                return jwt.decode(token, key, algorithms=self._algorithms, options=self._options, **self._claims)
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                raise Refused(TOKEN_INVALID, f"the token is not valid ({type(error).__name__})") from None
            except (ValueError, RecursionError):
                raise Refused(TOKEN_INVALID) from None
        raise Refused(TOKEN_SIGNATURE)


def _fits(public_key: str, algorithm: str) -> bool:
    try:
        jwt.get_algorithm_by_name(algorithm).prepare_key(public_key)
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return True


def _moment(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LATEST_S:
        raise Refused(TOKEN_INVALID, f"the token's {name} is not a time")
    return float(value)


def _vins(claims: dict[str, Any]) -> frozenset[str] | None:
    vins = claims.get("vins")
    if vins is None or vins == ["*"]:
        return None
    if not isinstance(vins, list) or len(vins) > MOST_VINS or not all(isinstance(vin, str) for vin in vins):
        raise Refused(TOKEN_INVALID, "the token's vins is not a list of VINs")
    return None if "*" in vins else frozenset(vins)


def mint(settings: Settings, sub: str, vins: Sequence[str], ttl_s: float, now: float) -> str:
    """A token for a dashboard, signed with JWT_SECRET, that this server's own Verifier accepts."""
    algorithm = next(name for name in settings.jwt_algorithms if name.startswith("HS"))
    claims: dict[str, Any] = {"sub": sub, "iat": int(now), "exp": int(now + ttl_s)}
    if vins:
        claims["vins"] = list(vins)
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    return jwt.encode(claims, settings.jwt_secret, algorithm=algorithm)


def find_token(request: Request) -> str | None:
    """The token in the Authorization header, else in the subprotocols, else in the query; None if there is none."""
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    for word in request.tokens("sec-websocket-protocol"):
        if word.startswith(TOKEN_SUBPROTOCOL):
            return word.removeprefix(TOKEN_SUBPROTOCOL)
    query = dict(request.query)
    return query.get("token") or query.get("access_token")
