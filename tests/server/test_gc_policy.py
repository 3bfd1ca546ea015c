"""
No connection leaves a cycle behind, however it ends: everything is gone with the last reference to it.

Full collections come once an hour (gc_policy.py), so what would need one is as good as leaked.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from unittest.mock import Mock

import pytest
from teslafast.server import gc_policy
from teslafast.server.server import Server
from websockets.frames import Frame, Opcode

from tests.support.certificates import World
from tests.support.nodes import wait_until
from tests.support.peers import Place, Raw, token, upgrade_head
from tests.support.servers import Inside

pytestmark = pytest.mark.faults

OURS = ("teslafast", "picows", "aiofastnet", "uvloop", "_asyncio", "asyncio")
TIMES = 20
BACKLOG_MESSAGES = 40  # of 100 KB: a connection that reads nothing takes 29
VIN = "5YJ3E1EA7KF000001"

Visit = Callable[[Place], Raw | None]  # a Raw is there to the end of the visits, and read until the server ends it


@pytest.fixture(scope="module", params=["plain", "tls"])
def server(request: pytest.FixtureRequest, world: World) -> Iterator[Inside]:
    tls = request.param == "tls"
    with started(world if tls else None) as server:
        yield server


def started(world: World | None, **settings: str) -> Inside:
    return Inside(world, **settings, **({"VEHICLE_PORT": "0"} if world is not None else {}))


def client_frame(opcode: Opcode, data: bytes, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def reset(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


def a_vehicle_that_closes(place: Place) -> None:
    with place.vehicle(VIN) as vehicle:
        vehicle.tell({"Soc": {"floatValue": 1.0}})


def a_vehicle_that_is_cut_off(place: Place) -> None:
    vehicle = place.vehicle(VIN)
    vehicle.tell({"Soc": {"floatValue": 1.0}})
    reset(vehicle.connection._socket)


def a_vehicle_that_sends_nonsense(place: Place) -> None:
    with place.vehicle(VIN) as vehicle:
        vehicle.connection.send(b"nonsense")
        vehicle.reply()


def a_dashboard_that_closes(place: Place) -> None:
    with place.dashboard(f"?vin={VIN}&since=0") as dashboard:
        dashboard.next()


def a_dashboard_that_is_cut_off(place: Place) -> None:
    raw = place.raw_dashboard()
    raw.read_frame()
    reset(raw.socket)


def a_dashboard_that_stopped_reading(place: Place) -> None:
    """There is more for it in the log, see `fill`, than the kernel holds of a connection: a write is under way when it goes."""
    raw = place.raw_dashboard("?since=0")
    raw.read_frame()
    reset(raw.socket)


def fill(place: Place) -> None:
    with place.vehicle(VIN) as vehicle:
        for _ in range(BACKLOG_MESSAGES):
            vehicle.tell({"VehicleName": {"stringValue": "x" * 100_000}})


def a_dashboard_that_breaks_the_protocol(place: Place) -> None:
    with place.raw_dashboard() as raw:
        raw.send(b"\xff" * 20)
        while raw.read_some():
            pass


def a_dashboard_with_a_view(place: Place) -> None:
    with place.dashboard("?interval=100&since=0") as dashboard:
        dashboard.next()


def a_page(place: Place) -> None:
    assert place.get("/health").status == 200


def a_page_whose_connection_stays(place: Place) -> None:
    connected = place.bare().socket
    if (tls := place.tls()) is not None:
        connected = tls.wrap_socket(connected, server_hostname="localhost")
    connected.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = connected.recv(4096)
    assert b"keep-alive" in head
    reset(connected)


def a_stranger(place: Place) -> None:
    assert place.get("/vehicles").status == 401


def a_stranger_with_a_bad_token(place: Place) -> None:
    assert place.get("/vehicles", Authorization="Bearer bad").status == 401


def a_stranger_at_the_stream(place: Place) -> None:
    with place.raw() as raw:
        raw.send(upgrade_head("/stream?token=bad"))
        assert raw.status() == 401


def a_teslamate_that_shows_no_token(place: Place) -> None:
    with place.raw() as raw:
        raw.upgrade("/streaming/", then=client_frame(Opcode.TEXT, b"x" * 1000, False))
        raw.read_frame()


def a_teslamate_that_is_cut_off(place: Place) -> None:
    said = {"msg_type": "data:subscribe_oauth", "token": token(), "value": "speed,soc", "tag": VIN}
    raw = place.raw()
    raw.upgrade("/streaming/", then=client_frame(Opcode.TEXT, json.dumps(said).encode()))
    raw.read_frame()
    reset(raw.socket)


def a_teslamate_with_its_token_in_the_path(place: Place) -> None:
    with place.raw() as raw:
        raw.upgrade(f"/{token()}/streaming/")
        raw.read_frame()


def a_tessie_client(place: Place) -> None:
    with place.raw() as raw:
        raw.upgrade(f"/{VIN}?access_token={token()}")


def a_reader_of_server_sent_events(place: Place) -> None:
    with place.raw() as raw:
        raw.send(f"GET /sse?token={token()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert raw.status() == 200


def a_reader_of_server_sent_events_that_is_cut_off(place: Place) -> None:
    raw = place.raw(receive_bytes=4096)
    raw.send(f"GET /sse?token={token()}&since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert raw.status() == 200
    reset(raw.socket)


def a_vehicle_that_leaves_a_message_unfinished(place: Place) -> None:
    raw = place.raw_vehicle(
        VIN, then=client_frame(Opcode.BINARY, b"x" * 1000, False) + client_frame(Opcode.CONT, b"x" * 50_000)[:9000]
    )
    reset(raw.socket)


def a_page_that_nobody_takes(place: Place) -> None:
    """More than the kernel holds of a connection with so small a window: a write is under way when it goes."""
    raw = place.raw(receive_bytes=4096)
    raw.send(f"GET /vehicles/{VIN} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token()}\r\n\r\n".encode())
    raw.status()
    reset(raw.socket)


def one_who_says_nothing(place: Place) -> Raw:
    return place.bare()


def one_who_hangs_up(place: Place) -> None:
    socket.create_connection(("127.0.0.1", place.vehicle_port)).close()


def one_who_speaks_no_tls(place: Place) -> None:
    with socket.create_connection(("127.0.0.1", place.vehicle_port)) as connected:
        connected.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while connected.recv(4096):
                pass


VISITS: list[Visit] = [
    a_vehicle_that_closes,
    a_vehicle_that_is_cut_off,
    a_vehicle_that_sends_nonsense,
    a_dashboard_that_closes,
    a_dashboard_that_is_cut_off,
    a_dashboard_that_stopped_reading,
    a_dashboard_that_breaks_the_protocol,
    a_dashboard_with_a_view,
    a_page,
    a_page_whose_connection_stays,
    a_stranger,
    a_stranger_with_a_bad_token,
    a_stranger_at_the_stream,
    a_teslamate_that_shows_no_token,
    a_teslamate_that_is_cut_off,
    a_teslamate_with_its_token_in_the_path,
    a_tessie_client,
    a_reader_of_server_sent_events,
    a_reader_of_server_sent_events_that_is_cut_off,
    a_vehicle_that_leaves_a_message_unfinished,
    a_page_that_nobody_takes,
    one_who_says_nothing,
    one_who_hangs_up,
    one_who_speaks_no_tls,
]


def has_nobody_left(inside: Server) -> bool:
    return not (len(inside.hub.connections) or inside.hub.connections._ended or inside.listeners.pending)


def garbage_of(server: Inside, visit: Visit) -> Counter[str]:
    """What a full collection finds after TIMES visits, of our kind; in objects."""
    visited = visit(server.place)  # what is made at the first occasion is there now
    if visited is not None:
        with visited:
            visited.rest()
    gc.collect()
    gc.freeze()  # the collection below looks at what is made from here on, not at the heap of the whole run
    gc.disable()
    try:
        with contextlib.ExitStack() as present:
            for raw in [visit(server.place) for _ in range(TIMES)]:
                if raw is not None:
                    present.enter_context(raw).rest()
        wait_until(lambda: server.ask(has_nobody_left))
        gc.set_debug(gc.DEBUG_SAVEALL)
        server.ask(lambda _: gc.collect())
        return Counter(type(one).__qualname__ for one in gc.garbage if type(one).__module__.split(".")[0] in OURS)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
def test_no_connection_leaves_a_reference_cycle(server: Inside, visit: Visit) -> None:
    if visit is a_dashboard_that_stopped_reading:
        fill(server.place)
    if visit is one_who_says_nothing:  # all others have the usual time
        with started(server.place.world, HANDSHAKE_TIMEOUT="0.3") as impatient:
            found = garbage_of(impatient, visit)
    else:
        found = garbage_of(server, visit)
    assert not {name: count for name, count in found.items() if count >= TIMES // 2}, found


def test_a_full_collection_runs_once_an_hour_only(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, calls, timers = gc.get_threshold(), [], []
    loop = Mock(spec=asyncio.AbstractEventLoop)
    loop.call_later.side_effect = lambda delay, callback, *arguments: timers.append((delay, callback, arguments))
    monkeypatch.setattr(gc, "collect", lambda: calls.append("full"))
    try:
        gc_policy.settle(loop)
        assert gc.get_threshold()[:2] == usual[:2]
        assert gc.get_threshold()[2] > 1_000_000
        assert gc.get_freeze_count() > 1000
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)
    assert calls == ["full"]
    delay, callback, arguments = timers.pop()
    callback(*arguments)
    assert (delay, calls, len(timers)) == (gc_policy.FULL_EVERY_S, ["full", "full"], 1)
