"""What a signed token claims, and whether one of the keys has signed it. Imported with the first token: PyJWT takes its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from ..errors import Refused
from ..refusals import TOKEN_INVALID, TOKEN_SIGNATURE
from .keys import VerifyingKey

_FAULTS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.InvalidAudienceError, "the token's aud is not JWT_AUDIENCE"),
    (jwt.InvalidIssuerError, "the token's iss is not JWT_ISSUER"),
    (jwt.InvalidKeyError, "the token's alg does not fit the server's key"),
    (jwt.DecodeError, "the token is not valid: it is not a JSON web token"),
)


def claims_of(
    token: str, keys: Sequence[VerifyingKey], options: Any, expected: Mapping[str, Any]
) -> tuple[dict[str, Any], VerifyingKey]:
    """
    The claims of a token that one of `keys` has signed, and which. Raises Refused (401).

    options     PyJWT's: which claims it is to look at; `expected`: what they must be
    """
    unfit: Refused | None = Refused(TOKEN_INVALID, "the token's alg is not among JWT_ALGORITHMS, or no key is for it")
    for key in keys:
        try:
            return jwt.decode(token, key.key, algorithms=key.algorithms, options=options, **expected), key
        except jwt.InvalidSignatureError:
            unfit = None
        except jwt.InvalidAlgorithmError:  # this key is not for it, another one may be
            continue
        except jwt.PyJWTError as error:
            raise Refused(TOKEN_INVALID, _fault_of(error)) from None
        except (ValueError, TypeError, RecursionError):
            raise Refused(TOKEN_INVALID) from None
    raise unfit or Refused(TOKEN_SIGNATURE)


def _fault_of(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token has no {error.claim}"
    return next((meaning for kind, meaning in _FAULTS if isinstance(error, kind)), TOKEN_INVALID.meaning)
