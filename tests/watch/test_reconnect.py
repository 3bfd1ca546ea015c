"""How the client connects again after the connection has ended, and what it then asks for."""

import asyncio
import io
import json
from typing import Any

import pytest
from teslafast.errors import Misconfigured
from teslafast.watch.client import watch
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from tests.support.fake_stream_server import (
    ESCAPES,
    HELLO,
    VIN,
    FakeStreamServer,
    Output,
    Script,
    closing,
    data,
    dropping,
    refused,
    run,
    sending,
    watched,
)


@pytest.mark.parametrize("ending", [closing(1012, "the server restarts"), closing(1013), closing(1000), closing(4001), dropping])
def test_after_any_end_the_client_connects_again_and_asks_for_what_followed_the_last_event(ending: Script) -> None:
    first = sending(HELLO, data(5), data(6), then=ending)
    second = sending({**HELLO, "seq": 9}, data(7), data(8), data(9))
    server = FakeStreamServer([first, second])
    lines, beside = watched(server, 7)
    assert [json.loads(line)["seq"] for line in lines] == [4, 5, 6, 9, 7, 8, 9]
    assert [request.path for request in server.requests] == ["/stream", "/stream?since=6&epoch=e1"]
    assert "the connection ended" in beside


def test_control_characters_in_a_close_reason_do_not_reach_the_terminal() -> None:
    _, beside = watched(FakeStreamServer([sending(HELLO, then=closing(1012, ESCAPES)), sending(data(5))]), 2)
    assert "1012 ?]0;owned" in beside
    assert all(line.isprintable() for line in beside.splitlines())


def test_without_any_event_the_client_asks_for_what_follows_the_hello() -> None:
    server = FakeStreamServer([sending(HELLO, then=dropping), sending(data(5))])
    watched(server, 2)
    assert server.requests[1].path == "/stream?since=4&epoch=e1"


def test_after_a_gap_the_client_asks_for_what_follows_the_gap() -> None:
    server = FakeStreamServer([sending(HELLO, {"type": "gap", "from": 5, "to": 80}, then=dropping), sending(data(81))])
    watched(server, 3)
    assert server.requests[1].path == "/stream?since=80&epoch=e1"


def test_in_a_new_epoch_the_client_asks_for_everything_from_the_oldest_event_on() -> None:
    other = {**HELLO, "epoch": "e2", "seq": 50, "oldest": 31}
    server = FakeStreamServer([sending(HELLO, data(1234), then=dropping), sending(other, then=dropping), sending(data(31))])
    watched(server, 4)
    assert server.requests[1].path == "/stream?since=1234&epoch=e1"
    assert server.requests[2].path == "/stream?since=30&epoch=e2"


def test_a_since_option_is_asked_for_first_and_then_replaced_by_the_last_event() -> None:
    server = FakeStreamServer([sending(HELLO, then=dropping), sending(data(3), then=dropping), sending(data(4))])
    watched(server, 3, since=2)
    assert [request.path for request in server.requests][:3] == [
        "/stream?since=2",
        "/stream?since=2&epoch=e1",
        "/stream?since=3&epoch=e1",
    ]


def test_the_fleet_shape_which_has_no_hello_is_resumed_too() -> None:
    record: dict[str, Any] = {"data": [], "createdAt": None, "vin": VIN, "isResend": False, "seq": 12}
    server = FakeStreamServer([sending(record, then=dropping), sending(record)])

    async def test() -> None:
        out = Output()
        async with server.listening():
            watching = asyncio.create_task(watch(server.url + "/stream?format=fleet", out=out, err=io.StringIO(), as_json=True))
            await out.until(lambda text: text.count("\n") >= 2)
            watching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watching

    run(test())
    assert server.requests[1].path == "/stream?format=fleet&since=12"


def test_after_503_and_502_the_client_tries_again() -> None:
    server = FakeStreamServer([sending(HELLO, then=dropping), sending(data(5))])
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


def test_a_401_on_connecting_again_ends_the_watch() -> None:
    server = FakeStreamServer([sending(HELLO, then=dropping)])
    real = server.before_upgrade

    def later_no(connection: ServerConnection, request: Request) -> Response | None:
        server.refusals = [(401, "the secret was changed", {})] if server.requests else []
        return real(connection, request)

    server.before_upgrade = later_no  # type: ignore[method-assign]
    with pytest.raises(Misconfigured, match="the secret was changed"):
        watched(server, 100)


def test_a_close_1008_ends_the_watch_and_names_the_token() -> None:
    failure = refused(scripts=[sending(HELLO, then=closing(1008, "token expired"))])
    assert failure.subject == "--token"
    assert "token expired" in failure.fault
    assert "teslafast token" in failure.remedy
