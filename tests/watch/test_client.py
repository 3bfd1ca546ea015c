"""
The terminal's dashboard against a /stream of the `websockets` package, and its table as what it is: a function to lines of text.
The live table is looked at through a real pseudo-terminal.
"""

import asyncio
import io
import json
import os
import pty
import re
import signal
import ssl
import subprocess
import sys
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.certificates import folder
from teslafast.errors import Misconfigured
from teslafast.text import cut, printable
from teslafast.watch.board import COLUMNS, Board, render
from teslafast.watch.client import watch
from teslafast.watch.display import Table
from teslafast.watch.stream import Stream
from teslafast.websocket import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.support import ROOT

VIN = "5YJ3TEST5PF000001"
HELLO = {"type": "hello", "epoch": "e1", "seq": 4, "oldest": 1, "server": "teslafast/0.1.0"}
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eabc"


def data(seq: int, vin: str = VIN, **values: Any) -> dict[str, Any]:
    return {"type": "data", "seq": seq, "vin": vin, "createdAt": "2026-11-23T08:00:00.123Z", "data": values, "isResend": False}


# ---- the other side

Script = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Server:
    """A /stream: connection n is served by script n, the last script serves all that follow."""

    scripts: list[Script]
    requests: list[Request] = field(default_factory=list)
    closes: list[tuple[int | None, str | None]] = field(default_factory=list)
    refusals: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)  # of the first calls, before any script
    url: str = ""
    served: int = 0

    async def handle(self, connection: ServerConnection) -> None:
        script = self.scripts[min(self.served, len(self.scripts) - 1)]
        self.served += 1
        with suppress(ConnectionClosed):
            await script(connection)
        await connection.wait_closed()
        self.closes.append((connection.close_code, connection.close_reason))

    def before_upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if not self.refusals:
            return None
        status, reason, headers = self.refusals.pop(0)
        response = connection.respond(HTTPStatus(status), reason)
        response.headers.update(headers)
        return response


