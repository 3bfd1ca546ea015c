"""
MQTT's packets, versions 3.1.1 and 5: what a publisher writes and what a broker answers. Bytes in, values out; no I/O.

    publisher ──▶ CONNECT  PUBLISH  PUBREL  SUBSCRIBE  PINGREQ  DISCONNECT
    broker    ──▶ CONNACK  PUBACK | PUBREC PUBCOMP  SUBACK  PINGRESP  PUBLISH  DISCONNECT

A packet is one byte of type and flags, the length of its body in base 128, and the body. In version 5 most bodies hold
properties: those that a broker limits us by are read, all others are passed over by the length that their number gives them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 5, 6, 7, 9, 13, 14
V311, V5 = 4, 5  # the protocol's own numbers
PINGREQ = b"\xc0\x00"
BYE = b"\xe0\x00"
RETAIN = 0x01

PACKET_AT_MOST = 1 << 20  # of the broker's: a discovery message has 50 kB, and nothing larger is asked for
HIGHEST_ID = 0xFFFF

_U16 = Struct(">H")
_U32 = Struct(">I")

# Version 5: the number of a property → its bytes; 0: text or bytes with their length before them; -1: two of those; -2: base 128.
_SIZES = dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1)
_SIZES |= dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2)
_SIZES |= dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4)
_SIZES |= dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), 0)
_SIZES |= {0x26: -1, 0x0B: -2}
_SERVER_KEEP_ALIVE, _REASON, _RECEIVE_MAXIMUM, _MAXIMUM_QOS, _RETAIN_AVAILABLE, _MAXIMUM_PACKET = (
    0x13,
    0x1F,
    0x21,
    0x24,
    0x25,
    0x27,
)


class Packet(NamedTuple):
    """One packet of the broker. `head`: the byte of type and flags."""

    head: int
    body: bytes

    @property
    def kind(self) -> int:
        return self.head >> 4


@dataclass(frozen=True, slots=True)
class Limits:
    """What the broker allows. `code` 0: we are in; everything else is why we are not, and `reason` is its own word for it."""

    code: int
    reason: str = ""
    in_flight: int = HIGHEST_ID
    qos: int = 2
    retain: bool = True
    packet_bytes: int = 268_435_460  # the protocol's own limit
    keep_alive_s: int | None = None


def length(size: int) -> bytes:
    """Base 128, the lowest seven bits first."""
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def _sized(content: bytes) -> bytes:
    return _U16.pack(len(content)) + content


class Will(NamedTuple):
    topic: bytes
    payload: bytes


def connect(
    version: int,
    client_id: str,
    login: tuple[str, str | None] | None,
    will: Will | None,
    keep_alive_s: int,
    session_s: int = 0,
) -> bytes:
    """
    A clean session: what was not confirmed is in the log, and is sent again from there.

    session_s   with version 5, the session goes on for so long when its connection is lost: then a client of the same id takes it
                over, and the will, which waits as long, is not published
    """
    keeps = version == V5 and session_s > 0
    flags = 0x00 if keeps else 0x02
    properties = b"\x00" if version == V5 else b""
    expiry = b"\x05\x11" + _U32.pack(session_s) if keeps else properties
    parts = [_sized(client_id.encode())]
    if will is not None:
        flags |= 0x2C  # a will, with QoS 1, retained
        parts += [b"\x05\x18" + _U32.pack(session_s) if keeps else properties, _sized(will.topic), _sized(will.payload)]
    if login is not None:
        user, password = login
        flags |= 0x80
        parts.append(_sized(user.encode()))
        if password is not None:
            flags |= 0x40
            parts.append(_sized(password.encode()))
    body = b"\x00\x04MQTT" + bytes([version, flags]) + _U16.pack(keep_alive_s) + expiry + b"".join(parts)
    return b"\x10" + length(len(body)) + body


def publish(version: int, topic: bytes, payload: bytes, qos: int, retain: bool, number: int) -> bytes:
    """`number`: the packet's id; it has none with QoS 0."""
    middle = (_U16.pack(number) if qos else b"") + (b"\x00" if version == V5 else b"")
    size = 2 + len(topic) + len(middle) + len(payload)
    return bytes([0x30 | qos << 1 | retain]) + length(size) + _U16.pack(len(topic)) + topic + middle + payload


def release(number: int) -> bytes:
    """PUBREL, the second half of QoS 2."""
    return b"\x62\x02" + _U16.pack(number)


