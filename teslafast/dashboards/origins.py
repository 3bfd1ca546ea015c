"""
Which pages may talk to this server from a browser: its own, and those of ALLOWED_ORIGINS.

A browser always names the origin of the page that asks; a client that names none is not a browser. Origins are compared as
values (scheme, `xn--` host, port), never as text: `https://host` and `https://HOST:443` are one.
"""

from __future__ import annotations

from collections.abc import Collection

from ..errors import Refused
from ..hosts import WebOrigin
from ..http_messages import Request
from ..refusals import ORIGIN
from ..text import one_line

CORS_MAX_AGE_S = 600  # how long a browser keeps the answer to a preflight; Chromium keeps none for longer than two hours
_METHODS = "GET, HEAD"
_HEADERS = "Authorization, Last-Event-ID, Cache-Control"  # what a page sends to pages and to server-sent events

Headers = tuple[tuple[str, str], ...]


class OriginPolicy:
    """`allowed`: other sites' origins; None among them stands for `null`."""

    def __init__(self, allowed: Collection[WebOrigin | None]) -> None:
        self._allowed = frozenset(allowed)

    def require(self, request: Request, behind_proxy: bool = False) -> None:
        """`behind_proxy`: a trusted proxy sent the request, and may say which host it was for. Raises Refused (403)."""
        if request.header("origin") is not None and not self._is_listed(request) and not _is_own(request, behind_proxy):
            raise Refused(ORIGIN, _mismatch(request))

    def cors(self, request: Request) -> Headers:
        """For the answer to a page of another site: that the browser may show the answer to it. Nothing for everybody else."""
        if not self._is_listed(request):
            return ()
        return (
            ("Access-Control-Allow-Origin", request.header("origin") or ""),
            ("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate"),
            ("Vary", "Origin"),
        )

    def preflight(self, request: Request) -> Headers:
        """What a browser asks before it sends a page's request with a token (OPTIONS). Raises Refused (403)."""
        if not self._is_listed(request):
            raise Refused(ORIGIN, _mismatch(request))
        return (
            *self.cors(request),
            ("Access-Control-Allow-Methods", _METHODS),
            ("Access-Control-Allow-Headers", _HEADERS),
            ("Access-Control-Max-Age", str(CORS_MAX_AGE_S)),
        )

    def _is_listed(self, request: Request) -> bool:
        text = request.header("origin")
        if text is None or not self._allowed:
            return False
        if text == "null":
            return None in self._allowed
        try:
            return WebOrigin.parse(text) in self._allowed
        except ValueError:
            return False


def _is_own(request: Request, behind_proxy: bool) -> bool:
    hosts = [request.header("host") or ""]
    if behind_proxy:
        hosts += request.tokens("x-forwarded-host")[-1:]
    try:
        origin = WebOrigin.parse(request.header("origin") or "")
        return any(origin.is_at(host) for host in hosts if host)
    except ValueError:
        return False


def _mismatch(request: Request) -> str:
    origin, host = one_line(request.header("origin") or "", 100), one_line(request.header("host") or "", 100)
    return (
        f"the page's origin is {origin!r} and the request is for the host {host!r}: "
        "add the origin to ALLOWED_ORIGINS, or let the proxy in front pass Host on"
    )
