"""
Who a request is from when proxies pass it on: the right-most hop that is not one of ours.

    client ──▶ proxy A ──▶ proxy B ──▶ us        X-Forwarded-For: whatever the client claimed, client, A

Each proxy appends whom it got the request from, so the list is read from its right end, and only as long as the hop that wrote an
entry is trusted. What stands further left is the client's own claim. A proxy writes one of the two headers and passes the other
one on as the client sent it: where both are there and name different clients, neither is believed.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ..http_messages import Request
from ..setting_values import Network

FORWARDING_HEADERS = ("forwarded", "x-forwarded-for")
CERTIFICATE_HEADERS = ("client-cert", "client-cert-chain")

_IPV4_PORT = re.compile(r"(\d+\.\d+\.\d+\.\d+)(?::\d{1,5})?")
_IPV6_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?")


class TrustedProxies:
    """`networks`: TRUSTED_PROXIES; `ignored` counts headers of those who are not among them, by header."""

    def __init__(self, networks: Sequence[Network], ignored: Counter[str]) -> None:
        self._networks = tuple(networks)
        self._ignored = ignored

    def trusts(self, host: str) -> bool:
        """Whether it is the address of a trusted proxy."""
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)

    def client(self, request: Request, address: str) -> tuple[str, str]:
        """(client's address, trusted proxy's address or "") of a request that came from `address`, `host:port` as in the log."""
        host = host_of(address)
        if not self.trusts(host):
            for name in (*FORWARDING_HEADERS, *CERTIFICATE_HEADERS):
                if name in request.headers:
                    self._ignored[name] += 1
            return address, ""
        named = {self._walk(host, hops) for hops in _hops(request)}
        client = named.pop() if len(named) == 1 else host
        return (address if client == host else client), address

    def _walk(self, host: str, hops: list[str | None]) -> str:
        current = host
        for hop in reversed(hops):
            if hop is None or not self.trusts(current):
                break
            current = hop
        return current


def host_of(address: str) -> str:
    """The host of `192.0.2.1:5`, `[2001:db8::1]:5` or an address alone; the text itself if it is none of them."""
    for form in (_IPV4_PORT, _IPV6_PORT):
        match = form.fullmatch(address)
        if match is not None:
            return match[1]
    return address


def _hops(request: Request) -> Iterator[list[str | None]]:
    """Of each forwarding header that is there: its hops, from left to right; None for one that names no address."""
    if "x-forwarded-for" in request.headers:
        yield [_address(word) for word in request.tokens("x-forwarded-for")]
    if "forwarded" in request.headers:
        yield list(_forwarded(request.headers["forwarded"]))


def _forwarded(lines: Iterable[str]) -> Iterator[str | None]:
    """The `for` of each element (RFC 7239, 4); None for an element without one."""
    for line in lines:
        for element in _split(line, ","):
            pairs = (pair.partition("=") for pair in _split(element, ";"))
            yield next((_address(value.strip().strip('"')) for name, _, value in pairs if name.strip().lower() == "for"), None)


def _split(text: str, separator: str) -> Iterator[str]:
    """At each separator that does not stand in quotes. In one go: a client may have written this."""
    start, quoted, escaped = 0, False, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(host_of(text.strip()))
    except ValueError:  # `unknown`, `_hidden`, or junk
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
