"""What one vehicle says, what it counts as answered, and how it comes back after its connection is lost."""

import asyncio
import re
import ssl
import time
from datetime import datetime
from itertools import count, pairwise

import pytest
from teslafast.certificates import folder
from teslafast.simulator import fleet
from teslafast.simulator.car import CAR_FIELDS
from teslafast.simulator.fleet import simulate
from teslafast.simulator.summary import Summary
from websockets.asyncio.server import ServerConnection, serve

from tests.support import oracle
from tests.support.fake_vehicle_server import Answers, FakeVehicleServer, ack, error_reply, run
from tests.support.ports import free_port

TXID = re.compile(rb"[0-9a-f]{22}-\d{9}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_vehicles_with_certificates_connect_with_real_headers_and_everything_is_acknowledged(
    installation: folder.Installation, mutual_tls: ssl.SSLContext
) -> None:
    async def test() -> tuple[FakeVehicleServer, Summary]:
        async with FakeVehicleServer().listening(mutual_tls) as server:
            directory = installation.directory
            summary = await simulate(server.url, vehicles=4, interval_s=0.2, duration_s=1.2, certs_dir=directory, seed=3)
        return server, summary

    server, summary = run(test())
    assert summary.ok
    assert (summary.vehicles, summary.connected, summary.connections) == (4, 4, 4)
    assert summary.sent == summary.acked == len(server.txids) >= 4
    assert 0 < summary.p50_ms <= summary.p99_ms <= summary.max_ms
    assert len({connection.vin for connection in server.connections}) == 4
    assert set(installation.vins) < {connection.vin for connection in server.connections}
    for connection in server.connections:
        assert connection.path == "/"
        assert connection.headers["X-Network-Interface"] in ("wifi", "cellular")
        assert re.fullmatch(r"\d+\.\d+\.\d+", connection.headers["Version"])
        assert UUID.fullmatch(connection.headers["X-TXID"])
        assert connection.close_code == 1000


def test_messages_have_the_form_of_real_vehicles_messages(installation: folder.Installation, mutual_tls: ssl.SSLContext) -> None:
    async def test() -> FakeVehicleServer:
        async with FakeVehicleServer().listening(mutual_tls) as server:
            await simulate(server.url, vehicles=2, interval_s=0.1, duration_s=1.1, certs_dir=installation.directory)
        return server

    for connection in run(test()).connections:
        counters = [int(envelope["txid"][-9:]) for envelope in connection.envelopes]
        assert counters == list(range(1, len(counters) + 1))
        assert len({envelope["txid"][:22] for envelope in connection.envelopes}) == 1
        for envelope, (topic, record) in zip(connection.envelopes, connection.records, strict=True):
            assert TXID.fullmatch(envelope["txid"])
            assert envelope["device_id"].decode() == connection.vin == record["vin"]
            assert envelope["device_type"] == b"vehicle_device"
            assert envelope["sender_id"] == f"vehicle_device.{connection.vin}".encode()
            assert int(datetime.fromisoformat(record["createdAt"]).timestamp()) <= envelope["created_at"] <= time.time()
            assert topic in (b"V", b"alerts", b"errors")
        first = connection.records[0][1]["data"]
        assert sorted(datum["key"] for datum in first) == sorted(field.key for field in CAR_FIELDS)
        times = [datetime.fromisoformat(record["createdAt"]) for topic, record in connection.records if topic == b"V"]
        assert all((after - before).total_seconds() > 0.49 for before, after in pairwise(times))


def test_without_tls_a_vehicle_puts_its_vin_into_the_query() -> None:
    async def test() -> tuple[FakeVehicleServer, FakeVehicleServer]:
        async with FakeVehicleServer().listening() as server, FakeVehicleServer().listening() as named:
            await simulate(server.url, vehicles=3, interval_s=0.1, duration_s=0.3)
            await simulate(named.url.replace("ws:", "http:") + "?vin=MYCAR", duration_s=0.1)
        return server, named

    server, named = run(test())
    assert {connection.path for connection in server.connections} == {
        f"/?vin={connection.records[0][1]['vin']}" for connection in server.connections
    }
    assert len({connection.path for connection in server.connections}) == 3
    assert [connection.path for connection in named.connections] == ["/?vin=MYCAR"]


