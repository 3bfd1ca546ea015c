"""What the client writes for what the server sends, what it asks for, and how it ends."""

import io
import json

import pytest
from teslafast.watch.client import watch
from websockets.asyncio.server import ServerConnection

from tests.support.fake_stream_server import HELLO, FakeStreamServer, Output, data, run, sending, watched


def test_an_event_becomes_one_line_of_json_as_the_server_sent_it() -> None:
    events = [HELLO, data(5, VehicleSpeed=65.5), {"type": "gap", "from": 6, "to": 9}, data(10, Gear=None)]
    lines, _ = watched(FakeStreamServer([sending(*events)]), 4)
    assert lines == [json.dumps(event) for event in events]


def test_a_pretty_printed_event_becomes_one_line_and_control_characters_become_escapes() -> None:
    pretty = json.dumps(data(5, VehicleName="x"), indent=2)
    raw = '{"type":"data","seq":6,"vin":"V","data":{"VehicleName":"\x9b31m\x7f"}}'
    lines, _ = watched(FakeStreamServer([sending(pretty, raw)]), 2)
    assert json.loads(lines[0]) == data(5, VehicleName="x")
    assert json.loads(lines[1]) == json.loads(raw)
    assert all(line.isprintable() for line in lines)


def test_a_message_that_is_not_an_event_is_noted_on_stderr() -> None:
    lines, beside = watched(FakeStreamServer([sending("no json", "[1]", b"\x00\x01", data(5))]), 1)
    assert [json.loads(line)["seq"] for line in lines] == [5]
    assert beside.count("not a JSON object") == 2
    assert beside.count("binary message") == 1


def test_a_message_in_fragments_is_joined() -> None:
    async def fragments(connection: ServerConnection) -> None:
        text = json.dumps(data(5, VehicleName="äöü" * 50))
        await connection.send([text[:10], text[10:90], text[90:]])

    lines, _ = watched(FakeStreamServer([fragments]), 1)
    assert json.loads(lines[0])["data"]["VehicleName"] == "äöü" * 50


def test_fragments_beyond_the_largest_frame_end_the_connection_with_1009(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teslafast.watch.connection.LARGEST_FRAME", 1000)
    server = FakeStreamServer([sending(["x" * 400] * 4), sending(data(1))])  # type: ignore[arg-type]  # websockets sends lists as fragments
    lines, beside = watched(server, 1)
    assert [json.loads(line)["seq"] for line in lines] == [1]
    assert "the connection ended" in beside
    assert server.closes[0][0] == 1009


def test_a_ping_is_answered() -> None:
    async def ping(connection: ServerConnection) -> None:
        await (await connection.ping())
        await connection.send(json.dumps(data(1)))

    assert len(watched(FakeStreamServer([ping]), 1)[0]) == 1


def test_the_token_goes_into_the_header_and_the_vins_into_the_query() -> None:
    server = FakeStreamServer([sending(HELLO)])
    watched(server, 1, token="T.O.K", vins=["A", "B"])
    assert server.requests[0].path == "/stream?vin=A,B"
    assert server.requests[0].headers["Authorization"] == "Bearer T.O.K"


def test_a_cancelled_watch_closes_with_1000() -> None:
    server = FakeStreamServer([sending(HELLO)])
    watched(server, 1)
    assert server.closes == [(1000, "")]


def test_a_closed_output_ends_the_watch_with_broken_pipe() -> None:
    class Gone(Output):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    async def test(*, terminal: bool) -> None:
        async with FakeStreamServer([sending(HELLO)]).listening() as server:
            await watch(server.url, out=Gone(terminal=terminal), err=io.StringIO())

    for terminal in (False, True):
        with pytest.raises(BrokenPipeError):
            run(test(terminal=terminal))
