"""A WebSocket connection that could not be made is explained in one line that says what to mend, and shows no secret."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping

import pytest
from picows import WSError, WSHandshakeError, WSListener
from teslafast.websocket.connect import connect, is_final
from teslafast.websocket.connect_error import connect_error

URL = "wss://telemetry.example.com/stream?token=secret"


async def refused_by(answer: bytes) -> Exception:
    """What `connect` raises at a server that gives this answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises((OSError, WSError)) as refused:
            await connect(WSListener, f"ws://127.0.0.1:{port}/", None, {})
    return refused.value


def response(status: str, body: str = "", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", body]).encode()


@pytest.mark.parametrize(
    ("answer", "remedies", "message"),
    [
        (response("401 Unauthorized", "401 Unauthorized: a token is needed"), {401: "give one"},
         "--token: wss://telemetry.example.com/stream answers 401 Unauthorized: a token is needed — give one"),
        (response("503 Service Unavailable"), {},
         "URL: wss://telemetry.example.com/stream answers 503 Service Unavailable — try again later"),
        (response("404 Not Found", "no\x1b[2J such page"), {},
         "URL: wss://telemetry.example.com/stream answers 404 Not Found: no?[2J such page — see the server's log"),
        (response("302 Found", Location="https://evil.example/"), {},
         "URL: wss://telemetry.example.com/stream redirects to https://evil.example/ — use that address if you trust it"),
    ],
    ids=["401", "503", "404", "302"],
)  # fmt: skip
def test_a_refusal_is_explained_with_status_reason_and_remedy(answer: bytes, remedies: Mapping[int, str], message: str) -> None:
    error = asyncio.run(refused_by(answer))
    assert isinstance(error, WSHandshakeError)
    assert str(connect_error(error, URL, remedies)) == message


def test_a_server_that_closes_without_an_answer_has_the_remedy_of_status_0() -> None:
    error = asyncio.run(refused_by(b""))
    said = connect_error(error, URL, {0: "show a certificate"})
    assert said.fault == "wss://telemetry.example.com/stream ended the connection during the handshake"
    assert said.remedy == "show a certificate"


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ssl.SSLCertVerificationError("bad"), "the certificate of wss://telemetry.example.com/stream does not verify"),
        (ssl.SSLError(1, "wrong version"), "the TLS handshake with wss://telemetry.example.com/stream failed"),
        (socket.gaierror(-2, "unknown"), "the host name is not known"),
        (TimeoutError(), "does not answer"),
        (ConnectionRefusedError(), "nothing listens at wss://telemetry.example.com/stream"),
        (WSError("odd\nframe"), "does not speak WebSocket (odd frame)"),
        (OSError(101, "Network is unreachable"), "cannot be reached"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_kind_of_failure_has_its_words_and_shows_no_token(error: Exception, fault: str) -> None:
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed certificate"
    elif isinstance(error, ssl.SSLError):
        error.reason = "WRONG_VERSION_NUMBER"
    said = connect_error(error, URL, {})
    assert fault in said.fault
    assert said.remedy
    assert "secret" not in str(said)
    assert "\n" not in str(said)


@pytest.mark.parametrize(("status", "final"), [("401 Unauthorized", True), ("503 Service Unavailable", False)])
def test_only_a_refusal_that_will_be_the_same_next_time_is_final(status: str, final: bool) -> None:
    assert is_final(asyncio.run(refused_by(response(status)))) is final


def test_a_certificate_that_does_not_verify_is_final_and_a_lost_connection_is_not() -> None:
    assert is_final(ssl.SSLCertVerificationError("bad"))
    assert not is_final(ConnectionResetError())
