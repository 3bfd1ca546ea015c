"""A broker that has only MQTT 3.1.1, or no MQTT at all: a double that answers by the byte."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable

import pytest
from teslafast.errors import Undelivered, Unreachable
from teslafast.outputs.mqtt_broker import Address, OtherVersion, Publication
from teslafast.outputs.mqtt_connection import BrokerConnection, opened
from teslafast.outputs.mqtt_packets import V5, V311

LEVEL = 8  # where a CONNECT says its version


async def talk(version: int, answer: Callable[[bytes], bytes], then: Callable[[BrokerConnection], object] | None = None) -> None:
    """Logs in at a broker that answers what it gets; no answer: it hangs up."""

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while (data := await reader.read(4096)) and (said := answer(data)):
                writer.write(said)
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    tls: ssl.SSLContext | None = None
    address = Address("127.0.0.1", server.sockets[0].getsockname()[1], tls, None)
    try:
        connection = await opened(address, version, "id", None, lambda topic, payload: None)
        if then is not None:
            await connection.publish([Publication(b"a", b"b", 1, False)])
        await connection.close()
    finally:
        await ended.wait()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("said", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b""])
def test_a_broker_that_does_not_know_version_5_is_recognised(said: bytes) -> None:
    with pytest.raises(OtherVersion):
        asyncio.run(talk(V5, lambda data: said))


def test_a_broker_of_version_311_is_logged_in_at_and_confirms() -> None:
    def answer(data: bytes) -> bytes:
        if data[0] == 0x10:
            assert data[LEVEL] == V311
            return b"\x20\x02\x00\x00"
        return {0xC0: b"\xd0\x00", 0xE0: b""}.get(data[0], b"") if len(data) == 2 else b"\xd0\x00\x40\x02\x00\x01"

    asyncio.run(talk(V311, answer, then=lambda connection: None))


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Undelivered, "does not speak MQTT"),
        (b"\x20\x02\x00\x05", Undelivered, "refuses the login"),
        (b"\x20\x02\x00\x02", Undelivered, "MQTT_CLIENT_ID"),
        (b"", Unreachable, "has ended the connection"),
    ],
)
def test_what_else_may_answer_is_said_in_plain_words(said: bytes, kind: type[Undelivered], words: str) -> None:
    with pytest.raises(kind, match=words):
        asyncio.run(talk(V311, lambda data: said))
