"""
Verifies dashboards' tokens: a token and the time become a Grant, or a refusal.

RFC 8725: the algorithms are a fixed list of one family (config checks that), `exp` is required, `aud` and `iss` must match if
they are set, keys have full length, and nothing in a token's header chooses the key: each key is tried, secrets that are still
accepted during a rotation after the present one. A token never becomes part of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..close_reasons import TOKEN_EXPIRED, TOKEN_KEY_REMOVED, CloseReason
from ..config import Settings
from ..errors import Refused
from ..http_messages import Request
from ..refusals import (
    EXPIRED_TOKEN,
    NO_TOKEN,
    TOKEN_EARLY,
    TOKEN_INVALID,
    TOKEN_TOO_LONG,
    VIN_NOT_GRANTED,
)
from ..vin import is_vin, mended_vin
from .keys import VerifyingKey, read_keys

WARN_S = 60.0  # before its token ends, or …
WARN_SHARE = 0.2  # … this share of what the token had left when it was presented, whichever is less
TOKEN_SUBPROTOCOL = "bearer."  # noqa: S105 — a prefix, not a token

LONGEST_TOKEN = 4000  # bytes, about 140 VINs. Wherever it comes: an `auth` message, of 4 KiB at most, has room for it
MOST_VINS = 10_000  # more than LONGEST_TOKEN can hold
LATEST_S = 100_000_000_000  # of the times in a token (the year 5138): a larger number is a mistake, such as milliseconds
LONGEST_SUB = 128  # characters; a name for the log
MOST_TOKENS = 8  # in one request: three places of ours, and what proxies add; each costs a try of every key
NBF_LEEWAY_S = 5.0  # the issuer's clock may be ahead of ours; `exp` has no leeway: it is a promise to end


@dataclass(frozen=True, slots=True)
class Grant:
    """
    Who (`sub`) may see which vehicles (None = all) until when (`exp`, seconds since 1970). `key`: by the word of which of several
    keys that may be taken out while the server runs; b"" for one that may not.
    """

    sub: str
    vins: frozenset[str] | None
    exp: float
    key: bytes = field(default=b"", compare=False)

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
    """Turns tokens into Grants. `secrets`: to verify signatures with, the present one first; `use` replaces them."""

    def __init__(
        self, secrets: Sequence[bytes | str], algorithms: Sequence[str], audience: str | None, issuer: str | None
    ) -> None:
        self._keys = tuple(VerifyingKey(secret, tuple(algorithms)) for secret in secrets)
        self._claims: dict[str, Any] = {"audience": audience, "issuer": issuer}
        self._options: Any = {
            "require": ["exp"],
            "verify_aud": audience is not None,
            "verify_iss": issuer is not None,
            "verify_exp": False,  # with `nbf` and `iat` below, against the caller's clock
            "verify_nbf": False,
            "verify_iat": False,
            "verify_sub": False,  # a number is a name, too: many frameworks mint their users' numbers
            "verify_jti": False,
            "enforce_minimum_key_length": True,
        }

    @classmethod
    def from_settings(cls, settings: Settings, public_key: str | None = None) -> Verifier:
        """`public_key`: the text of JWT_PUBLIC_KEY_PATH. Raises Misconfigured if no key in it works for JWT_ALGORITHMS."""
        return cls.with_keys(settings, keys_of(settings, public_key))

    @classmethod
    def with_keys(cls, settings: Settings, keys: Sequence[VerifyingKey]) -> Verifier:
        verifier = cls((), (), settings.jwt_audience, settings.jwt_issuer)
        verifier.use(keys)
        return verifier

    def use(self, keys: Sequence[VerifyingKey]) -> None:
        """From now on tokens are verified with these keys; `end_of` says which grants end with the others."""
        self._keys = tuple(keys)

    def end_of(self, grant: Grant, now: float) -> CloseReason | None:
        """Why whoever came with its token may not stay: its time is over, or the key that signed it is not ours any more."""
        if now >= grant.exp:
            return TOKEN_EXPIRED
        if grant.key and all(key.name != grant.key for key in self._keys):
            return TOKEN_KEY_REMOVED
        return None

    @staticmethod
    def prepare() -> None:
        """Imports PyJWT and cryptography, unless they are: 25 ms and 10 MB, which a server needs that somebody has come to."""
        from . import signed_claims  # noqa: F401

    def verify(self, token: str, now: float) -> Grant:
        """The token's Grant at `now` (seconds since 1970). Raises Refused (401)."""
        if len(token) > LONGEST_TOKEN:
            raise Refused(TOKEN_TOO_LONG)
        from .signed_claims import claims_of  # see `prepare`

        claims, key = claims_of(token, self._keys, self._options, self._claims)
        exp, nbf = _moment(claims, "exp"), _moment(claims, "nbf")
        if exp is None or exp <= now:
            raise Refused(EXPIRED_TOKEN)
        if nbf is not None and nbf - NBF_LEEWAY_S > now:
            raise Refused(TOKEN_EARLY)
        return Grant(sub=_sub(claims), vins=_vins(claims), exp=exp, key=key.name)

    def verify_first(self, tokens: Sequence[str], now: float) -> Grant:
        """The Grant of the first token that verifies. Raises Refused (401): what is wrong with the first, if none does."""
        refused: Refused | None = None
        for token in tokens:
            try:
                return self.verify(token, now)
            except Refused as error:
                refused = refused or error
        try:
            raise refused or Refused(NO_TOKEN)
        finally:
            del (
                refused
            )  # or this frame would refer to the error, which refers to this frame, and whoever asked would stay with it


