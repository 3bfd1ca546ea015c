"""A request head and a plain HTTP answer, as values: what routes and doors decide on, and what they return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl

from .errors import BadQuery, Refused
from .hosts import split_authority
from .refusals import HOST_HEADER, REPEATED_HEADER

MOST_QUERY_FIELDS = 32  # several times as many as there are parameters; many VINs fit into one field
# What two programs could read differently if it stood twice: a proxy that takes the last one would disagree with us.
SINGLE_HEADERS = ("origin", "sec-websocket-key", "sec-websocket-version")


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
            raise BadQuery("the query cannot be read") from None

    def header(self, name: str) -> str | None:
        values = self.headers.get(name)
        return values[0] if values else None

    def tokens(self, name: str) -> list[str]:
        """The comma-separated words of a header that may come in several lines, as they were sent."""
        return [word for value in self.headers.get(name, ()) for word in (part.strip() for part in value.split(",")) if word]


def check_head(request: Request) -> None:
    """What RFC 9112 (3.2) and RFC 6455 (4.2) want of every head. Raises Refused (400)."""
    hosts = request.headers.get("host", ())
    if len(hosts) > 1 or (not hosts and request.version != "1.0"):
        raise Refused(HOST_HEADER)
    try:
        for host in hosts:
            host.encode("ascii")
            split_authority(host)
    except ValueError:
        raise Refused(HOST_HEADER) from None
    for name in SINGLE_HEADERS:
        if len(request.headers.get(name, ())) > 1:
            raise Refused(REPEATED_HEADER, f"the header {name} stands twice")


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A plain HTTP answer. `cause`: a fixed word for counters and the log, "" where there is nothing to note. `keeps_open`: the
    client may send its next request on the same connection.
    """

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    cause: str = ""
    reason: str = ""
    keeps_open: bool = False

    @classmethod
    def of(cls, error: Refused) -> Answer:
        """What a refusal is answered."""
        refusal, reason = error.refusal, str(error)
        return cls(refusal.status, refusal.body(reason), headers=refusal.headers, cause=refusal.cause, reason=reason)
