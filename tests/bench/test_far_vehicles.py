"""The load tool's vehicles: far from their server (bench/load/line.h), and turned away before they are open."""

import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from bench.support import certificates, events, load_tools, servers

pytestmark = pytest.mark.faults  # it compiles the load tool
NEAR_MS, FAR_MS = 50.0, 500.0
VEHICLES = 10
SAMPLE_KEY_ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3: the load tool sends the key of that example

Figures = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def tool() -> None:
    load_tools.build("vehicles")


@pytest.fixture(scope="module", params=["TLS", "plain"])
def distances(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Figures, Figures]:
    """Of the same vehicles near and far: each sends a message, waits for the ack, and sends the next."""
    place = tmp_path_factory.mktemp("certificates")
    tls: dict[str, load_tools.Option] = {}
    if request.param == "TLS":
        tls = {"ca": str(place / "ca.pem"), "identities": str(certificates.issue(place, VEHICLES))}
    path = "/" if tls else "/?vin={vin}"
    options: dict[str, load_tools.Option] = {"publishers": VEHICLES, "window": 1, "warmup": 0, "settle": 0, "seconds": 2}
    server = servers.teslafast(env=certificates.server_env(place) if tls else {})

    def measured(at: servers.Running, round_trip_ms: float) -> Figures:
        more = tls | {"port": at.port, "publisher_path": path, "round_trip_ms": round_trip_ms}
        return load_tools.run("vehicles", events.envelope(events.REAL), **(options | more))

    with servers.running(server) as at:
        return measured(at, NEAR_MS), measured(at, FAR_MS)


def test_an_ack_takes_the_round_trip_that_was_asked_for(distances: tuple[Figures, Figures]) -> None:
    near, far = distances
    assert near["acked"] > 0 < far["acked"]
    assert near["ack_errors"] == far["ack_errors"] == 0
    assert far["p50_us"] > 3 * near["p50_us"]


def test_the_connection_and_the_upgrade_cost_a_round_trip_each_and_tls_one_more(
    distances: tuple[Figures, Figures], request: pytest.FixtureRequest
) -> None:
    _, far = distances
    trips = 3 if "TLS" in request.node.name else 2
    assert trips - 0.6 < far["connect_p50_s"] / (far["p50_us"] / 1e6) < trips + 0.9


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.settimeout(60)
        yield bound


@pytest.mark.parametrize("round_trip_ms", [0, NEAR_MS])
def test_a_vehicle_that_is_reset_before_it_is_open_comes_back_and_is_counted(
    listener: socket.socket, round_trip_ms: float
) -> None:
    options: dict[str, load_tools.Option] = {"returns": True, "seconds": 0, "settle": 0, "round_trip_ms": round_trip_ms}
    port = listener.getsockname()[1]
    with load_tools.started("vehicles", events.envelope(events.REAL), port=port, **options) as process:
        turned_away, _ = listener.accept()
        turned_away.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        turned_away.close()
        returned, _ = listener.accept()
        with returned:
            head = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {SAMPLE_KEY_ACCEPTED}"
            returned.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n\r\n".encode())
            figures = load_tools.result(process)
    assert (figures["vehicles"], figures["connect_returned"], figures["closed"]) == (1, 1, 0)


def test_a_vehicle_that_does_not_come_back_ends_the_run_with_a_reason(listener: socket.socket) -> None:
    with load_tools.started("vehicles", events.envelope(events.REAL), port=listener.getsockname()[1]) as process:
        listener.accept()[0].close()
        with pytest.raises(RuntimeError, match="only 0 of 1 vehicles connected"):
            load_tools.result(process)
