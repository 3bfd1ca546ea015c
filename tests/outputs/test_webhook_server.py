"""Webhooks and RELIABLE_ACKS of a real server: a receiver that is killed and comes back, a server that is killed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.faults import Load, Victim
from tests.support.peers import PATIENCE_S, ack
from tests.support.ports import free_port
from tests.support.servers import Inside, Process
from tests.support.webhook_receiver import Answer, Receiver, port_of, spawned

VINS = [f"car{number}" for number in range(10)]
OUTAGE_S = float(os.environ.get("OUTAGE_S", "30"))  # as long as a broker's restart takes; a developer may want a shorter one
CATCHING_UP_S = 2 * OUTAGE_S + 60  # a receiver of one Python process takes in some 400 events a second
DATA = {"WEBHOOK_PRIVATE": "true", "WEBHOOK_TYPES": "data,alerts,errors,connectivity"}


def received(path: Path) -> list[tuple[str, dict[str, object]]]:
    """The id and the event of each whole line; a kill may have left a torn one."""
    pairs = (line.split(b" ", 1) for line in path.read_bytes().split(b"\n")[:-1])
    return [(name.decode(), json.loads(body)) for name, body in pairs]


def check_complete(path: Path, load: Load, most_twice: int) -> None:
    """Everything that was acknowledged is there; in order for each vehicle, once repetitions are left out."""
    names: set[str] = set()
    odometers: dict[str, list[float]] = {vin: [] for vin in load.acked}
    lines = received(path)
    for name, event in lines:
        if name not in names and event["type"] == "data":
            odometers[str(event["vin"])].append(event["data"]["Odometer"])  # type: ignore[index]
        names.add(name)
    for vin, acked in load.acked.items():
        assert set(acked) <= set(odometers[vin]), f"{vin} lacks events"
        assert odometers[vin] == sorted(odometers[vin]), f"{vin} is out of order"
    assert len(lines) - len(names) <= most_twice


def caught_up(server: Process | Inside, patience_s: float = PATIENCE_S) -> None:
    until_s = time.monotonic() + patience_s
    while 'teslafast_output_lag_events{output="webhook"} 0.0' not in (text := server.place.get("/metrics").body.decode()):
        assert time.monotonic() < until_s, text
        time.sleep(0.01)  # nothing tells of it


class Receiving:
    """A receiver's process that may be killed and started again on its port; it writes what it gets to `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.port = free_port()

    def start(self) -> None:
        self._process = spawned(self.port, self.path)
        assert port_of(self._process) == self.port

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


# ---- an alert reaches a receiver, and nobody waits for one that is down


def test_what_happens_to_a_vehicle_is_posted_and_its_data_are_not() -> None:
    with Receiver() as receiver, Inside(WEBHOOK_URL=receiver.url, WEBHOOK_PRIVATE="true") as server:
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
        posted = receiver.wait_for(lambda posted: len(posted) == 2)
        assert [(one.json["type"], one.json["status"]) for one in posted] == [
            ("connectivity", "CONNECTED"),
            ("connectivity", "DISCONNECTED"),
        ]
        epoch = server.place.get("/health").json["epoch"]
        assert [one.headers["ce-id"] for one in posted] == [f"{epoch}-1", f"{epoch}-3"]


def test_one_address_that_is_down_holds_up_neither_the_other_nor_the_vehicles() -> None:
    with Receiver() as receiver, Inside(None, **DATA, WEBHOOK_URL=f"http://127.0.0.1:{free_port()}/,{receiver.url}") as server:
        server.lines.wait_for("output_connecting", output="webhook")
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            receiver.wait_for(lambda posted: len(posted) == 2)
        assert server.place.get("/health").json["outputs"] == {"webhook": "connecting", "webhook-2": "up"}


def test_410_stops_an_address_and_is_said_and_counted() -> None:
    with Receiver(judge=lambda posted: Answer(410)) as receiver, Inside(None, **DATA, WEBHOOK_URL=receiver.url) as server:
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            (line,) = server.lines.wait_for("output_stopped", output="webhook")
            assert "410" in line["reason"]
            caught_up(server)
            assert server.place.get("/health").json["outputs"] == {"webhook": "failing"}
            assert 'dropped_total{cause="unwanted",output="webhook"} 2.0' in server.place.get("/metrics").body.decode()
        assert len(receiver.posted) <= 2


# ---- RELIABLE_ACKS


