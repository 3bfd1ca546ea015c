"""HTTP requests: secrets go only to a verified host or to this machine, and every answer is bounded."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from teslafast import https
from teslafast.errors import Misconfigured, PermanentFault, Unhealthy

from tests.support.certificates import World

OK = b"HTTP/1.1 200 OK\r\nX-Kind: Some\r\nContent-Length: 4\r\n\r\nbody"


def whole_request(connection: socket.socket) -> bytes:
    """With its body, which may come later than its head; all that comes, if that is none."""
    data = b""
    while chunk := connection.recv(4096):
        data += chunk
        head, end, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if end and len(body) >= int(length[1] if length else 0):
            break
    return data


@contextmanager
def answering(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers one connection with these bytes: its port, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            plain, _ = listening.accept()
            with plain:
                try:
                    with context.wrap_socket(plain, server_side=True) if context else plain as connection:
                        asked.append(whole_request(connection))
                        connection.sendall(answer)
                except OSError:
                    asked.append(b"")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], asked
        thread.join()


@pytest.fixture
def tls(world: World) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.server.certificate, world.server.key)
    return context


def test_a_request_to_this_machine_gives_status_body_and_lower_case_headers() -> None:
    with answering(OK) as (port, asked):
        reply = https.request("POST", f"http://127.0.0.1:{port}/a?b=c", {"Authorization": "Bearer x"}, b"{}")
    assert (reply.status, reply.body, reply.headers["x-kind"]) == (200, b"body", "Some")
    assert asked[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer x\r\n" in asked[0]


def test_a_request_without_tls_to_another_machine_is_refused() -> None:
    with pytest.raises(Misconfigured, match="would carry secrets unencrypted — give an https:// address"):
        https.request("GET", "http://fleet.example/api")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "https://", "", "http://127.0.0.1:99999999/", "fleet.example"])
def test_an_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured):
        https.request("GET", url)


def test_a_server_that_does_not_verify_gets_no_request(tls: ssl.SSLContext) -> None:
    unverified = pytest.raises(
        PermanentFault, match=r"its certificate does not verify \(unable to get local issuer certificate\)"
    )
    with answering(OK, tls) as (port, asked), unverified:
        https.request("GET", f"https://localhost:{port}/", {"Authorization": "Bearer secret"})
    assert asked == [b""]


@pytest.mark.parametrize(
    ("says", "clock"), [("certificate has expired", True), ("certificate is not yet valid", True), ("x", False)]
)
def test_a_certificate_that_is_not_valid_now_may_be_the_clocks_fault(says: str, clock: bool) -> None:
    assert https._certificate_remedy(says).startswith(f"check this machine's clock, which says {time.gmtime().tm_year}") is clock
    assert "SSL_CERT_FILE" in https._certificate_remedy(says)


def test_a_proxy_that_wants_a_password_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with answering(refusing) as (port, _):
        monkeypatch.setenv("https_proxy", f"http://me:secret@127.0.0.1:{port}")
        with pytest.raises(PermanentFault, match="407") as refused:
            https.request("GET", "https://fleet.example/")
    assert "check HTTPS_PROXY, too" in refused.value.remedy
    assert "secret" not in str(refused.value)


def test_an_unverified_get_accepts_any_certificate(tls: ssl.SSLContext) -> None:
    with answering(OK, tls) as (port, _):
        assert https.get_unverified(f"https://127.0.0.1:{port}/health", 5.0).body == b"body"


def test_a_redirect_is_not_followed() -> None:
    with answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n") as (port, _):
        assert https.request("GET", f"http://127.0.0.1:{port}/").status == 302


def test_an_answer_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "LONGEST_ANSWER", 3)
    with answering(OK) as (port, _), pytest.raises(Unhealthy, match="its answer is longer than 3 bytes"):
        https.request("GET", f"http://127.0.0.1:{port}/")


def test_name_and_password_in_a_url_are_not_in_the_message() -> None:
    with pytest.raises(Unhealthy) as unhealthy:
        https.request("GET", "http://me:secret@127.0.0.1:9/")
    assert str(unhealthy.value).startswith("127.0.0.1:9: no answer")


@pytest.mark.parametrize("url", ["http://" + "a" * 70, "http://..:1", "http://127.0.0.1:9/a b"])
def test_a_host_or_path_that_cannot_exist_is_no_answer(url: str) -> None:
    with pytest.raises(Unhealthy, match="no answer"):
        https.get_unverified(url, 5.0)


@pytest.mark.parametrize(("answer", "status"), [(OK, 200), (b"SSH-2.0-OpenSSH\r\n", 0), (b"", 0)])
def test_the_head_of_an_answer_has_status_0_if_it_is_not_http(answer: bytes, status: int) -> None:
    with answering(answer) as (port, asked), socket.create_connection(("127.0.0.1", port), 5.0) as connection:
        reply = https.head(connection, "telemetry.example.com", 8443, "/stream", {"X-One": "1"})
    assert (reply.status, reply.body) == (status, b"")
    assert asked[0].startswith(b"GET /stream HTTP/1.1\r\nHost: telemetry.example.com:8443\r\n")
    assert b"\r\nX-One: 1\r\n" in asked[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n{}",
    ],
)
def test_an_answer_that_ends_too_early_is_none(answer: bytes) -> None:
    with answering(answer) as (port, _), pytest.raises(Unhealthy, match="no answer"):
        https.request("GET", f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
def test_an_answer_whose_every_byte_is_in_time_and_that_never_ends_is_given_up(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, head: bytes, encrypted: bool
) -> None:
    monkeypatch.setattr(https, "LONGEST_EXCHANGE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            plain, _ = listening.accept()
            with plain, tls.wrap_socket(plain, server_side=True) if encrypted else plain as connection:
                connection.recv(4096)
                connection.sendall(head)
                with suppress(OSError):  # the other end has given up
                    while True:
                        connection.sendall(b"x")
                        time.sleep(0.02)

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(Unhealthy, match="not whole after"):
            https.get_unverified(f"http{'s' * encrypted}://127.0.0.1:{listening.getsockname()[1]}/", 5.0)
        thread.join()
