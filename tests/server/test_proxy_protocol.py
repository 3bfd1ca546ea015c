"""The PROXY protocol's headers as HAProxy's specification has them, whole, in pieces, and broken."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.server.proxy_protocol import V1_AT_MOST, V2_AT_MOST, V2_SIGNATURE, ProxyHeader, Unread, looks_like, parse


def v2(source: str, port: int, command: int = 0x21, tlvs: bytes = b"", family: int | None = None) -> bytes:
    address = ipaddress.ip_address(source)
    if family is None:
        family = 0x11 if address.version == 4 else 0x21
    content = address.packed * 2 + struct.pack(">HH", port, 443) + tlvs
    return V2_SIGNATURE + bytes([command, family]) + len(content).to_bytes(2, "big") + content


HEADERS = {
    "version 1": (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", ("192.0.2.1", 56324)),
    "version 1, IPv6": (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", ("2001:db8::1", 1)),
    "version 1, unknown": (b"PROXY UNKNOWN\r\n", None),
    "version 1, unknown with more": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    "version 2": (v2("192.0.2.1", 56324), ("192.0.2.1", 56324)),
    "version 2, IPv6": (v2("2001:db8::1", 7), ("2001:db8::1", 7)),
    "version 2, IPv4 within IPv6": (v2("::ffff:192.0.2.1", 7), ("192.0.2.1", 7)),
    "version 2 with more": (v2("192.0.2.1", 56324, tlvs=b"\x04\x00\x03abc"), ("192.0.2.1", 56324)),
    "version 2, a check of the proxy's own": (v2("192.0.2.1", 1, command=0x20), None),
    "version 2, a Unix socket": (v2("192.0.2.1", 1, family=0x31), None),
    "version 2, nothing said": (V2_SIGNATURE + b"\x21\x00\x00\x00", None),
}
REST = b"\x16\x03\x01\x02\x00\x01\x00"


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_names_the_client_and_ends_where_the_clients_bytes_begin(kind: str) -> None:
    header, client = HEADERS[kind]
    assert parse(header + REST) == ProxyHeader(len(header), client)


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_that_is_not_whole_is_waited_for(kind: str) -> None:
    header, _ = HEADERS[kind]
    assert {parse(header[:end]) for end in range(len(header))} == {Unread.INCOMPLETE}


BROKEN = {
    "no end": b"PROXY TCP4 " + b"1" * V1_AT_MOST,
    "too few words": b"PROXY TCP4 192.0.2.1 443\r\n",
    "no address": b"PROXY TCP4 localhost 192.0.2.1 1 2\r\n",
    "another family": b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
    "no port": b"PROXY TCP4 192.0.2.1 192.0.2.2 x 2\r\n",
    "too large a port": b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
    "bytes that are no text": b"PROXY TCP4 \xff 192.0.2.2 1 2\r\n",
    "version 3": v2("192.0.2.1", 1, command=0x31),
    "command 2": v2("192.0.2.1", 1, command=0x22),
    "a family that nobody has defined": v2("192.0.2.1", 1, family=0x41),
    "a transport that nobody has defined": v2("192.0.2.1", 1, family=0x13),
    "too long": V2_SIGNATURE + b"\x21\x11" + (V2_AT_MOST).to_bytes(2, "big"),
    "too short for its addresses": V2_SIGNATURE + b"\x21\x21\x00\x04" + b"1234",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_header_is_an_error(fault: str) -> None:
    with pytest.raises(ValueError, match=r"PROXY|address"):
        parse(BROKEN[fault])


@pytest.mark.parametrize("data", [REST, b"GET / HTTP/1.1\r\n", b"POST /", b"PUT /", b"PROXIES", b"\r\n\r\nGET", b"\x00"])
def test_anything_else_is_no_header(data: bytes) -> None:
    assert parse(data) is Unread.ABSENT


@given(
    st.binary(max_size=300)
    | st.builds(lambda more: V2_SIGNATURE + more, st.binary(max_size=80))
    | st.builds(lambda more: b"PROXY " + more, st.binary(max_size=120))
)
def test_any_bytes_are_a_header_or_none_or_an_error(data: bytes) -> None:
    try:
        found = parse(data)
    except ValueError:
        return
    assert not isinstance(found, ProxyHeader) or 0 < found.size <= len(data)


@pytest.mark.parametrize("kind", ["version 1", "version 2", "version 1, unknown"])
def test_a_header_is_known_by_its_first_bytes(kind: str) -> None:
    header, _ = HEADERS[kind]
    assert looks_like(header)
    assert not looks_like(REST)
    assert not looks_like(b"PROXIES / HTTP/1.1\r\n")
