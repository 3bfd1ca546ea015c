"""
An event as a webhook: CloudEvents 1.0 in HTTP's binary mode, signed as Standard Webhooks 1.0 says.

    webhook-id, ce-id     EPOCH-SEQ, the same at each try
    webhook-timestamp     seconds since 1970, of this try
    webhook-signature     v1,BASE64(HMAC-SHA256(secret, ID.TIMESTAMP.BODY)), one for each secret
    ce-type               com.github.teslafast.alerts …
    ce-subject            the VIN

The body is the event's JSON, or what a template makes of it. Pure: the time is an argument.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, quote, unquote

from .. import __version__
from .._fanout import KINDS
from ..rfc3339 import rfc3339
from . import Event

EVENT_TYPE = "com.github.teslafast."
EVENT_SOURCE = "urn:teslafast"
GAP = "gap"
_SAFE = "/%:@!$&'()*+,;=~-._?"  # of what stands in a path or a query, all but what would end the line


class WebhookRequests:
    """Makes requests to one URL. `render`: makes body and further headers of an event's text, in the place of the text itself."""

    def __init__(
        self,
        url: SplitResult,
        epoch: str,
        secrets: Sequence[bytes],
        render: Callable[[bytes, str, str], tuple[bytes, bytes]] | None = None,
    ) -> None:
        self._epoch = epoch.encode()
        self._secrets = secrets
        self._render = render
        self._kinds = [f"{EVENT_TYPE}{kind}".encode() for kind in KINDS]
        self._head = _head(url)
        self._second = 0  # since 1970, whose time `_clock` tells: a calendar costs more than the rest of a request's head
        self._clock = ""

    def of_event(self, event: Event, now_s: float) -> bytes:
        name = b"%s-%d" % (self._epoch, event.seq)
        return self._made(name, self._kinds[event.kind], event.vin, event.text, event.time_ms, now_s)

    def of_gap(self, first: int, last: int, now_s: float) -> bytes:
        name = b"%s-%d" % (self._epoch, last)
        text = b'{"type":"gap","from":%d,"to":%d}' % (first, last)
        return self._made(name, (EVENT_TYPE + GAP).encode(), "", text, int(now_s * 1000), now_s)

    def _made(self, name: bytes, kind: bytes, vin: str, text: bytes, time_ms: int, now_s: float) -> bytes:
        if time_ms // 1000 != self._second:
            self._second = time_ms // 1000
            self._clock = rfc3339(self._second * 1_000_000_000)[:19]
        time = f"{self._clock}.{time_ms % 1000:03}Z"
        more = b""
        if self._render is not None:
            text, more = self._render(text, name.decode(), time)
        head = (
            b"%sce-id: %b\r\nwebhook-id: %b\r\nce-type: %b\r\nce-time: %b\r\nwebhook-timestamp: %d\r\ncontent-length: %d\r\n%b"
            % (
                self._head,
                name,
                name,
                kind,
                time.encode(),
                int(now_s),
                len(text),
                more,
            )
        )
        if vin:
            head += b"ce-subject: %b\r\n" % vin.encode()
        if self._secrets:
            head += b"webhook-signature: %b\r\n" % signature(self._secrets, name, int(now_s), text)
        return b"%b\r\n%b" % (head, text)


def signature(secrets: Sequence[bytes], name: bytes, now_s: int, body: bytes) -> bytes:
    signed = b"%b.%d.%b" % (name, now_s, body)
    return b" ".join(b"v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")) for secret in secrets)


def _head(url: SplitResult) -> bytes:
    """What all requests to the URL begin with."""
    target = quote(url.path or "/", safe=_SAFE) + (f"?{quote(url.query, safe=_SAFE)}" if url.query else "")
    user, at, host = url.netloc.rpartition("@")
    lines = [
        f"POST {target} HTTP/1.1",
        f"host: {host}",
        f"user-agent: teslafast/{__version__}",
        "content-type: application/json",
        "ce-specversion: 1.0",
        f"ce-source: {EVENT_SOURCE}",
    ]
    if at:
        lines.append("authorization: Basic " + base64.b64encode(unquote(user).encode()).decode())
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
