"""
HAProxy's PROXY protocol, versions 1 and 2: what a proxy in TCP mode says before the client's first byte.

    v1   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\\r\\n               at most 107 bytes
    v2   12 bytes of signature, version and command, family, length, addresses, TLVs

Pure: `parse` gets the first bytes of a connection and says whether a header is there, is not yet whole, or is not there.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum

V1_PREFIX = b"PROXY "
V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1_AT_MOST = 107  # bytes with the CRLF, as the specification has it
V2_FIXED = 16  # bytes before the addresses
V2_AT_MOST = 4096  # bytes; addresses take 36 and the TLVs of HAProxy and cloud balancers some hundreds, certificates included

NOT_TRUSTED = "the client speaks the PROXY protocol: name its address in TRUSTED_PROXIES, or switch the protocol off in the proxy"

_TCP4, _TCP6 = 0x11, 0x21
_LAST_FAMILY, _LAST_TRANSPORT = 3, 2  # Unix sockets, datagrams
_LOCAL, _PROXY = 0x0, 0x1
_WORDS = {b"TCP4": 4, b"TCP6": 6}


class Unread(Enum):
    INCOMPLETE = "a PROXY header may be here, and is not whole yet"
    ABSENT = "the connection does not begin with a PROXY header"


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`size`: bytes that it takes; `client`: (host, port), None where the proxy speaks for itself or does not know."""

    size: int
    client: tuple[str, int] | None


def parse(data: bytes) -> ProxyHeader | Unread:
    """Raises ValueError for a header that breaks the specification."""
    if data.startswith(V2_SIGNATURE):
        return _v2(data)
    if data.startswith(V1_PREFIX):
        return _v1(data)
    begun = V2_SIGNATURE.startswith(data) or V1_PREFIX.startswith(data)
    return Unread.INCOMPLETE if begun else Unread.ABSENT


def looks_like(data: bytes) -> bool:
    """Whether these bytes begin a PROXY header."""
    return data.startswith((V1_PREFIX + b"TCP", V1_PREFIX + b"UNKNOWN", V2_SIGNATURE))


def _v1(data: bytes) -> ProxyHeader | Unread:
    line, end, _ = data[:V1_AT_MOST].partition(b"\r\n")
    if not end:
        if len(data) >= V1_AT_MOST:
            raise ValueError(f"a PROXY header of version 1 has at most {V1_AT_MOST} bytes")
        return Unread.INCOMPLETE
    size, words = len(line) + 2, line.split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader(size, None)
    if len(words) != 6 or words[1] not in _WORDS:
        raise ValueError("a PROXY header of version 1 is PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT")
    source, target = (ipaddress.ip_address(word.decode("latin-1")) for word in words[2:4])
    if {source.version, target.version} != {_WORDS[words[1]]}:
        raise ValueError("the addresses of the PROXY header are of another family than it says")
    return ProxyHeader(size, (_host(source), _port(words[4])))


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 65535:
        raise ValueError("a port of the PROXY header is not a port")
    return int(word)


def _v2(data: bytes) -> ProxyHeader | Unread:
    if len(data) < V2_FIXED:
        return Unread.INCOMPLETE
    version, command = data[12] >> 4, data[12] & 0xF
    family, size = data[13], V2_FIXED + int.from_bytes(data[14:16], "big")
    if version != 2 or command not in (_LOCAL, _PROXY):
        raise ValueError(f"the PROXY header has version {version}, command {command}")
    if command == _PROXY and (family >> 4 > _LAST_FAMILY or family & 0xF > _LAST_TRANSPORT):  # to be rejected, says the standard
        raise ValueError(f"the PROXY header has the address family and transport {family:#04x}, which nobody has defined")
    if size > V2_AT_MOST:
        raise ValueError(f"the PROXY header has {size} bytes, more than {V2_AT_MOST}")
    if len(data) < size:
        return Unread.INCOMPLETE
    width = {_TCP4: 4, _TCP6: 16}.get(family)
    if command == _LOCAL or width is None:  # a health check of the proxy's own; UDP and Unix sockets name no TCP client
        return ProxyHeader(size, None)
    addresses = data[V2_FIXED:size]
    if len(addresses) < 2 * width + 4:
        raise ValueError("the PROXY header is too short for its addresses")
    source = ipaddress.ip_address(addresses[:width])
    return ProxyHeader(size, (_host(source), int.from_bytes(addresses[2 * width : 2 * width + 2], "big")))


def _host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IPv4-mapped IPv6 address as IPv4."""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
