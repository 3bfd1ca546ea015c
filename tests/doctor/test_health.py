"""The health check: one line for who is well, one line for who is not, and never a traceback."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from teslafast.config import Settings
from teslafast.doctor import health
from teslafast.errors import Misconfigured, Unhealthy

from tests.support.certificates import World
from tests.support.ports import free_port
from tests.support.servers import BASE, Inside, spawn


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of something that answers one connection with these bytes, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                with suppress(OSError):  # whoever asked has read enough
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def answered(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


def test_a_server_that_is_well_is_told_in_one_line() -> None:
    with Inside() as server:
        for url in (
            f"http://127.0.0.1:{server.place.port}",
            f"127.0.0.1:{server.place.port}",
            f"http://localhost:{server.place.port}/health",
        ):
            assert health.check_health(url) == "ok: 0 vehicles, 0 dashboards, seq 0"


def test_its_certificate_need_not_be_for_this_name(world: World) -> None:
    with Inside(world) as server:
        assert health.check_health(f"https://127.0.0.1:{server.place.port}").startswith("ok: ")


def test_a_server_that_is_draining_is_not_well() -> None:
    with Inside() as server:
        server.drain()
        server.lines.wait_for("drained")
        with pytest.raises(Unhealthy, match="HTTP 503, draining"):
            health.check_health(f"http://127.0.0.1:{server.place.port}")


def test_where_nobody_listens_nobody_is_well() -> None:
    with pytest.raises(Unhealthy, match="no answer"):
        health.check_health(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-x\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_something_else_that_listens_there_is_not_well(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(Unhealthy):
        health.check_health(url)


@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b"{}", b"7", b'{"status":"ill"}', b"\xff", b"[" * 60_000])
def test_an_answer_that_is_no_report_is_not_well(body: bytes) -> None:
    with answering(answered(body)) as url, pytest.raises(Unhealthy):
        health.check_health(url)


def test_an_answer_without_an_end_is_read_only_so_far() -> None:
    with answering(answered(b'{"status":"ok"}' + b" " * 1_000_000)) as url:
        assert health.check_health(url).startswith("ok: ")


@pytest.mark.parametrize(
    "url", ["", "http://", "ftp://example.com", "http://[::1", "http://localhost:99999", "http://localhost:x", "http:///health"]
)
def test_what_is_no_address_is_the_callers_to_mend(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        health.check_health(url)
    assert caught.value.subject == "URL"


@pytest.mark.parametrize("url", ["http://" + "a" * 70, "http://no-such-host.invalid", "http://127.0.0.1:9/a b", "http://..:1"])
def test_an_address_where_nobody_can_be_is_not_well(url: str) -> None:
    with pytest.raises((Unhealthy, Misconfigured)) as caught:
        health.check_health(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://127.0.0.1:3000"),
        ({"HOST": "0.0.0.0", "PORT": "8080"}, "http://127.0.0.1:8080"),
        ({"HOST": "192.0.2.1"}, "http://192.0.2.1:3000"),
        ({"HOST": "::1"}, "http://[::1]:3000"),
        ({"CERT_PATH": "c.pem", "KEY_PATH": "k.pem"}, "https://127.0.0.1:3000"),
    ],
)
def test_without_an_address_it_is_the_one_of_the_settings(variables: dict[str, str], url: str) -> None:
    settings = Settings.from_env({"JWT_SECRET": BASE["JWT_SECRET"]} | variables)
    assert health.local_url(settings) == url


def test_a_server_on_any_port_that_does_not_run_is_not_well(tmp_path: Path) -> None:
    variables = {"NODE_ENV": "development", "PORT": "0", "XDG_RUNTIME_DIR": str(tmp_path)}
    with spawn(["health"], variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
        out, err = asked.communicate()
    assert (asked.returncode, out) == (1, "")
    assert err == "teslafast: no server with these settings runs here, and PORT is 0 — start it, or give its URL\n"
