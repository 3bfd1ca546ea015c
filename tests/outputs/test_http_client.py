"""One connection that posts: where it may lead, and what another end may do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from teslafast.errors import Undelivered, Unreachable
from teslafast.outputs import http_client
from teslafast.outputs.http_client import Hasty, HttpAnswer, PostConnection, PostTarget, allowed_addresses, is_public, resolve

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


# ---- addresses


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


PRIVATE = (
    "127.0.0.1 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 224.0.0.1 255.255.255.255 240.0.0.1 ::1 :: "
    "fe80::1 fe80::1%eth0 fc00::1 ff02::1 ::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1:: 2001:db8::1"
)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_an_address_of_a_private_network_is_not_however_it_is_wrapped(address: str) -> None:
    assert not is_public(address)


def found(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def look_up(host: str, port: int) -> list[str]:
        return list(addresses)

    return look_up


def allowed(private: bool, *addresses: str) -> list[str]:
    return asyncio.run(allowed_addresses(PostTarget("host.example", 443, None, private), found(*addresses)))


def test_of_a_host_s_addresses_the_public_ones_are_used() -> None:
    assert allowed(False, "10.0.0.1", "1.1.1.1", "::1") == ["1.1.1.1"]
    assert allowed(True, "10.0.0.1", "1.1.1.1") == ["10.0.0.1", "1.1.1.1"]


def test_a_host_without_a_public_address_is_refused_with_the_setting_that_allows_it() -> None:
    with pytest.raises(Undelivered, match=r"host\.example has no public address: set WEBHOOK_PRIVATE=true"):
        allowed(False, "10.0.0.1", "::ffff:127.0.0.1")


def test_a_name_that_means_another_address_a_moment_later_leads_nowhere_else() -> None:
    """DNS rebinding: the connection goes to the address that was checked, not to what the name means by then."""
    answers = [["1.1.1.1"], ["127.0.0.1"]]
    asked, connected_to = [], []

    async def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers.pop(0)

    async def scene() -> None:
        loop = asyncio.get_running_loop()

        async def create_connection(factory: object, host: str, port: int, **options: object) -> object:
            connected_to.append((host, options["server_hostname"]))
            raise ConnectionRefusedError

        loop.create_connection = create_connection  # type: ignore[method-assign,assignment]
        endpoint = PostTarget("host.example", 443, object(), False)  # type: ignore[arg-type]
        with pytest.raises(Unreachable):
            await PostConnection.open(endpoint, look_up)
        with pytest.raises(Undelivered, match="no public address"):
            await PostConnection.open(endpoint, look_up)

    asyncio.run(scene())
    assert connected_to == [("1.1.1.1", "host.example")]
    assert asked == ["host.example"] * 2


def test_a_name_that_does_not_exist_is_unreachable() -> None:
    async def look_up(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(Unreachable, match=r"host\.example has no address \(Name or service not known\)"):
        asyncio.run(allowed_addresses(PostTarget("host.example", 443, None, False), look_up))


def test_a_name_that_no_host_can_have_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="has no address"):
        asyncio.run(allowed_addresses(PostTarget("a" * 64 + ".example", 443, None, False), resolve))


# ---- a connection


Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def posted(peer: Peer, posts: int = 1) -> list[HttpAnswer]:
    async def scene() -> list[HttpAnswer]:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await peer(reader, writer)
            finally:
                writer.close()

        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            connection = await PostConnection.open(PostTarget("127.0.0.1", port, None, True))
            try:
                return [await connection.post(REQUEST) for _ in range(posts)]
            finally:
                connection.close()

    return asyncio.run(scene())


def answering(*pieces: bytes) -> Peer:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return peer


def test_an_answer_that_comes_byte_by_byte_is_read_whole() -> None:
    assert posted(answering(*(OK[at : at + 1] for at in range(len(OK))))) == [HttpAnswer(200, "", b"ok")]


def test_what_comes_before_the_answer_is_passed_over() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nretry-after: 5\r\n\r\n"
    assert posted(answering(early, OK)) == [HttpAnswer(200, "", b"ok")]


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    assert posted(answering(b"HTTP/1.0 503 Busy\r\nRetry-After: 7\r\n\r\nbus", b"y")) == [HttpAnswer(503, "7", b"busy")]


def test_a_chunked_answer_is_put_together() -> None:
    chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert posted(answering(chunks)) == [HttpAnswer(200, "", b"abc")]


def test_another_protocol_is_said_to_be_one() -> None:
    with pytest.raises(Unreachable, match="does not answer in HTTP"):
        posted(answering(b"220 mail.example ESMTP\r\n"))


def test_an_end_before_a_byte_of_an_answer_is_told_from_one_in_the_middle() -> None:
    with pytest.raises(Hasty):
        posted(answering())
    with pytest.raises(Unreachable) as caught:
        posted(answering(b"HTTP/1.1 2"))
    assert not isinstance(caught.value, Hasty)


def test_endless_headers_are_cut_off() -> None:
    with pytest.raises(Unreachable, match=r"longer than|does not answer in HTTP"):
        posted(answering(b"HTTP/1.1 200 OK\r\n", *[b"x: " + b"y" * 8000 + b"\r\n"] * 12))


def test_no_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "TRY_S", 0.05)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with pytest.raises(Unreachable, match=r"no answer within 0\.05 s"):
        posted(silent)


def test_the_time_of_a_try_begins_with_each_post(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "TRY_S", 1.0)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(4):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.3)  # what an answer takes: all of them together take longer than one may
            writer.write(OK)

    assert len(posted(slow, posts=4)) == 4


# ---- TLS


def test_a_certificate_that_does_not_verify_is_refused_and_a_right_one_taken_by_its_name(tmp_path: Path) -> None:
    import ssl

    import trustme

    ca = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("host.example").configure_cert(server_side)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)

    async def scene(host: str, context: ssl.SSLContext) -> HttpAnswer:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await answering(OK)(reader, writer)
            writer.close()

        async with await asyncio.start_server(connected, "127.0.0.1", 0, ssl=server_side) as server:
            port = server.sockets[0].getsockname()[1]
            connection = await PostConnection.open(PostTarget(host, port, context, True), found("127.0.0.1"))
            try:
                return await connection.post(REQUEST)
            finally:
                connection.close()

    assert asyncio.run(scene("host.example", trusting)).status == 200
    with pytest.raises(Undelivered, match=r"[Hh]ostname mismatch"):
        asyncio.run(scene("other.example", trusting))
    with pytest.raises(Undelivered, match="unable to get local issuer certificate"):
        asyncio.run(scene("host.example", ssl.create_default_context()))
