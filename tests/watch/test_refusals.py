"""What the client reports when it cannot connect at all."""

import asyncio
import ssl
from http import HTTPStatus
from pathlib import Path

import pytest
from teslafast.certificates import folder
from teslafast.errors import Misconfigured
from teslafast.watch.client import watch
from teslafast.websocket import connect

from tests.support.fake_stream_server import ESCAPES, HELLO, FakeStreamServer, Output, refused, run, sending, watched
from tests.support.ports import free_port


@pytest.mark.parametrize(
    ("status", "reason", "remedy"),
    [
        (401, "the token has expired", "teslafast token"),
        (403, "VIN X is not granted", "token grants"),
        (400, "no such interval", "--vin"),
        (404, "not found", "/stream"),
        (426, "upgrade required", "upgrade"),
        (503, "draining", "later"),
        (503, "503 Service Unavailable: draining", "later"),
    ],
)
def test_an_http_refusal_is_reported_with_its_reason_and_a_remedy(status: int, reason: str, remedy: str) -> None:
    failure = refused((status, reason, {}), token="t")
    assert failure.fault.endswith(f"answers {status} {HTTPStatus(status).phrase}: {reason.rpartition(': ')[2]}")
    assert remedy in failure.remedy


def test_control_characters_in_a_refusal_do_not_reach_the_terminal() -> None:
    assert str(refused((401, ESCAPES + "\nsecond line", {}))).isprintable()


def test_a_redirect_is_not_followed_with_the_token() -> None:
    server = FakeStreamServer([sending(HELLO)], refusals=[(307, "", {"Location": "wss://evil.example/stream"})])
    with pytest.raises(Misconfigured, match=r"redirects .*evil\.example"):
        watched(server, 1, token="SECRET")
    assert len(server.requests) == 1


def test_a_port_where_nothing_listens_is_refused_with_the_reason() -> None:
    with pytest.raises(Misconfigured, match="nothing listens"):
        run(watch(f"ws://localhost:{free_port()}", out=Output()))


def test_a_server_that_does_not_speak_http_is_refused_with_the_reason() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"220 mail.example.com ESMTP\x1b[31m\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def test() -> None:
        async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
            await watch(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", out=Output())

    with pytest.raises(Misconfigured, match="does not speak WebSocket") as failure:
        run(test())
    assert str(failure.value).isprintable()


def test_a_server_that_never_answers_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "HANDSHAKE_S", 0.05)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def test() -> None:
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            await watch(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", out=Output())

    with pytest.raises(Misconfigured, match="does not answer"):
        run(test())


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> folder.Installation:
    return folder.init(tmp_path_factory.mktemp("certs") / "made", "localhost", vehicles=1)


@pytest.fixture
def secure(installation: folder.Installation) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(installation.directory / "server.pem", installation.directory / "server.key")
    return context


def test_a_server_certificate_of_the_given_ca_file_is_trusted(installation: folder.Installation, secure: ssl.SSLContext) -> None:
    assert len(watched(FakeStreamServer([sending(HELLO)]), 1, secure, ca_file=installation.ca)[0]) == 1


def test_a_server_certificate_of_the_ca_in_ssl_cert_file_is_trusted(
    installation: folder.Installation, secure: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(installation.ca))
    assert len(watched(FakeStreamServer([sending(HELLO)]), 1, secure)[0]) == 1


def test_a_server_certificate_of_an_unknown_ca_is_refused_with_the_reason(secure: ssl.SSLContext) -> None:
    with pytest.raises(Misconfigured, match="does not verify"):
        watched(FakeStreamServer([sending(HELLO)]), 1, secure)


def test_wss_to_a_server_without_tls_is_refused_with_the_remedy_ws() -> None:
    server = FakeStreamServer([sending(HELLO)])

    async def test() -> None:
        async with server.listening():
            await watch(server.url.replace("ws:", "wss:"), out=Output())

    with pytest.raises(Misconfigured, match=r"ws://.* TLS"):
        run(test())


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_ca_file_that_cannot_be_read_is_refused_with_its_name(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(Misconfigured, match=r"ca\.pem: cannot be read"):
        run(watch("wss://localhost", ca_file=tmp_path / "ca.pem", out=Output()))