def subscribe(version: int, number: int, topics: list[bytes]) -> bytes:
    """With QoS 0: what is asked for is retained, or is said again."""
    body = _U16.pack(number) + (b"\x00" if version == V5 else b"") + b"".join(_sized(topic) + b"\x00" for topic in topics)
    return b"\x82" + length(len(body)) + body


def unsubscribe(version: int, number: int, topics: list[bytes]) -> bytes:
    body = _U16.pack(number) + (b"\x00" if version == V5 else b"") + b"".join(map(_sized, topics))
    return b"\xa2" + length(len(body)) + body


class Packets:
    """The packets in a stream of bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Those that are whole by now. Raises ValueError if the bytes are no packets, or one is larger than PACKET_AT_MOST."""
        self._rest += data
        at = 0
        try:
            while (found := _measure(self._rest, at)) is not None:
                start, end = found
                if end > len(self._rest):
                    break
                yield Packet(self._rest[at], self._rest[start:end])
                at = end
        finally:
            self._rest = self._rest[at:]


def _measure(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` starts and ends; None if its length is not whole yet."""
    size = 0
    for place in range(4):
        if at + 1 + place >= len(data):
            return None
        byte = data[at + 1 + place]
        size |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if size > PACKET_AT_MOST:
                raise ValueError(f"a packet of {size} bytes")
            start = at + 2 + place
            return start, start + size
    raise ValueError("a packet without a length")


def limits(version: int, packet: Packet) -> Limits:
    """What a CONNACK says. Raises ValueError."""
    if len(packet.body) < 2:
        raise ValueError("a CONNACK that is too short")
    code = packet.body[1]
    if version != V5 or len(packet.body) == 2:  # a broker that has only 3.1.1 answers in its own way
        return Limits(code)
    found = dict(_properties(packet.body, 2))
    return Limits(
        code,
        reason=found.get(_REASON, b"").decode(errors="replace"),
        in_flight=_number(found.get(_RECEIVE_MAXIMUM), HIGHEST_ID),
        qos=_number(found.get(_MAXIMUM_QOS), 2),
        retain=_number(found.get(_RETAIN_AVAILABLE), 1) == 1,
        packet_bytes=_number(found.get(_MAXIMUM_PACKET), 268_435_460),
        keep_alive_s=_number(found[_SERVER_KEEP_ALIVE], 0) if _SERVER_KEEP_ALIVE in found else None,
    )


def _number(content: bytes | None, otherwise: int) -> int:
    return int.from_bytes(content, "big") if content is not None else otherwise


def _properties(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """The properties at `at`, by their numbers; of pairs, and of numbers in base 128, only that they are there."""
    end, at = _base128(data, at)
    end += at
    if end > len(data):
        raise ValueError("properties that are cut off")
    while at < end:
        number = data[at]
        size = _SIZES.get(number)
        at += 1
        if size is None:
            raise ValueError(f"an unknown property {number}")
        if size == -2:
            _, at = _base128(data, at)
            continue
        for _ in range(2 if size == -1 else 1):
            step = size if size > 0 else _u16(data, at)
            at += 0 if size > 0 else 2
            if at + step > end:
                raise ValueError("a property that is cut off")
            yield number, data[at : at + step]
            at += step


def _base128(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = 0
    for place in range(4):
        if at >= len(data):
            raise ValueError("a number that is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at
    raise ValueError("a number that does not end")


def _u16(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise ValueError("a packet that is cut off")
    number: int = _U16.unpack_from(data, at)[0]
    return number


def answer(packet: Packet) -> tuple[int, int]:
    """(id, reason code) of a PUBACK, PUBREC or PUBCOMP; below 0x80 all is well. Raises ValueError."""
    return _u16(packet.body, 0), packet.body[2] if len(packet.body) > 2 else 0


def granted(version: int, packet: Packet) -> tuple[int, bytes]:
    """(id, a code a topic) of a SUBACK; 0x80 and above: refused. Raises ValueError."""
    at = 2
    if version == V5:
        size, at = _base128(packet.body, 2)
        at += size
    return _u16(packet.body, 0), packet.body[at:]


def message(version: int, packet: Packet) -> tuple[bytes, bytes]:
    """(topic, payload) of a PUBLISH. Raises ValueError."""
    start = 2 + _u16(packet.body, 0)
    topic = packet.body[2:start]
    start += 2 if packet.head & 0x06 else 0
    if version == V5:
        size, start = _base128(packet.body, start)
        start += size
    if start > len(packet.body):
        raise ValueError("a PUBLISH that is cut off")
    return topic, packet.body[start:]


def ended(version: int, packet: Packet) -> int:
    """The reason code of a broker's DISCONNECT."""
    return packet.body[0] if version == V5 and packet.body else 0
