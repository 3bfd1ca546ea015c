"""
Bearer tokens for Google's services.

    ServiceAccount    a key file's: a JWT that it signs itself (AIP-4111), so that nobody is asked for a token
    MachineAccount    of the machine or pod: its metadata server's

Google's own libraries (google-cloud-pubsub: gRPC, 60 MB, threads; google-auth: a blocking client) do more than these two need.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..errors import Misconfigured, Undelivered
from ..urls import parse_url
from .http_client import PostConnection, PostTarget

GOOGLE_TOKEN_S = 3600
RENEWED_S = 300  # before its end
_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"


def _lasts(since_s: float, until_s: float, now_s: float) -> bool:
    """Whether a token of that time holds for a while. One from a later moment was made while our clock was ahead."""
    return since_s <= now_s <= until_s - RENEWED_S


class GoogleTokens(Protocol):
    async def token(self) -> str:
        """One that holds for some minutes more. Raises Undelivered."""


class ServiceAccount:
    """`audience`: the service's address. Raises Misconfigured if the file is not a service account's."""

    def __init__(self, path: Path, audience: str, wall: Callable[[], float] = time.time) -> None:
        self._audience = audience
        self._wall = wall
        try:
            said: Any = json.loads(path.read_text())
        except OSError as error:
            raise Misconfigured(_VARIABLE, f"{path} cannot be read ({error.strerror})", "give the path of a key file") from None
        except ValueError:
            raise Misconfigured(_VARIABLE, f"{path} is not JSON", "give a service account's key file") from None
        kind = said.get("type") if isinstance(said, dict) else None
        if kind != "service_account":
            remedy = "give a service account's key file, or leave the variable out where the machine has an account"
            raise Misconfigured(_VARIABLE, f"{path} is of the type {kind!r}", remedy)
        try:
            self._email, self._key_id = str(said["client_email"]), str(said["private_key_id"])
            self._key = load_pem_private_key(said["private_key"].encode(), None)
        except (KeyError, ValueError, TypeError, AttributeError):
            raise Misconfigured(_VARIABLE, f"{path} lacks a key that can be used", "make a new key for the account") from None
        if not isinstance(self._key, RSAPrivateKey):
            raise Misconfigured(_VARIABLE, f"{path} holds no RSA key", "make a new key for the account")
        self._token, self._since_s, self._until_s = "", 0.0, 0.0

    async def token(self) -> str:
        now_s = self._wall()
        if not _lasts(self._since_s, self._until_s, now_s):
            self._since_s, self._until_s = now_s, now_s + GOOGLE_TOKEN_S
            claims = {"iss": self._email, "sub": self._email, "aud": self._audience, "iat": int(now_s), "exp": int(self._until_s)}
            self._token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})  # type: ignore[arg-type]
        return self._token


class MachineAccount:
    """`host` of the metadata server, with its port if it has another than 80."""

    def __init__(self, host: str, wall: Callable[[], float] = time.time) -> None:
        self._host = host
        self._wall = wall
        self._token, self._since_s, self._until_s = "", 0.0, 0.0

    async def token(self) -> str:
        if not _lasts(self._since_s, self._until_s, self._wall()):
            said = await self._asked()
            self._token, self._since_s = str(said["access_token"]), self._wall()
            self._until_s = self._since_s + float(said["expires_in"])
        return self._token

    async def _asked(self) -> dict[str, Any]:
        remedy = f"give {_VARIABLE}, or run on a machine of Google's that has an account"
        url = parse_url(self._host, ("http",), default="http", example="metadata.google.internal", subject="GCE_METADATA_HOST")
        try:
            connection = await PostConnection.open(PostTarget(url.hostname or "", url.port or 80, None, private=True))
        except Undelivered as error:
            raise type(error)(f"there is no metadata server ({error}): {remedy}") from None
        try:
            lines = [
                "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1",
                f"host: {url.hostname}",
                "metadata-flavor: Google",
            ]
            answer = await connection.post("\r\n".join([*lines, "", ""]).encode())
        finally:
            connection.close()
        if answer.status != 200:
            raise Undelivered(f"the metadata server answers {answer.status}: {remedy}")
        try:
            said: dict[str, Any] = json.loads(answer.body)
            float(said["expires_in"]), said["access_token"]
        except (ValueError, KeyError, TypeError):
            raise Undelivered("the metadata server's answer is no token") from None
        return said
