"""A real server and ZeroMQ's own SUB sockets: what arrives, what waits, what is counted as lost."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
import zmq
from teslafast.outputs import Context, Event
from teslafast.outputs.zmq import ZmqOutput, ZmqSettings

from tests.support.faults import Load, Victim
from tests.support.histories import OUTAGE_S, VINS, caught_up
from tests.support.output_events import EPOCH, data
from tests.support.peers import SECRET
from tests.support.ports import free_port
from tests.support.record_cases import FORMS, VERSION, by_topic, check_body, send_cases
from tests.support.servers import Inside, Process, spawn
from tests.support.zmq_reader import Frames, ZmqReader

pytestmark = pytest.mark.outputs


@pytest.fixture
def address() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.mark.parametrize("form", FORMS)
def test_every_recorded_case_is_two_frames(address: str, form: str) -> None:
    with (
        Process(None, ZMQ_BIND=address, OUTPUT_DECODED=FORMS[form]) as server,
        ZmqReader(address) as reader,
        server.place.vehicle(Version=VERSION) as vehicle,
    ):
        sent = by_topic(send_cases(vehicle))
        sent.pop("connectivity", None)
        count = sum(map(len, sent.values()))
        reader.until(lambda got: sum(one.topic != "tesla_telemetry_connectivity" for one in got) >= count)
    for topic, cases in sent.items():
        arrived = [one for one in reader.got if one.topic == f"tesla_telemetry_{topic}"]
        assert len(arrived) == len(cases)
        for one, case in zip(arrived, cases, strict=True):
            check_body(form, case, one.body)


def odometers(got: list[Frames]) -> dict[str, list[float]]:
    """Of each vehicle, each number once, in the order of reading."""
    found: dict[str, dict[float, None]] = defaultdict(dict)
    for one in got:
        if one.topic == "tesla_telemetry_V":
            record = json.loads(one.body)
            found[record["vin"]].setdefault(record["data"][0]["value"]["doubleValue"])
    return {vin: list(numbers) for vin, numbers in found.items()}


def test_nobody_subscribed_for_half_a_minute_and_a_kill_of_the_server_lose_nothing(tmp_path: Path, address: str) -> None:
    environment = {"JOURNAL_PATH": str(tmp_path / "journal"), "ZMQ_BIND": address}
    got: list[Frames] = []
    with Victim(None, **environment) as server, Load(server.place, VINS, 1, pause_s=0.05) as load:
        with ZmqReader(address) as reader:
            load.wait_for_each(20)
            reader.until(lambda got: len(got) > 100)
        got += reader.got
        server.lines.wait_for("output_connecting", output="zmq")
        time.sleep(OUTAGE_S / 2)  # the outage is what is tested
        server.kill()
    with Victim(None, **environment) as server, load.resumed(server.place) as load:
        time.sleep(OUTAGE_S / 2)
        with ZmqReader(address) as reader:  # it stays through the next kill
            load.wait_for_each(len(load.acked[VINS[0]]) + 20)
            reader.until(lambda got: len(got) > 2000)
            server.kill()
            with Process(None, **environment) as again, load.resumed(again.place) as load:
                load.wait_for_each(len(load.acked[VINS[0]]) + 20)
                load.stop()
                caught_up(again, "zmq", 2 * OUTAGE_S + 60)
        got += reader.got
    read = odometers(got)
    for vin, acked in load.acked.items():
        assert set(acked) <= set(read[vin]), f"{vin} lacks {sorted(set(acked) - set(read[vin]))}"
        assert read[vin] == sorted(read[vin]), f"{vin} is out of order"


def test_a_vehicle_has_its_ack_once_somebody_is_subscribed(address: str) -> None:
    with Inside(ZMQ_BIND=address, RELIABLE_ACKS="zmq") as server, server.place.vehicle("one") as vehicle:
        told = threading.Thread(target=vehicle.tell, args=[{"Soc": {"doubleValue": 64.5}}])
        told.start()
        server.lines.wait_for("output_connecting", output="zmq")
        assert told.is_alive()
        with ZmqReader(address) as reader:
            reader.until(lambda got: [one.topic for one in got][:2] == ["tesla_telemetry_connectivity", "tesla_telemetry_V"])
            told.join(60)
            assert not told.is_alive()


def test_a_subscriber_that_does_not_read_is_waited_for_then_missed_out_and_counted(address: str) -> None:
    pads = [data(seq, {"VehicleName": "x" * 20_000}) for seq in range(1, 2501)]
    dropped: Counter[str] = Counter()
    context = Context(EPOCH, dropped)

    async def scene(slow: ZmqReader, quick: ZmqReader) -> None:
        output = ZmqOutput(ZmqSettings(bind=address), context)
        await output.connect()
        await output.send(pads[:1])
        while not slow.got or not quick.got:
            await output.send(pads[:1])
            await asyncio.sleep(0.05)
        slow.paused = True
        for start in range(1, 2500, 250):
            await output.send(pads[start : start + 250])
            last = pads[start : start + 250][-1].text
            await asyncio.to_thread(quick.until, lambda got, last=last: got[-1].body == last)  # type: ignore[misc]
        lost = dropped["high_water"]
        assert 0 < lost < 2500
        assert len(context.given_up) == lost, "they are never acknowledged"
        slow.paused = False
        await asyncio.to_thread(slow.until, lambda got: len(got) > 900)
        await asyncio.sleep(0.5)  # until libzmq's queue is empty: nothing tells
        await output.send([Event(9999, 0, "one", b"the last", 0)])
        await asyncio.to_thread(slow.until, lambda got: got[-1].body == b"the last")
        assert dropped["high_water"] == lost
        await asyncio.to_thread(quick.until, lambda got: got[-1].body == b"the last")
        assert {one.body for one in quick.got} >= {event.text for event in pads}, "the others get everything"
        await output.close()

    with ZmqReader(address, queue=1) as slow, ZmqReader(address) as quick:
        asyncio.run(scene(slow, quick))


def test_with_keys_only_subscribers_that_are_allowed_get_anything(tmp_path: Path, address: str) -> None:
    public, secret = zmq.curve_keypair()
    mine, stranger = zmq.curve_keypair(), zmq.curve_keypair()
    (tmp_path / "server.json").write_text(json.dumps({"secret": secret.decode(), "public": public.decode()}))
    (tmp_path / "allowed.json").write_text(json.dumps([mine[0].decode()]))
    keys = {"ZMQ_BIND": address, "ZMQ_SERVER_KEY_PATH": str(tmp_path / "server.json")}
    for environment in (keys | {"ZMQ_ALLOWED_KEYS_PATH": str(tmp_path / "allowed.json")}, keys):
        anybody = "ZMQ_ALLOWED_KEYS_PATH" not in environment
        with (
            Inside(None, **environment) as server,
            ZmqReader(address, (public, *mine)) as reader,
            ZmqReader(address, (public, *stranger)) as other,
            ZmqReader(address) as open_one,
        ):
            wanted = (reader, other) if anybody else (reader,)
            with server.place.vehicle("one") as vehicle:
                until_s = time.monotonic() + 30
                while not all(one.got for one in wanted):  # who comes later than the first gets what is sent from then on
                    assert time.monotonic() < until_s
                    vehicle.tell({"Soc": {"doubleValue": 64.5}})
                    time.sleep(0.01)
            reader.until(lambda got: got[-1].topic == "tesla_telemetry_connectivity")
        assert open_one.got == []
        assert anybody or other.got == []


def test_an_address_in_use_is_tried_again_and_the_command_tells_whose_it_is(address: str) -> None:
    def check() -> tuple[int, str]:
        variables = {"NODE_ENV": "development", "PORT": str(free_port()), "JWT_SECRET": SECRET, "ZMQ_BIND": address}
        with spawn(["outputs", "check"], variables, stdout=-1, stderr=-1) as process:
            said, complaint = process.communicate()
        return process.returncode, said + complaint

    assert check()[0] == 0
    with Inside(ZMQ_BIND=address) as server:
        server.lines.wait_for("output_up", output="zmq")
        code, said = check()
        assert (code, "by this server, if it runs" in said) == (0, True), said
        with Inside(ZMQ_BIND=address) as second:
            [line] = second.lines.wait_for("output_failing", output="zmq")
            assert "is already in use" in line["reason"]
