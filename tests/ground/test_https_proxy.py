"""Requests through the proxy of HTTPS_PROXY: what it is asked, and that it sees no secret. Both ends are on loopback."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
from teslafast import https
from teslafast.errors import Misconfigured, Unhealthy

from tests.support.certificates import SERVER_AUTH, World
from tests.support.peers import PATIENCE_S

HOST = "fleet.example"


@dataclass
class Proxy:
    """Answers CONNECT by connecting to `target`, whatever was asked for; then passes bytes on. `answer`: its status line."""

    target: int
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    head: bytes = b""
    passed: bytearray = field(default_factory=bytearray)

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes an accept that nobody came to
        self._listening.close()
        self._thread.join(PATIENCE_S)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listening.accept()
            with client, socket.create_connection(("127.0.0.1", self.target), PATIENCE_S) as server:
                while b"\r\n\r\n" not in self.head:
                    self.head += client.recv(4096)
                client.sendall(self.answer)
                back = threading.Thread(target=pump, args=(server, client, bytearray()))
                back.start()
                pump(client, server, self.passed)
                back.join(PATIENCE_S)


def pump(source: socket.socket, sink: socket.socket, seen: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            seen += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def target(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a TLS server that is `fleet.example` and answers one request; its CA is trusted."""
    pair = world.pair(world.stranger, "fleet", usages=(SERVER_AUTH,), hosts=(HOST,))
    (tmp_path / "trusted.pem").write_bytes(world.stranger.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    for name in ("https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with contextlib.suppress(OSError):
            plain, _ = listening.accept()
            with context.wrap_socket(plain, server_side=True) as secure:
                secure.recv(65536)
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    thread = threading.Thread(target=answer)
    thread.start()
    yield int(listening.getsockname()[1])
    with contextlib.suppress(OSError):
        listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(PATIENCE_S)


def ask() -> https.Reply:
    return https.request("GET", f"https://{HOST}/path", {"Authorization": "Bearer very-secret"})


def test_a_request_goes_through_the_proxy_which_sees_only_the_host(target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(target) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert ask().body == b"hi"
    assert proxy.head.startswith(f"CONNECT {HOST}:443 HTTP/1.".encode())
    assert b"very-secret" not in proxy.head + proxy.passed
    assert b"Proxy-Authorization" not in proxy.head


def test_the_proxys_name_and_password_go_to_the_proxy_alone(target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(target) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:p%40ss@"))
        assert ask().status == 200
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss") in proxy.head


def test_a_proxy_that_refuses_is_named_without_its_password(target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(target, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:hunter2@"))
        with pytest.raises(Unhealthy, match=r"407 .*through the proxy 127\.0\.0\.1:\d+ — .*check HTTPS_PROXY") as refused:
            ask()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://localhost:1/x"])
def test_this_machine_is_asked_without_the_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:1")
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:1")
    with pytest.raises(Unhealthy) as refused:
        https.request("GET", url)
    assert "proxy" not in refused.value.fault


def test_a_host_in_no_proxy_is_asked_without_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "no-proxy.invalid")
    with pytest.raises(Unhealthy) as refused:
        https.request("GET", "https://no-proxy.invalid/")
    assert "through the proxy" not in refused.value.fault


@pytest.mark.parametrize("proxy", ["socks5://me:hunter2@127.0.0.1:1", "https://127.0.0.1:1", "http://"])
def test_a_proxy_of_another_kind_is_refused_by_name(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(Misconfigured, match=r"^HTTPS_PROXY: ") as refused:
        https.request("GET", f"https://{HOST}/")
    assert "hunter2" not in str(refused.value)
