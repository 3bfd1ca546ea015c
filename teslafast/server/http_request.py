"""
A request head as a value, what can be read from it, and the plain answer that it may get.

No decision is taken here but one: whether a WebSocket handshake is one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl

from ..errors import Refused

TOKEN_SUBPROTOCOL = "bearer."  # noqa: S105 — a prefix, no token
MOST_QUERY_FIELDS = 32


@dataclass(frozen=True, slots=True)
class Request:
    """A request head. `headers`: lower-case names, each with its values in order; `target`: as it was sent."""

    method: str
    target: str
    headers: Mapping[str, Sequence[str]]
    has_body: bool = False
    version: str = "1.1"

    @property
    def path(self) -> str:
        """The target's path, as it was sent; the host of an absolute target (`http://host/path`) is passed over."""
        path = self.target.partition("?")[0].partition("#")[0]
        if path.startswith("/"):
            return path
        _, absolute, rest = path.partition("://")
        return "/" + rest.partition("/")[2] if absolute else path

    @property
    def query(self) -> list[tuple[str, str]]:
        """Raises Refused (400)."""
        text = self.target.partition("?")[2].partition("#")[0]
        try:
            return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_QUERY_FIELDS, errors="strict")
        except ValueError:
            raise bad("the query cannot be read") from None

    def header(self, name: str) -> str | None:
        values = self.headers.get(name)
        return values[0] if values else None

    def tokens(self, name: str) -> list[str]:
        """The comma-separated words of a header that may come in several lines, as they were sent."""
        return [word for value in self.headers.get(name, ()) for word in (part.strip() for part in value.split(",")) if word]


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A plain HTTP answer. `cause`: a fixed word for counters and the log, "" where there is nothing to note. `keeps_open`: more may
    be asked on the same connection.
    """

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    cause: str = ""
    reason: str = ""
    keeps_open: bool = False


def wants_websocket(request: Request) -> bool:
    """Whether it asks for an upgrade to WebSocket, in whatever case and company (Firefox: `keep-alive, Upgrade`)."""
    return "upgrade" in (word.lower() for word in request.tokens("connection")) and "websocket" in (
        word.lower() for word in request.tokens("upgrade")
    )


def check_handshake(request: Request) -> None:
    """The rest of RFC 6455, 4.2.1. Raises Refused (400)."""
    if request.method != "GET":
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "method", "a WebSocket is opened with GET")
    try:
        key = base64.b64decode(request.header("sec-websocket-key") or "", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if request.version != "1.1":
        raise Refused(HTTPStatus.BAD_REQUEST, "handshake", "a WebSocket is opened with HTTP/1.1")
    if len(key) != 16:
        raise Refused(HTTPStatus.BAD_REQUEST, "handshake", "Sec-WebSocket-Key is missing or is not 16 bytes in base64")
    if request.header("sec-websocket-version") != "13":
        raise Refused(HTTPStatus.BAD_REQUEST, "handshake", "Sec-WebSocket-Version must be 13")


def find_token(request: Request) -> str | None:
    """The token from wherever it may stand: the header, then the subprotocols, then the query."""
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    for word in request.tokens("sec-websocket-protocol"):
        if word.startswith(TOKEN_SUBPROTOCOL):
            return word.removeprefix(TOKEN_SUBPROTOCOL)
    query = dict(request.query)
    return query.get("token") or query.get("access_token")


def short(text: str | None) -> str:
    """A header's value fit for a log and a page: printable ASCII, 32 characters at most."""
    return "".join(character for character in (text or "")[:32] if " " <= character <= "~")


def uuid_of(text: str | None) -> str | None:
    """X-TXID names the connection if it is a UUID in any of the usual spellings; otherwise it is passed over."""
    digits = (text or "").lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def bad(reason: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "query", reason)