@asynccontextmanager
async def listening(server: Server, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    upgrade = server.before_upgrade
    async with serve(server.handle, "127.0.0.1", 0, ssl=context, process_request=upgrade, close_timeout=1) as bound:
        port = next(iter(bound.sockets)).getsockname()[1]
        server.url = f"{'wss' if context else 'ws'}://localhost:{port}"
        yield server


def saying(*messages: dict[str, Any] | str | bytes, then: Script | None = None) -> Script:
    async def script(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(json.dumps(message) if isinstance(message, dict) else message)
        if then is not None:
            await then(connection)

    return script


def closing(code: int, reason: str = "") -> Script:
    async def script(connection: ServerConnection) -> None:
        await connection.close(code, reason)

    return script


async def dropping(connection: ServerConnection) -> None:
    connection.transport.abort()


class Output(io.StringIO):
    """What is written, and somebody who waits for it."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self._terminal = terminal
        self._written = asyncio.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        self._written.set()
        return super().write(text)

    async def until(self, condition: Callable[[str], object]) -> str:
        while not condition(self.getvalue()):
            self._written.clear()
            await self._written.wait()
        return self.getvalue()


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teslafast.backoff.FIRST_S", 0.01)


def run(test: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await test

    return asyncio.run(bounded())


def watched(server: Server, lines: int, context: ssl.SSLContext | None = None, **options: Any) -> tuple[list[str], str]:
    """The first so many lines of JSON that come out of it, and what it said beside them."""

    async def test() -> tuple[list[str], str]:
        out, err = Output(), io.StringIO()
        async with listening(server, context):
            watching = asyncio.create_task(watch(server.url, out=out, err=err, **options))
            reading = asyncio.create_task(out.until(lambda text: text.count("\n") >= lines))
            done, _ = await asyncio.wait({watching, reading}, return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
            if watching in done:
                watching.result()
            watching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watching
        return out.getvalue().splitlines(), err.getvalue()

    first, second = run(test())
    return first, second


def refused(*refusals: tuple[int, str, dict[str, str]], scripts: list[Script] | None = None, **options: Any) -> Misconfigured:
    with pytest.raises(Misconfigured) as failure:
        watched(Server(scripts or [saying(HELLO)], refusals=list(refusals)), 10_000, **options)
    assert "\n" not in str(failure.value)
    return failure.value


# ---- lines of JSON


def test_each_event_is_one_line_of_json_as_the_server_sent_it() -> None:
    events = [HELLO, data(5, VehicleSpeed=65.5), {"type": "gap", "from": 6, "to": 9}, data(10, Gear=None)]
    lines, _ = watched(Server([saying(*events)]), 4)
    assert lines == [json.dumps(event) for event in events]


def test_an_event_on_several_lines_becomes_one_and_what_terminals_obey_becomes_an_escape() -> None:
    pretty = json.dumps(data(5, VehicleName="x"), indent=2)
    raw = '{"type":"data","seq":6,"vin":"V","data":{"VehicleName":"\x9b31m\x7f"}}'
    lines, _ = watched(Server([saying(pretty, raw)]), 2)
    assert json.loads(lines[0]) == data(5, VehicleName="x")
    assert json.loads(lines[1]) == json.loads(raw)
    assert all(line.isprintable() for line in lines)


def test_what_is_no_event_is_said_beside_the_stream() -> None:
    lines, beside = watched(Server([saying("no json", "[1]", b"\x00\x01", data(5))]), 1)
    assert [json.loads(line)["seq"] for line in lines] == [5]
    assert beside.count("no JSON object") == 2
    assert beside.count("binary message") == 1


def test_a_message_in_fragments_is_put_together() -> None:
    async def fragments(connection: ServerConnection) -> None:
        text = json.dumps(data(5, VehicleName="äöü" * 50))
        await connection.send([text[:10], text[10:90], text[90:]])

    lines, _ = watched(Server([fragments]), 1)
    assert json.loads(lines[0])["data"]["VehicleName"] == "äöü" * 50


def test_fragments_without_end_are_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teslafast.watch.client.LARGEST_FRAME", 1000)
    server = Server([saying(["x" * 400] * 4), saying(data(1))])  # type: ignore[arg-type]  # websockets sends lists as fragments
    lines, beside = watched(server, 1)
    assert [json.loads(line)["seq"] for line in lines] == [1]
    assert "the connection ended" in beside
    assert server.closes[0][0] == 1009


def test_pings_are_answered() -> None:
    async def ping(connection: ServerConnection) -> None:
        await (await connection.ping())
        await connection.send(json.dumps(data(1)))

    assert len(watched(Server([ping]), 1)[0]) == 1


# ---- how it asks


def test_the_token_goes_into_the_header_and_the_vins_into_the_query() -> None:
    server = Server([saying(HELLO)])
    watched(server, 1, token="T.O.K", vins=["A", "B"])
    assert server.requests[0].path == "/stream?vin=A,B"
    assert server.requests[0].headers["Authorization"] == "Bearer T.O.K"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://h:3000", "ws://h:3000/stream"),
        ("https://h", "wss://h/stream"),
        ("https://h/", "wss://h/stream"),
        ("wss://h/stream", "wss://h/stream"),
        ("wss://h/behind/a/proxy/", "wss://h/behind/a/proxy/stream"),
        ("localhost:3000", "ws://localhost:3000/stream"),
        ("127.0.0.1:3000/stream", "ws://127.0.0.1:3000/stream"),
        ("wss://me:SECRET@h:1", "wss://h:1/stream"),
        ("[::1]:3000", "ws://[::1]:3000/stream"),
        ("telemetry.example.com", "wss://telemetry.example.com/stream"),
        ("localhost.example.com", "wss://localhost.example.com/stream"),
        ("ws://h/stream?token=SECRET&type=data,alerts&vin=A", "ws://h/stream?type=data,alerts&vin=A"),
        ("ws://h/stream?access_token=SECRET#part", "ws://h/stream"),
        ("ws://h/stream?since=7&epoch=e0", "ws://h/stream?since=7&epoch=e0"),
    ],
)
def test_an_address_is_mended_and_its_token_taken_out(given: str, asked: str) -> None:
    stream = Stream(given, None, (), None, flat=True)
    assert stream.url == asked
    assert stream.token == ("SECRET" if "token=SECRET" in given else None)
    assert "?" not in stream.shown
    assert stream.secure == asked.startswith("wss:")


def test_words_of_the_command_line_win_over_the_address() -> None:
    stream = Stream("ws://h/stream?vin=A&token=OLD&since=1&format=fleet", "NEW", ("B",), 9, flat=True)
    assert (stream.url, stream.token) == ("ws://h/stream?vin=B&since=9", "NEW")
    assert Stream("ws://h?format=fleet", None, (), None, flat=False).url == "ws://h/stream?format=fleet"


@pytest.mark.parametrize("url", ["ftp://h", "ws://", "ws://h:0", "ws://h:x", "ws://[::1", "ws://h/stream?since=yesterday"])
def test_an_address_that_cannot_be_meant_is_named(url: str) -> None:
    with pytest.raises(Misconfigured) as failure:
        Stream(url, None, (), None, flat=True)
    assert failure.value.subject == "URL"


# ---- coming back


@pytest.mark.parametrize("ending", [closing(1012, "the server restarts"), closing(1013), closing(1000), closing(4001), dropping])
def test_it_comes_back_and_asks_for_what_followed_the_last_event(ending: Script) -> None:
    first = saying(HELLO, data(5), data(6), then=ending)
    second = saying({**HELLO, "seq": 9}, data(7), data(8), data(9))
    server = Server([first, second])
    lines, beside = watched(server, 7)
    assert [json.loads(line)["seq"] for line in lines] == [4, 5, 6, 9, 7, 8, 9]
    assert [request.path for request in server.requests] == ["/stream", "/stream?since=6&epoch=e1"]
    assert "the connection ended" in beside


def test_the_reason_of_a_close_cannot_speak_to_the_terminal() -> None:
    _, beside = watched(Server([saying(HELLO, then=closing(1012, ESCAPES)), saying(data(5))]), 2)
    assert "1012 ?]0;owned" in beside
    assert all(line.isprintable() for line in beside.splitlines())


def test_without_an_event_it_asks_for_what_follows_the_hello() -> None:
    server = Server([saying(HELLO, then=dropping), saying(data(5))])
    watched(server, 2)
    assert server.requests[1].path == "/stream?since=4&epoch=e1"


def test_a_gap_moves_it_on() -> None:
    server = Server([saying(HELLO, {"type": "gap", "from": 5, "to": 80}, then=dropping), saying(data(81))])
    watched(server, 3)
    assert server.requests[1].path == "/stream?since=80&epoch=e1"


def test_in_a_new_epoch_it_begins_with_the_oldest_that_is_kept() -> None:
    other = {**HELLO, "epoch": "e2", "seq": 50, "oldest": 31}
    server = Server([saying(HELLO, data(1234), then=dropping), saying(other, then=dropping), saying(data(31))])
    watched(server, 4)
    assert server.requests[1].path == "/stream?since=1234&epoch=e1"
    assert server.requests[2].path == "/stream?since=30&epoch=e2"


def test_a_since_of_the_users_is_asked_for_and_then_moved_on() -> None:
    server = Server([saying(HELLO, then=dropping), saying(data(3), then=dropping), saying(data(4))])
    watched(server, 3, since=2)
    assert [request.path for request in server.requests][:3] == [
        "/stream?since=2",
        "/stream?since=2&epoch=e1",
        "/stream?since=3&epoch=e1",
    ]


def test_the_fleet_shape_has_no_hello_and_is_resumed_all_the_same() -> None:
    record: dict[str, Any] = {"data": [], "createdAt": None, "vin": VIN, "isResend": False, "seq": 12}
    server = Server([saying(record, then=dropping), saying(record)])

    async def test() -> None:
        out = Output()
        async with listening(server):
            watching = asyncio.create_task(watch(server.url + "/stream?format=fleet", out=out, err=io.StringIO(), as_json=True))
            await out.until(lambda text: text.count("\n") >= 2)
            watching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watching

    run(test())
    assert server.requests[1].path == "/stream?format=fleet&since=12"


def test_a_server_that_is_away_for_a_while_is_waited_for() -> None:
    server = Server([saying(HELLO, then=dropping), saying(data(5))])
    real = server.before_upgrade

    def unavailable_twice(connection: ServerConnection, request: Request) -> Response | None:
        if len(server.requests) == 1:
            server.refusals = [(503, "draining", {"Retry-After": "5"}), (502, "bad gateway", {})]
        return real(connection, request)

    server.before_upgrade = unavailable_twice  # type: ignore[method-assign]
    lines, beside = watched(server, 2)
    assert len(lines) == 2
    assert "503 Service Unavailable: draining" in beside
    assert "502" in beside


# ---- what no waiting mends


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
def test_a_refusal_is_named_with_its_reason_and_the_remedy(status: int, reason: str, remedy: str) -> None:
    failure = refused((status, reason, {}), token="t")
    assert failure.fault.endswith(f"answers {status} {HTTPStatus(status).phrase}: {reason.rpartition(': ')[2]}")
    assert remedy in failure.remedy


def test_a_refusals_reason_cannot_speak_to_the_terminal() -> None:
    assert str(refused((401, ESCAPES + "\nsecond line", {}))).isprintable()


def test_a_redirect_is_not_followed_with_the_token() -> None:
    server = Server([saying(HELLO)], refusals=[(307, "", {"Location": "wss://evil.example/stream"})])
    with pytest.raises(Misconfigured, match=r"redirects .*evil\.example"):
        watched(server, 1, token="SECRET")
    assert len(server.requests) == 1


def test_a_token_that_ends_is_named_and_not_tried_again() -> None:
    failure = refused(scripts=[saying(HELLO, then=closing(1008, "token expired"))])
    assert failure.subject == "--token"
    assert "token expired" in failure.fault
    assert "teslafast token" in failure.remedy


def test_a_refusal_on_coming_back_ends_it() -> None:
    server = Server([saying(HELLO, then=dropping)])
    real = server.before_upgrade

    def later_no(connection: ServerConnection, request: Request) -> Response | None:
        server.refusals = [(401, "the secret was changed", {})] if server.requests else []
        return real(connection, request)

    server.before_upgrade = later_no  # type: ignore[method-assign]
    with pytest.raises(Misconfigured, match="the secret was changed"):
        watched(server, 100)


def test_a_port_where_nothing_listens_is_named() -> None:
    async def test() -> str:
        async with listening(Server([saying(HELLO)])) as server:
            return server.url

    url = run(test())
    with pytest.raises(Misconfigured, match="nothing listens"):
        run(watch(url, out=Output()))


def test_a_server_that_speaks_something_else_is_named() -> None:
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


def test_one_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "HANDSHAKE_S", 0.05)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def test() -> None:
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            await watch(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", out=Output())

    with pytest.raises(Misconfigured, match="does not answer"):
        run(test())


# ---- TLS


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> folder.Installation:
    return folder.init(tmp_path_factory.mktemp("certs") / "made", "localhost", vehicles=1)


@pytest.fixture
def secure(installation: folder.Installation) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(installation.directory / "server.pem", installation.directory / "server.key")
    return context


def test_it_trusts_a_ca_file_that_it_is_given(installation: folder.Installation, secure: ssl.SSLContext) -> None:
    assert len(watched(Server([saying(HELLO)]), 1, secure, ca_file=installation.ca)[0]) == 1


def test_it_trusts_the_file_that_ssl_cert_file_names(
    installation: folder.Installation, secure: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(installation.ca))
    assert len(watched(Server([saying(HELLO)]), 1, secure)[0]) == 1


def test_a_certificate_that_nobody_vouches_for_is_named(secure: ssl.SSLContext) -> None:
    with pytest.raises(Misconfigured, match="does not verify"):
        watched(Server([saying(HELLO)]), 1, secure)


def test_a_server_without_tls_is_named() -> None:
    server = Server([saying(HELLO)])

    async def test() -> None:
        async with listening(server):
            await watch(server.url.replace("ws:", "wss:"), out=Output())

    with pytest.raises(Misconfigured, match=r"ws://.* TLS"):
        run(test())


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_ca_file_that_cannot_be_read_is_named(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(Misconfigured, match=r"ca\.pem: cannot be read"):
        run(watch("wss://localhost", ca_file=tmp_path / "ca.pem", out=Output()))


# ---- how it ends


def test_a_cancelled_watch_says_goodbye() -> None:
    server = Server([saying(HELLO)])
    watched(server, 1)
    assert server.closes == [(1000, "")]


def test_a_reader_that_has_gone_ends_it() -> None:
    class Gone(Output):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    async def test(*, terminal: bool) -> None:
        async with listening(Server([saying(HELLO)])) as server:
            await watch(server.url, out=Gone(terminal=terminal), err=io.StringIO())

    for terminal in (False, True):
        with pytest.raises(BrokenPipeError):
            run(test(terminal=terminal))


# ---- the table in a terminal


PROGRAM = "import sys; from teslafast.watch.client import run; run(sys.argv[1])"


class Terminal:
    """A pseudo-terminal of 90 columns and 10 lines with the program on it; `drawn` is all that came out so far."""

    def __init__(self, url: str) -> None:
        self.drawn = ""
        self._screen, theirs = pty.openpty()
        self._news = asyncio.Event()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "90", "LINES": "10"}
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, url], stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        asyncio.get_running_loop().add_reader(self._screen, self._read)

    def _read(self) -> None:
        try:
            self.drawn += os.read(self._screen, 65536).decode()
        except OSError:  # the program has closed its side
            asyncio.get_running_loop().remove_reader(self._screen)
        self._news.set()

    async def until(self, word: str) -> str:
        while word not in self.drawn:
            self._news.clear()
            await self._news.wait()
        return self.drawn

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, 10)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        asyncio.get_running_loop().remove_reader(self._screen)
        os.close(self._screen)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_the_table_is_drawn_in_place_and_left_behind_at_the_end(ending: signal.Signals) -> None:
    events = [HELLO, {**data(5, Soc=80.25, Gear="ShiftStateD"), "type": "snapshot"}, data(6, Soc=79.75)]

    async def test() -> tuple[str, int]:
        async with listening(Server([saying(*events, data(7, Gear="ShiftState" + ESCAPES))])) as server:
            terminal = Terminal(server.url)
            try:
                await terminal.until("events 2")
                terminal.process.send_signal(ending)
                code = await terminal.ended()
                return await terminal.until("\x1b[?25h"), code
            finally:
                terminal.close()

    drawn, code = run(test())
    assert code == 0
    assert drawn.startswith("\x1b[?25l\x1b[2Kws://")
    assert drawn.endswith("\x1b[J\x1b[?25h")
    screen = on_screen(drawn)
    assert screen[0].endswith("connected  vehicles 1  events 2  seq 7")
    assert screen[2].startswith(VIN)
    assert "79.8" in screen[2]
    assert not {"\x07", "\x9b", "\u202e"} & set(drawn)
    assert "\x1b]" not in drawn


def on_screen(drawn: str) -> list[str]:
    """The lines that a terminal shows after these characters, as far as the table uses any: a terminal in ten lines."""
    lines, row = [""], 0
    for part in re.split("(\x1b\\[[?0-9;]*[A-Za-z]|\r?\n)", drawn):
        if part.endswith("\n"):
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("F") and part.startswith("\x1b"):
            row -= int(part[2:-1])
        elif part in ("\x1b[2K", "\x1b[J"):
            lines[row:] = ["", *(lines[row + 1 :] if part == "\x1b[2K" else [])]
        elif part == "\x1b[H\x1b[2J" or part.endswith("H"):
            lines, row = [""], 0
        elif not part.startswith("\x1b"):
            lines[row] += part
    return lines


def longer_than(length: int, text: str) -> bool:
    return len(text) > length


def test_the_table_is_drawn_over_itself_below_what_was_there_and_shrinks_without_leaving_anything() -> None:
    sizes = iter([os.terminal_size((80, 12))] * 2 + [os.terminal_size((80, 6))] + [os.terminal_size((30, 6))] * 100)

    async def test() -> list[list[str]]:
        out, screens = Output(terminal=True), []
        table = Table(out, "title", lambda: next(sizes))
        drawing = asyncio.create_task(table.run())
        for number in range(4):
            for vehicle in range(8):
                table.show("", data(number * 8 + vehicle, f"VIN{vehicle}"))
            table.flush()
            await out.until(partial(longer_than, len(out.getvalue())))
            screens.append(on_screen("what was there\n" + out.getvalue()))
        drawing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drawing
        return screens

    screens = run(test())
    assert [len(screen) for screen in screens] == [12, 12, 7, 6]
    assert [screen[0] for screen in screens] == ["what was there"] * 3 + [screens[3][0]]
    assert screens[3][0].startswith("title")
    assert screens[2][-2].startswith("... and")
    assert all(len(line) <= 30 for line in screens[3])


@pytest.mark.parametrize("url", ["ws://localhost:1", "ftp://x"])
def test_what_cannot_be_watched_leaves_the_cursor_as_it_was(url: str) -> None:
    out = Output(terminal=True)
    with pytest.raises(Misconfigured):
        run(watch(url, out=out))
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h")


# ---- the table as a function


def board(*events: dict[str, Any], now: float = 100.0) -> Board:
    made = Board("wss://h/stream")
    for event in events:
        made.take(event, now)
    return made


def test_the_table_shows_what_is_known_of_each_vehicle() -> None:
    other = "5YJ3TEST7PF000002"
    made = board(
        HELLO,
        {**data(4, Soc=81.0, VehicleSpeed=None, Gear="ShiftStateP"), "type": "snapshot"},
        data(5, Soc=80.26, VehicleSpeed=41.53, Gear="ShiftStateD", Location={"latitude": 37.44191, "longitude": -122.143}),
        data(6, other, Soc=55, DetailedChargeState="DetailedChargeStateCharging", ACChargingPower=11.02, DCChargingPower=0.0),
    )
    made.link = "connected"
    assert render(made, 103.2, 100, 20) == [
        "wss://h/stream  connected  vehicles 2  events 2  seq 6",
        "VIN                HEARD  SOC %  MPH    GEAR  CHARGING            PLACE                 SEQ",
        f"{VIN}  3s     80.3   41.5   D     -                   37.4419, -122.1430    5",
        f"{other}  3s     55.0   -      -     Charging 11.0 kW    -                     6",
    ]


def test_a_snapshot_is_shown_but_counts_as_not_heard() -> None:
    lines = render(board({**data(5, Soc=50.0), "type": "snapshot"}), 100, 100, 20)
    assert lines[2].split() == [VIN, "-", "50.0", "-", "-", "-", "-", "-"]
    assert "events 0" in lines[0]


@pytest.mark.parametrize(
    ("later", "shown"), [(0.0, "now"), (0.9, "now"), (1.0, "1s"), (99.0, "99s"), (100.0, "1m"), (7200.0, "2h"), (400_000.0, "4d")]
)
def test_the_age_of_the_last_word(later: float, shown: str) -> None:
    assert render(board(data(5), now=50.0), 50.0 + later, 100, 20)[2].split()[1] == shown


def test_a_vehicle_that_has_disconnected_is_away_until_it_is_heard_again() -> None:
    gone = {"type": "connectivity", "seq": 6, "vin": VIN, "status": "DISCONNECTED", "networkInterface": "wifi"}
    made = board(data(5), gone)
    assert render(made, 100, 100, 20)[2].split()[1] == "away"
    made.take({**data(6), "type": "snapshot"}, 100)
    assert render(made, 100, 100, 20)[2].split()[1] == "away"
    made.take(data(7), 100)
    assert render(made, 100, 100, 20)[2].split()[1] == "now"


def test_gaps_alerts_errors_and_answers_are_told_below_the_table() -> None:
    alert: dict[str, Any] = {"name": "APP_w222", "startedAt": "x", "endedAt": None, "audiences": []}
    error = {"name": "unsupported_field", "tags": {"field_name": "X"}, "body": "", "createdAt": "x"}
    made = board(
        {"type": "gap", "from": 5, "to": 9},
        {"type": "alerts", "seq": 10, "vin": VIN, "alerts": [alert, {**alert, "endedAt": "y"}]},
        {"type": "errors", "seq": 11, "vin": VIN, "errors": [error]},
        {"type": "error", "reason": "no such kind"},
        {"type": "a kind of later versions", "seq": 12},
    )
    lines = render(made, 100, 100, 24)
    assert lines[-5:] == [
        "gap: events 5 to 9 are lost to us",
        f"{VIN} alert APP_w222 began",
        f"{VIN} alert APP_w222 ended",
        f"{VIN} error unsupported_field field_name=X",
        "the server says: no such kind",
    ]
    assert lines[0].endswith("events 2  seq 11  gaps 1")


def test_notices_are_only_the_last_few_and_never_push_the_table_out() -> None:
    made = board(*({"type": "gap", "from": number, "to": number} for number in range(100)), data(5))
    assert len(made.notices) == 5
    assert [line[:17] for line in render(made, 100, 80, 6)] == [
        "wss://h/stream  c",
        "VIN              ",
        VIN,
        "gap: events 98 to",
        "gap: events 99 to",
    ]


def test_more_vehicles_than_there_is_room_for_are_counted() -> None:
    lines = render(board(*(data(n, f"VIN{n:03}") for n in range(50))), 100, 80, 12)
    assert len(lines) == 12
    assert [line[:6] for line in lines[2:5]] == ["VIN000", "VIN001", "VIN002"]
    assert lines[-1] == "... and 41 more"


def test_a_narrow_terminal_keeps_what_matters_most() -> None:
    made = board(data(5, Soc=80.0, Gear="ShiftStateD"))
    heads = {width: render(made, 100, width, 10)[1].split("  ") for width in (200, 60, 40, 25, 17, 5)}
    assert {width: [head.strip() for head in names if head.strip()] for width, names in heads.items()} == {
        200: [column.name for column in COLUMNS],
        60: ["VIN", "HEARD", "SOC %", "MPH", "GEAR"],
        40: ["VIN", "SOC %", "MPH", "GEAR"],
        25: ["VIN", "SOC %"],
        17: ["VIN"],
        5: ["VIN"],
    }


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("seq", "vin", "data", "alerts", "errors", "status", "reason", "from", "to")
FIELDS = ("Soc", "VehicleSpeed", "Gear", "Location", "DetailedChargeState", "ACChargingPower", "DCChargingPower")
TYPES = ("data", "snapshot", "alerts", "errors", "connectivity", "gap", "error", "token_expiring", "hello", "other")
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)},
    optional={**dict.fromkeys(KEYS, JUNK), "data": JUNK | st.dictionaries(st.sampled_from(FIELDS), JUNK)},
)


@given(st.lists(EVENTS, max_size=6), st.integers(1, 120), st.integers(1, 30))
def test_whatever_the_server_says_the_table_keeps_to_its_size_and_to_printable_characters(
    events: list[dict[str, Any]], width: int, height: int
) -> None:
    made = board(*events)
    lines = render(made, 101.0, width, height)
    assert len(lines) <= height
    for line in lines:
        assert line.isprintable()
        shown = [one for one in line if not unicodedata.combining(one)]
        assert sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in shown) <= width


@given(st.lists(EVENTS, max_size=6))
def test_whatever_the_server_says_the_address_of_the_next_call_stays_one(events: list[dict[str, Any]]) -> None:
    stream = Stream("wss://h/stream", None, (), None, flat=True)
    for event in events:
        stream.take(event)
    assert stream.url.startswith("wss://h/stream")
    assert stream.url.isprintable()
    assert " " not in stream.url


def test_text_from_strangers_is_made_harmless_and_cut_by_cells() -> None:
    assert printable(ESCAPES) == "?]0;owned??[2J?31m?abc"
    assert cut("日本語", 5) == "日本"
    assert cut("e\u0301e\u0301", 2) == "e\u0301e\u0301"
    assert cut("abc", 0) == ""