def keys_of(settings: Settings, public_key: str | None) -> tuple[VerifyingKey, ...]:
    """The keys of these settings; `public_key`: the text of JWT_PUBLIC_KEY_PATH. Raises Misconfigured."""
    if public_key is not None:
        return read_keys(public_key, settings.jwt_algorithms, settings.jwt_public_key_path or "the file")
    return tuple(
        VerifyingKey(secret, settings.jwt_algorithms) for secret in (settings.jwt_secret, *settings.jwt_previous_secrets)
    )


def _sub(claims: dict[str, Any]) -> str:
    sub = claims.get("sub")
    if isinstance(sub, bool) or not isinstance(sub, str | int | float | None):
        raise Refused(TOKEN_INVALID, "the token's sub is neither text nor a number")
    text = "" if sub is None else str(sub)
    return text[:LONGEST_SUB].encode("utf-8", "replace").decode()  # JSON may hold half a character, a log line may not


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
    if "*" in vins:
        return None
    named = frozenset(map(mended_vin, vins))
    if not all(map(is_vin, named)):
        raise Refused(TOKEN_INVALID, "the token's vins holds text that is not a VIN")
    return named


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
    import jwt

    return jwt.encode(claims, settings.jwt_secret, algorithm=algorithm)


def find_tokens(request: Request) -> list[str]:
    """
    Every token of the request: in the subprotocols, the query, the Authorization headers.

    In this order, because the first two can only be meant for us, while a proxy may have put its own into Authorization.
    """
    words = request.tokens("sec-websocket-protocol")
    found = [word.removeprefix(TOKEN_SUBPROTOCOL) for word in words if word.startswith(TOKEN_SUBPROTOCOL)]
    found += [value for name, value in request.query if name in ("token", "access_token") and value]
    for line in request.headers.get("authorization", ()):
        scheme, _, rest = line.partition(" ")
        if scheme.lower() == "bearer" and rest.strip():
            found.append(rest.strip())
    return list(dict.fromkeys(found))[:MOST_TOKENS]


def warning_time(grant: Grant, now: float) -> float:
    """When to warn whoever has presented it, now, that it ends: seconds since 1970, both."""
    left_s = grant.exp - now
    return grant.exp - min(WARN_S, WARN_SHARE * left_s)