def test_a_named_output_that_is_down_delays_acks_until_it_is_back_and_health_says_so() -> None:
    broken = Answer(503)
    with Receiver() as receiver, Inside(None, **DATA, WEBHOOK_URL=receiver.url, RELIABLE_ACKS="webhook") as server:
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            receiver.usual = broken
            txids = [vehicle.send({"Soc": {"doubleValue": float(number)}}) for number in (2, 3)]
            server.lines.wait_for("output_failing", output="webhook")
            health = server.place.get("/health").json
            assert (health["status"], health["outputs"]) == ("ok", {"webhook": "failing"})
            assert health["reliable_acks"]["outputs"] == ["webhook"]
            assert health["reliable_acks"]["waiting"] > 0
            with server.place.dashboard("?since=0&snapshot=0") as dashboard:  # which does not wait
                seen = [dashboard.next() for _ in range(5)]
            assert [one["data"]["Soc"] for one in seen if one["type"] == "data"] == [1.0, 2.0, 3.0]
            receiver.usual = Answer()
            assert [vehicle.reply() for _ in txids] == [ack(txid) for txid in txids]
        assert server.ask(lambda it: it.hub.turn.hold) is not None
        delivered = [one.seq for one in receiver.posted]
        assert delivered == sorted(delivered)


def test_an_event_that_the_receiver_refuses_is_not_acknowledged_and_its_vehicle_is_disconnected() -> None:
    def judge(posted: object) -> Answer:
        return Answer(400 if b"66.6" in posted.body else 204)  # type: ignore[attr-defined]

    with Receiver(judge=judge) as receiver, Inside(None, **DATA, WEBHOOK_URL=receiver.url, RELIABLE_ACKS="webhook") as server:
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 1.0}})
            vehicle.send({"Soc": {"doubleValue": 66.6}})
            server.lines.wait_for("webhook_event_dropped")
            assert vehicle.close_code() is None
        with server.place.vehicle("one") as vehicle:
            vehicle.tell({"Soc": {"doubleValue": 2.0}})


def test_with_the_disk_and_an_output_acks_wait_for_both(tmp_path: Path) -> None:
    with Receiver() as receiver:
        environment = DATA | {"WEBHOOK_URL": receiver.url, "RELIABLE_ACKS": "webhook", "JOURNAL_SYNC_MS": "5"}
        server = Process(None, **environment, JOURNAL_PATH=str(tmp_path / "journal"))
        with server, server.place.vehicle("one") as vehicle:
            for number in range(1, 20):
                vehicle.tell({"Soc": {"doubleValue": float(number)}})
                assert any(f'"Soc":{number}.0'.encode() in one.body for one in receiver.posted)


# ---- kills


def test_a_receiver_killed_under_load_with_reliable_acks_has_everything_that_was_acknowledged(tmp_path: Path) -> None:
    with Receiving(tmp_path / "received") as receiver:
        environment = DATA | {"WEBHOOK_URL": f"http://127.0.0.1:{receiver.port}/", "RELIABLE_ACKS": "webhook"}
        with Process(None, **environment) as server, Load(server.place, VINS[:3], 1) as load:
            load.wait_for(200)
            receiver.kill()
            server.lines.wait_for("output_connecting", output="webhook")
            frozen = load.total
            receiver.start()
            load.wait_for(frozen + 200)
        check_complete(receiver.path, load, most_twice=64)


@pytest.mark.outputs
@pytest.mark.parametrize("also_the_server", [False, True])
def test_a_receiver_that_is_killed_for_half_a_minute_under_load_loses_nothing(tmp_path: Path, also_the_server: bool) -> None:
    lines = tmp_path / "lines"
    environment = DATA | {"JOURNAL_PATH": str(tmp_path / "journal"), "JSONL_PATH": str(lines)}
    with Receiving(tmp_path / "received") as receiver:
        environment["WEBHOOK_URL"] = f"http://127.0.0.1:{receiver.port}/"
        with Victim(None, **environment) as server, Load(server.place, VINS, 1, pause_s=0.05) as load:  # 10 × 20 events/s
            load.wait_for_each(20)
            receiver.kill()
            time.sleep(OUTAGE_S / 2)  # the outage is what is tested
            if also_the_server:
                server.kill()
            else:
                time.sleep(OUTAGE_S / 2)
                come_back(receiver, load, server)
        if also_the_server:
            with Process(None, **environment) as again, load.resumed(again.place) as load:
                time.sleep(OUTAGE_S / 2)
                come_back(receiver, load, again)
        check_complete(receiver.path, load, most_twice=64)
    written = [json.loads(line) for line in lines.read_bytes().splitlines()]
    assert [line["seq"] for line in written] == list(range(1, len(written) + 1))
    for vin, acked in load.acked.items():
        assert set(acked) <= {line["data"]["Odometer"] for line in written if line["type"] == "data" and line["vin"] == vin}


def come_back(receiver: Receiving, load: Load, server: Process) -> None:
    receiver.start()
    load.wait_for_each(len(load.acked[VINS[0]]) + 20)
    load.stop()
    caught_up(server, CATCHING_UP_S)
