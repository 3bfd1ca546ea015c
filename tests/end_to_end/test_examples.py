"""
The reference server's recorded conversations, held again with ours over mutual TLS.

Class `contract`: every reply byte for byte, and the JSON that was dispatched, as `/stream?format=fleet` gives it. Class
`robustness`: whatever we answer, the connection goes on, and a good message is acknowledged after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.frames import Opcode

from tests.support import DATA
from tests.support.certificates import World
from tests.support.peers import Dashboard, Raw, ack, envelope, payload
from tests.support.servers import Inside

RECORDED = json.loads((DATA / "examples.json").read_text())
CASES = {case["id"]: case for case in RECORDED["cases"]}
CONTRACT = [name for name, case in CASES.items() if case["class"] == "contract"]
ROBUSTNESS = [name for name, case in CASES.items() if case["class"] == "robustness"]
OPCODES = {"binary": Opcode.BINARY, "text": Opcode.TEXT, "ping": Opcode.PING}
VINS = {"veh_device1": "device-1"}  # the recorded client certificates, by the name that each bore
HEADERS = [f"{name}: {value}" for name, value in RECORDED["vehicle_headers"].items()]
SOC = payload({"Soc": {"floatValue": 1.0}})


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[Inside]:
    with Inside(world, VEHICLE_PORT="0") as running:
        yield running


def connect(server: Inside, case: dict[str, Any]) -> Raw:
    place = server.place
    assert place.world is not None
    vehicle = place.raw(place.world.vehicle(VINS[case["client_cert"]]), place.vehicle_port)
    assert vehicle.upgrade("/", *HEADERS).startswith(b"HTTP/1.1 101 ")
    return vehicle


def content(sent: dict[str, Any]) -> bytes:
    """A message's bytes; one that was too long to be recorded is a VehicleName that is padded to its length."""
    if "hex" in sent:
        return bytes.fromhex(sent["hex"])
    short = envelope(b"V", b"tx-big", payload({"VehicleName": {"stringValue": ""}}))
    long = envelope(b"V", b"tx-big", payload({"VehicleName": {"stringValue": "x" * (sent["length"] - len(short) - 12)}}))
    return long.ljust(sent["length"], b"\0")


def next_reply(vehicle: Raw) -> bytes:
    """The next message that is no answer to a ping."""
    while True:
        opcode, data = vehicle.read_frame()
        if opcode is Opcode.BINARY:
            return data
        assert opcode is Opcode.PONG


def next_record(dashboard: Dashboard) -> dict[str, Any]:
    """The next record without its seq; the server's own stories of connections are passed over."""
    while True:
        record = dashboard.next()
        if "connectionId" not in record or record["connectionId"] in RECORDED_CONNECTIONS:
            return {name: value for name, value in record.items() if name != "seq"}


RECORDED_CONNECTIONS = {
    record["connectionId"] for case in CASES.values() for record in case["dispatched"] if record and "connectionId" in record
}


def test_there_are_as_many_cases_as_were_recorded() -> None:
    assert (len(CONTRACT), len(ROBUSTNESS)) == (42, 20)


@pytest.mark.parametrize("name", CONTRACT)
def test_what_is_replied_and_dispatched_is_what_the_reference_did(server: Inside, name: str) -> None:
    case = CASES[name]
    with server.place.dashboard("?format=fleet") as dashboard, connect(server, case) as vehicle:
        for sent in case["sent"]:
            vehicle.frame(OPCODES[sent["opcode"]], content(sent))
        replies = [next_reply(vehicle) for _ in case["replies"]]
        assert replies == [bytes.fromhex(reply["hex"]) for reply in case["replies"]]
        for dispatched in case["dispatched"]:
            told = next_record(dashboard)
            # null: the reference has no JSON for a time beyond the year 9999, which is the record's own
            assert told == dispatched if dispatched is not None else told["createdAt"] is None
        vehicle.frame(Opcode.BINARY, envelope(b"V", b"after", SOC))
        assert next_reply(vehicle) == ack(b"after"), "nothing was answered twice, and the connection is open"
        assert next_record(dashboard)["data"] == [{"key": "Soc", "value": {"floatValue": 1.0}}], "nothing more was dispatched"


@pytest.mark.parametrize("name", ROBUSTNESS)
def test_malformed_input_is_answered_and_the_connection_goes_on(server: Inside, name: str) -> None:
    case = CASES[name]
    assert case["connection"] == "open"
    with connect(server, case) as vehicle:
        for sent in case["sent"]:
            vehicle.frame(OPCODES[sent["opcode"]], content(sent))
            assert next_reply(vehicle)
        vehicle.frame(Opcode.BINARY, envelope(b"V", b"after", SOC))
        assert next_reply(vehicle) == ack(b"after")


def test_a_length_that_was_recorded_is_the_length_that_is_sent() -> None:
    for case in CASES.values():
        for sent in case["sent"]:
            assert len(content(sent)) == sent.get("length", len(sent.get("hex", "")) // 2)
