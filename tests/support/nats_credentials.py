"""
A NATS operator with one account and one user, made here: the server's lines of configuration, and the user's file of credentials.

JWTs of NATS are signed by nkeys (algorithm `ed25519-nkey`); each claims what it is below `nats`.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import nkeys

_ANYTHING = {"subs": -1, "data": -1, "payload": -1}
_LIMITS = _ANYTHING | {"imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}


def _pair(prefix: int) -> tuple[Any, str, bytes]:
    seed = nkeys.encode_seed(os.urandom(32), prefix)
    pair = nkeys.from_seed(bytearray(seed))
    return pair, pair.public_key.decode(), bytes(seed)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _jwt(issuer: Any, issued_by: str, subject: str, kind: str, claims: dict[str, Any]) -> str:
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    body = {"jti": _b64(os.urandom(16)), "iat": 1_790_000_000, "iss": issued_by, "name": kind, "sub": subject}
    body["nats"] = claims | {"type": kind, "version": 2}
    signed = ".".join(_b64(json.dumps(part).encode()) for part in (head, body))
    return f"{signed}.{_b64(issuer.sign(signed.encode()))}"


def credentials(file: Path) -> str:
    """Writes the user's credentials; returns lines for the server's configuration."""
    operator, operator_name, _ = _pair(nkeys.PREFIX_BYTE_OPERATOR)
    account, account_name, _ = _pair(nkeys.PREFIX_BYTE_ACCOUNT)
    _, system_name, _ = _pair(nkeys.PREFIX_BYTE_ACCOUNT)
    _, user_name, seed = _pair(nkeys.PREFIX_BYTE_USER)
    of_operator = _jwt(operator, operator_name, operator_name, "operator", {})
    of_account = _jwt(operator, operator_name, account_name, "account", {"limits": _LIMITS})
    of_system = _jwt(operator, operator_name, system_name, "account", {"limits": _LIMITS})
    of_user = _jwt(account, account_name, user_name, "user", {"pub": {}, "sub": {}} | _ANYTHING)
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed.decode()}\n------END USER NKEY SEED------\n"
    )
    accounts = f'{account_name}: "{of_account}", {system_name}: "{of_system}"'
    return f'operator: "{of_operator}"\nsystem_account: {system_name}\nresolver: MEMORY\nresolver_preload: {{ {accounts} }}'
