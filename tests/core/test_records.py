"""The kinds of record, and the one kind that the server makes itself."""

from __future__ import annotations

from teslafast._fanout import KINDS
from teslafast.core import records

VIN = "5YJ3E1EA7KF000001"
CREATED = "2026-11-23T08:00:00.123Z"


def test_connectivity_is_told_in_both_shapes() -> None:
    report = records.connectivity(VIN, True, "c1", "wifi", 1_795_420_800_123_456_789)
    assert report.kind == "connectivity"
    assert report.created_ns == 1_795_420_800_123_456_789
    assert report.body == {
        "vin": VIN,
        "createdAt": CREATED,
        "status": "CONNECTED",
        "connectionId": "c1",
        "networkInterface": "wifi",
    }
    assert records.fleet_of_connectivity(report.body) == report.body


def test_the_end_of_a_connection_is_told_as_disconnected() -> None:
    assert records.connectivity(VIN, False, "c1", "", 0).body["status"] == "DISCONNECTED"


def test_kinds_are_numbered_as_the_log_does() -> None:
    numbers = (records.DATA, records.ALERTS, records.ERRORS, records.CONNECTIVITY)
    assert [KINDS[number] for number in numbers] == ["data", "alerts", "errors", "connectivity"]
    assert {kind: KINDS.index(kind) for kind in KINDS} == records.KIND_NUMBERS
