"""What an access token of Tesla's says of itself. Nothing here is verified: only Tesla can. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_ACCESS_TOKEN = 16 << 10  # characters; Tesla's have about 1,000

LATEST_CLAIM_S = 1e12  # s since 1970: beyond it, what should be a time is none


@dataclass(frozen=True)
class TokenFacts:
    """The claims. `expires`: seconds since 1970; `code`: `ou_code`, which names the region; `app`: whose it is (`azp`)."""

    expires: float | None
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    code: str = ""
    app: str = ""
    subject: str = ""


def is_token(value: object) -> bool:
    """Whether it can stand in a header: a token is visible ASCII without blanks, whatever it says."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and bool(value) and " " not in value


def read_claims(token: str) -> dict[str, Any] | None:
    """The claims of a JWT, unverified; None if it is none."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    return claims if len(parts) == 3 and isinstance(claims, dict) else None


def read_token(token: str) -> TokenFacts | None:
    """What an access token says; None if it is not a JWT."""
    claims = read_claims(token[:LONGEST_ACCESS_TOKEN])
    if claims is None:
        return None
    expires = claims.get("exp")
    ends = float(expires) if isinstance(expires, int | float) and 0 < expires < LATEST_CLAIM_S else None
    code, app, subject = (str(claims.get(name) or "") for name in ("ou_code", "azp", "sub"))
    return TokenFacts(ends, _words(claims, "scp"), _words(claims, "aud"), code, app, subject)


def _words(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name)
    words = value.split() if isinstance(value, str) else value
    return tuple(map(str, words)) if isinstance(words, list) else ()
