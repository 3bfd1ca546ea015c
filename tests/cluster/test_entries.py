"""Records as batches carry them: what an output of another node finds beside the event is what the vehicle sent."""

from __future__ import annotations

import orjson
import pytest
from teslafast.cluster.batch import CONNECTIVITY_CODE, TEXT_CODE, Entry
from teslafast.cluster.entries import entry_of, own_of, shown
from teslafast.core.records import Report, connectivity, fleet_of_connectivity
from teslafast.errors import Malformed
from teslafast.protocol._wire import FLAT, read_record, write_record
from teslafast.vehicles.json_text import fleet_of_flat as json_fleet_of_flat

from tests.support.peers import payload

VIN = "5YJ3E1EA7KF000001"
RECORD = payload({"Soc": {"doubleValue": 1.0}})


def fleet_of_flat(body: object) -> dict[str, object]:
    raise AssertionError("it is not text")


@pytest.mark.parametrize("version", [b"", b"1.2.3", b"v" * 300])
def test_a_records_own_bytes_come_with_the_version_that_its_vehicles_client_named(version: bytes) -> None:
    record = read_record(b"V", RECORD, VIN, FLAT)
    entry = entry_of(VIN, record, b"txid", 1_000_000, (b"txid", version, RECORD))
    assert own_of(entry) == (b"txid", version[:255], RECORD)
    again, fleet, txid = shown(entry, fleet_of_flat)
    assert (again.body, txid) == (record.body, b"txid")
    assert fleet()["vin"] == VIN


def test_an_event_of_connectivity_has_its_record_and_the_version() -> None:
    report = connectivity(VIN, True, "id-1", "wifi", 1_795_000_000_000_000_000)
    record = write_record(b"connectivity", fleet_of_connectivity(report.body))
    entry = entry_of(VIN, report, None, 1_000_000, (b"id-1", b"1.2.3", record))
    assert own_of(entry) == (b"id-1", b"1.2.3", record)
    assert shown(entry, fleet_of_flat)[2] is None


def test_text_has_no_record_of_its_own() -> None:
    report = Report("data", {"vin": VIN, "data": {"Soc": 1.0}}, 1, False, 1)
    entry = entry_of(VIN, report, b"txid", 1_000_000, (b"txid", b"1.2.3"))
    assert (entry.code, own_of(entry)) == (TEXT_CODE, (b"txid", b""))


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"{}", orjson.dumps({"connectionId": 7})])
def test_connectivity_that_another_node_wrote_badly_has_no_record(body: bytes) -> None:
    assert own_of(Entry(CONNECTIVITY_CODE, VIN, b"", body, 0)) is None


def test_a_record_without_its_version_is_malformed() -> None:
    with pytest.raises(Malformed):
        shown(Entry(64, VIN, b"txid", b"", 0), fleet_of_flat)


GOOD_TEXT = {
    "kind": "data",
    "body": {"vin": VIN, "data": {}},
    "created_ns": 1,
    "is_resend": False,
    "signals": 0,
    "vin_differs": False,
}
BAD_TEXT: dict[str, list[object]] = {
    "kind": [1, [], "zz", None],
    "body": [{}, [], {"vin": VIN}, {"data": "x"}, {"data": []}, None],
    "created_ns": ["x", -1, 1 << 63, 1.5],
    "is_resend": [5, "x", None],
    "signals": ["x", -5, None, 1 << 63],
    "vin_differs": [3, None],
}


def test_text_is_shown_as_another_node_wrote_it_down() -> None:
    record, _, txid = shown(Entry(TEXT_CODE, VIN, b"t", orjson.dumps(GOOD_TEXT), 0), fleet_of_flat)
    assert (record.kind, record.body, txid) == ("data", GOOD_TEXT["body"], b"t")


@pytest.mark.parametrize(("member", "value"), [(member, value) for member, values in BAD_TEXT.items() for value in values])
def test_text_that_no_node_writes_is_malformed(member: str, value: object) -> None:
    with pytest.raises(Malformed):
        shown(Entry(TEXT_CODE, VIN, b"t", orjson.dumps({**GOOD_TEXT, member: value}), 0), fleet_of_flat)
    without = {name: said for name, said in GOOD_TEXT.items() if name != member}
    with pytest.raises(Malformed):
        shown(Entry(TEXT_CODE, VIN, b"t", orjson.dumps(without), 0), fleet_of_flat)


@pytest.mark.parametrize("code", [CONNECTIVITY_CODE, TEXT_CODE])
@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"{}", b"1", b"null", b'"x"', b"[" * 2000, b'{"status":["CONNECTED"]}', b"\xff"]
)
def test_json_that_is_no_event_is_malformed(code: int, payload: bytes) -> None:
    with pytest.raises(Malformed):
        shown(Entry(code, VIN, b"", payload, 0), fleet_of_flat)


def test_text_whose_values_have_no_other_shape_is_malformed_there() -> None:
    _, fleet, _ = shown(Entry(TEXT_CODE, VIN, b"t", orjson.dumps(GOOD_TEXT), 0), json_fleet_of_flat)
    with pytest.raises(Malformed, match="createdAt"):
        fleet()