def test_a_message_that_is_never_acknowledged_is_counted_and_the_run_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "SETTLE_S", 1.0)
    seen = count(1)

    def forgetful(txid: bytes, topic: bytes) -> bytes | None:
        return None if next(seen) % 3 == 0 else ack(txid, topic)

    async def test() -> Summary:
        async with FakeVehicleServer(forgetful).listening() as server:
            return await simulate(server.url, vehicles=6, interval_s=0.1, duration_s=0.5)

    summary = run(test())
    assert summary.unacknowledged == summary.sent // 3 > 0
    assert summary.sent == summary.acked + summary.unacknowledged
    assert not summary.ok
    assert f"{summary.unacknowledged} unacknowledged" in "\n".join(summary.lines())


def test_an_error_reply_to_a_valid_message_counts_as_refused() -> None:
    async def test() -> Summary:
        refuse_data = FakeVehicleServer(lambda txid, topic: error_reply(txid) if topic == b"V" else ack(txid, topic))
        async with refuse_data.listening() as server:
            return await simulate(server.url, vehicles=2, interval_s=0.1, duration_s=0.2)

    summary = run(test())
    assert summary.refused == summary.errors > 0
    assert summary.unacknowledged == 0
    assert not summary.ok


@pytest.mark.parametrize(
    "answer",
    [
        lambda txid, topic: ack(b"another", topic),
        lambda txid, topic: ack(txid, b"alerts"),
        lambda txid, topic: b"\xff\xff\xff\xff",
        lambda txid, topic: error_reply(b""),
    ],
    ids=["another txid", "another topic", "not readable", "an error reply to nothing"],
)
def test_an_answer_that_belongs_to_no_message_counts_as_a_stray(answer: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "SETTLE_S", 0.5)

    async def test() -> Summary:
        async with FakeVehicleServer(answer).listening() as server:
            return await simulate(server.url, interval_s=0.1, duration_s=0.1)

    summary = run(test())
    assert summary.strays == summary.errors == summary.unacknowledged == summary.sent > 0
    assert not summary.ok


def test_a_second_answer_to_one_message_counts_as_a_stray() -> None:
    async def twice(connection: ServerConnection) -> None:
        async for message in connection:
            envelope = oracle.envelope(bytes(message) if not isinstance(message, str) else b"")
            for _ in range(2):
                await connection.send(oracle.build_envelope(envelope["topic"], envelope["txid"], None))

    async def test() -> Summary:
        server = FakeVehicleServer()
        async with serve(twice, "127.0.0.1", 0) as bound:
            server.url = f"ws://127.0.0.1:{next(iter(bound.sockets)).getsockname()[1]}/"
            return await simulate(server.url, interval_s=0.1, duration_s=0.2)

    summary = run(test())
    assert summary.acked == summary.sent == summary.strays > 0


def test_after_a_server_restart_every_vehicle_connects_again_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teslafast.backoff.FIRST_S", 0.05)
    mute, port = [False], free_port()

    async def test() -> tuple[FakeVehicleServer, Summary]:
        server, stop = FakeVehicleServer(lambda txid, topic: None if mute[0] else ack(txid, topic)), asyncio.Event()
        async with server.listening(port=port):
            running = asyncio.create_task(simulate(server.url, vehicles=3, interval_s=0.1, stop=stop))
            await server.until(lambda: len(server.txids) >= 6)
            mute[0] = True
            await server.until(lambda: len(server.txids) >= 9)
        mute[0] = False
        async with server.listening(port=port):
            await server.until(
                lambda: len({connection.path for connection in server.connections if connection.ended is None}) == 3
            )
            stop.set()
            summary = await running
        return server, summary

    server, summary = run(test())
    assert summary.ok
    assert summary.connections >= 6
    assert summary.resent > 0
    assert any(record.get("isResend") for connection in server.connections[3:] for _, record in connection.records)
    # The vehicles answered the server's CLOSE (1001) in kind.
    assert [connection.close_code for connection in server.connections[:3]] == [1001] * 3
