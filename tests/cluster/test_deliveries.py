"""What a consumer delivers is read as nats-py reads it, however the bytes are torn; all else is left to nats-py."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import ProtocolError
from nats.protocol.parser import Parser
from teslafast.cluster._deliveries import frame_end, read_deliveries
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.nats_parser import DeliveryParser, watched

OURS = 7


class Heard:
    """In a client's place: what a parser tells it, in order. `taken`: what was delivered to our subscription."""

    def __init__(self) -> None:
        self.rest: list[Any] = []
        self.taken: list[StreamMessage] = []

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, payload: bytes, headers: bytes | None) -> None:
        words = reply.split(b".")
        if sid == OURS and words[:2] == [b"$JS", b"ACK"]:
            shift = 2 if len(words) > 9 else 0
            number, stored_ns = int(words[5 + shift]), int(words[7 + shift])
            self.taken.append(StreamMessage(number, subject.decode(), stored_ns // 1_000_000, payload))
        else:
            self.rest.append((sid, subject, reply, payload, headers))

    async def _process_ping(self) -> None:
        self.rest.append("ping")

    async def _process_pong(self) -> None:
        self.rest.append("pong")

    async def _process_err(self, said: str) -> None:
        self.rest.append(said)

    async def _process_info(self, said: dict[str, Any]) -> None:
        self.rest.append(said)


def delivery(number: int, stored_ns: int, payload: bytes, domain: bytes, sid: int, headers: bytes = b"") -> bytes:
    reply = b"$JS.ACK.%bTF.x1.1.%d.%d.%d.5" % (domain, number, number, stored_ns)
    if headers:
        return b"HMSG tf.00ff %d %b %d %d\r\n%b%b\r\n" % (sid, reply, len(headers), len(headers + payload), headers, payload)
    return b"MSG tf.00ff %d %b %d\r\n%b\r\n" % (sid, reply, len(payload), payload)


PAYLOADS = st.binary(max_size=300) | st.sampled_from([b"", b"\r\n", b"MSG tf.00ff 7 $JS.ACK.TF.x1.1.9.9.9.9 0\r\n\r\n"])
DELIVERIES = st.builds(
    delivery,
    st.integers(1, 2**60),
    st.integers(0, 2**62),
    PAYLOADS,
    st.sampled_from([b"", b"hub.ACCOUNT."]),
    st.just(OURS) | st.integers(1, 80),
    st.sampled_from([b"", b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 41\r\n\r\n"]),
)
OTHERS = st.sampled_from(
    [
        b"PING\r\n",
        b"PONG\r\n",
        b"+OK\r\n",
        b"-ERR 'Permissions Violation'\r\n",
        b'INFO {"max_payload":1048576}\r\n',
        b"MSG _INBOX.1 7 5\r\nhello\r\n",
        b"MSG _INBOX.1 7 some.where 5\r\nhello\r\n",
        b"MSG  tf.1   9  reply  2\r\nhi\r\n",
        b"HMSG _INBOX.1 7 30 30\r\nNATS/1.0 100 Idle Heartbeat\r\n\r\n\r\n".replace(b"30", b"31"),
        b"HMSG _INBOX.1 7 $JS.FC.TF.x1.1 12 15\r\nNATS/1.0\r\n\r\nabc\r\n",
    ]
)


def heard(parser_of: type[Parser], pieces: list[bytes]) -> Heard:
    client = Heard()
    parser = parser_of(client)
    if isinstance(parser, DeliveryParser):
        parser.watch(OURS, client.taken.extend)

    async def parse() -> None:
        for piece in pieces:
            await parser.parse(piece)

    asyncio.run(parse())
    return client


@given(st.lists(DELIVERIES | OTHERS, max_size=12), st.data())
def test_both_parsers_tell_the_same_however_the_bytes_are_torn(frames: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    theirs, ours = heard(Parser, [whole]), heard(DeliveryParser, pieces)
    assert ours.taken == theirs.taken
    assert ours.rest == theirs.rest


@given(DELIVERIES, st.data())
def test_a_torn_or_changed_frame_raises_nothing_but_that_it_is_wrong(frame: bytes, data: st.DataObject) -> None:
    changed = bytearray(frame)
    changed[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    del changed[data.draw(st.integers(0, len(frame))) :]
    found: list[StreamMessage] = []
    try:
        place = read_deliveries(changed, 0, b"%d" % OURS, StreamMessage, found)
        assert 0 <= place <= len(changed)
        assert -1 <= frame_end(changed, place) <= len(changed)
    except ValueError:
        assert not found


@given(st.binary(max_size=200), st.integers(-3, 210))
def test_foreign_bytes_are_no_delivery(text: bytes, place: int) -> None:
    found: list[StreamMessage] = []
    try:
        assert read_deliveries(bytearray(text), place, b"7", StreamMessage, found) == place
        frame_end(bytearray(text), place)
    except ValueError:
        pass
    assert not found


@pytest.mark.parametrize(
    "frame",
    [
        b"MSG tf.1 7 reply 99999999999999999999999\r\n",
        b"MSG tf.1 7 reply -1\r\n",
        b"HMSG tf.1 7 reply 3 99999999999\r\n",
        b"MSG a b c d e 5\r\n",
        b"x" * 2_000_000,
        b"nonsense\r\n",
    ],
)
def test_what_can_never_be_whole_ends_the_connection(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        heard(DeliveryParser, [b"PING\r\n", frame])


def test_what_came_before_a_new_connection_is_forgotten() -> None:
    client = Heard()
    parser = DeliveryParser(client)
    frame = delivery(1, 1, b"payload", b"", OURS)

    async def parse() -> None:
        parser.watch(OURS, client.taken.extend)
        await parser.parse(frame[:20])
        parser.reset()
        await parser.parse(frame)

    asyncio.run(parse())
    assert [message.number for message in client.taken] == [1]


def test_a_frame_that_ends_the_connection_is_the_last_of_it() -> None:
    class Ending(Heard):
        async def _process_err(self, said: str) -> None:
            parser.reset()

    client = Ending()
    parser = DeliveryParser(client)
    parser.watch(OURS, client.taken.extend)
    asyncio.run(parser.parse(b"-ERR 'Stale Connection'\r\n" + delivery(1, 1, b"", b"", OURS)))
    assert not client.taken


def test_nats_py_still_has_a_parser_that_can_be_replaced() -> None:
    client = Client()
    assert watched(client) is client._ps


def test_another_parser_of_nats_py_is_left_alone() -> None:
    client: Any = Client()
    client._ps = theirs = Heard()
    assert watched(client) is None
    assert client._ps is theirs
