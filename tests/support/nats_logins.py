"""
Logins for the NATS servers of tests, made on the spot: a user with an nkey, or one with credentials of an account of its own.

Each gives the lines for a server's configuration, and the file with which a node logs in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nkeys

# What cluster.md grants, and nothing else.
PUBLISH = (  # noqa: SIM905
    "tf.* tfc.> $JS.API.STREAM.INFO.TF $JS.API.STREAM.CREATE.TF $JS.API.CONSUMER.CREATE.TF $JS.API.CONSUMER.CREATE.TF.> "
    "$JS.API.CONSUMER.DELETE.TF.* $JS.API.DIRECT.GET.TF $JS.FC.TF.>"
).split()
SUBSCRIBE = ["_INBOX_TF.>", "tfc.>"]


class Login(NamedTuple):
    """`settings`: a node's, for this login; `public`: the user's public key."""

    options: str
    settings: dict[str, str]
    public: str


def _quoted(subjects: Sequence[str]) -> str:
    return ", ".join(f'"{subject}"' for subject in subjects)


def _seed(kind: int) -> bytearray:
    return bytearray(nkeys.encode_seed(os.urandom(32), kind))


def nkey_login(folder: Path, publish: Sequence[str] = PUBLISH, subscribe: Sequence[str] = SUBSCRIBE) -> Login:
    seed = _seed(nkeys.PREFIX_BYTE_USER)
    path = folder / "node.nk"
    path.write_bytes(seed)
    public = nkeys.from_seed(seed).public_key.decode()
    permissions = f"publish: [{_quoted(publish)}], subscribe: [{_quoted(subscribe)}]"
    options = f"authorization {{ users: [ {{ nkey: {public}, permissions: {{ {permissions} }} }} ] }}"
    return Login(options, {"CLUSTER_NKEY_PATH": str(path)}, public)


def creds_login(folder: Path, publish: Sequence[str] = PUBLISH, subscribe: Sequence[str] = SUBSCRIBE, **claims: Any) -> Login:
    """An operator, a system account, and an account with JetStream whose user has these rights. `claims`: of the user's JWT."""
    keys = {kind: nkeys.from_seed(_seed(getattr(nkeys, f"PREFIX_BYTE_{kind}"))) for kind in ("OPERATOR", "USER")}
    accounts = [nkeys.from_seed(_seed(nkeys.PREFIX_BYTE_ACCOUNT)) for _ in range(2)]
    seed = _seed(nkeys.PREFIX_BYTE_USER)
    user = nkeys.from_seed(seed)
    names = [account.public_key.decode() for account in accounts]
    operator = _jwt(keys["OPERATOR"], keys["OPERATOR"], "operator", {"system_account": names[0]})
    plenty = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    limits = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}
    tokens = [
        _jwt(keys["OPERATOR"], accounts[0], "account", {"limits": limits}),
        _jwt(keys["OPERATOR"], accounts[1], "account", {"limits": limits | plenty}),
    ]
    rights = {"pub": {"allow": list(publish)}, "sub": {"allow": list(subscribe)}, "subs": -1, "data": -1, "payload": -1}
    token = _jwt(accounts[1], user, "user", rights, **claims)
    path = folder / "node.creds"
    dashes = "------"
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n{dashes}END NATS USER JWT{dashes}\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed.decode()}\n{dashes}END USER NKEY SEED{dashes}\n"
    )
    preload = "\n".join(f"{name}: {token}" for name, token in zip(names, tokens, strict=True))
    options = f"operator: {operator}\nresolver: MEMORY\nresolver_preload: {{\n{preload}\n}}"
    return Login(options, {"CLUSTER_CREDS_PATH": str(path)}, user.public_key.decode())


def _jwt(issuer: Any, subject: Any, kind: str, nats: dict[str, Any], **claims: Any) -> str:
    body = {
        "iat": int(time.time()),
        "iss": issuer.public_key.decode(),
        "name": kind,
        "sub": subject.public_key.decode(),
        "nats": nats | {"type": kind, "version": 2},
    } | claims
    body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
    parts = [_text(json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode()), _text(json.dumps(body).encode())]
    return ".".join([*parts, _text(issuer.sign(".".join(parts).encode()))])


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
