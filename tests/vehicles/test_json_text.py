"""Records that vehicles send as JSON text in development: both shapes, and every reason to refuse one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from teslafast.core.records import Report
from teslafast.errors import Malformed
from teslafast.vehicles import json_text

from tests.support import oracle

VIN = "5YJ3E1EA7KF000001"
CREATED = "2026-11-23T08:00:00.123Z"


def read(message: object, vin: str = VIN) -> json_text.Text:
    return json_text.read_text(json.dumps(message).encode(), vin)


def refusal(message: object, vin: str = VIN) -> str:
    with pytest.raises(Malformed) as caught:
        read(message, vin)
    return str(caught.value)


# ---- JSON text in flat shape


def test_a_flat_message_becomes_a_data_event() -> None:
    text = read({"vin": VIN, "createdAt": CREATED, "data": {"VehicleSpeed": 65.5, "MyField": {"a": [1]}}, "txid": "tx-1"})
    assert text.txid == "tx-1"
    assert text.report == Report(
        "data",
        {"vin": VIN, "createdAt": CREATED, "data": {"VehicleSpeed": 65.5, "MyField": {"a": [1]}}, "isResend": False},
        1_795_420_800_123_000_000,
        False,
        2,
        False,
    )


def test_the_connections_name_goes_before_the_messages_and_the_difference_is_noted() -> None:
    report = read({"vin": "other", "data": {"Soc": 1}}).report
    assert report.body["vin"] == VIN
    assert report.vin_differs
    assert not read({"vin": VIN, "data": {}}).report.vin_differs
    assert not read({"data": {}}).report.vin_differs


def test_a_connection_without_a_name_takes_the_messages() -> None:
    assert read({"vin": VIN, "data": {"Soc": 1}}, vin="").report.body["vin"] == VIN
    assert "no vehicle is named" in refusal({"data": {"Soc": 1}}, vin="")


def test_a_message_without_a_time_has_none() -> None:
    report = read({"data": {"Soc": 1}}).report
    assert (report.body["createdAt"], report.created_ns) == (None, None)


def test_a_resent_message_says_so() -> None:
    assert read({"data": {}, "isResend": True}).report.is_resend


def tower(floors: int) -> object:
    """So many lists and objects in each other, in turns."""
    value: object = 1
    for floor in range(floors):
        value = [value] if floor % 2 else {"inside": value}
    return value


def test_json_may_be_nested_as_deep_as_the_schema_needs_and_further() -> None:
    assert read({"data": {"Tower": tower(json_text.DEPTH_AT_MOST - 2)}})


BAD = [
    7,
    [],
    None,
    "text",
    {},
    {"vin": VIN},
    {"vin": 7, "data": {}},
    {"vin": "a b", "data": {}},
    {"txid": [7], "data": {}},
    {"createdAt": 7, "data": {}},
    {"createdAt": "now", "data": {}},
    {"createdAt": "0001-01-01T00:00:00+23:59", "data": {}},
    {"data": {str(number): 0 for number in range(5000)}},
    {"data": [{"key": "NoSuchField", "value": {"intValue": 1}}]},
    {"data": [7]},
    {"data": 7},
    {"alerts": "many"},
    {"errors": [{"tags": 7}]},
    {"status": "PERHAPS"},
    {"data": {"Tower": tower(json_text.DEPTH_AT_MOST)}},
    {"data": {"Tower": tower(250)}},
]


@pytest.mark.parametrize("message", BAD)
def test_json_that_is_not_a_record_is_refused_with_a_reason(message: object) -> None:
    assert refusal(message, vin="" if isinstance(message, dict) and message.get("vin") == "a b" else VIN)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"nonsense", b'{"data":{}', b"[" * 100_000, b'{"data":{"x":1e999999}'])
def test_text_that_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        json_text.read_text(text, VIN)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["vin", "createdAt", "data", "alerts", "errors", "status", "txid", "isResend", "connectionId"])


@given(st.dictionaries(MEMBERS, JSON | st.sampled_from([VIN, CREATED, "CONNECTED"])), st.sampled_from([VIN, ""]))
def test_any_json_is_either_read_or_refused(message: dict[str, Any], vin: str) -> None:
    try:
        text = read(message, vin)
    except Malformed:
        return
    assert text.report.body["vin"]
    assert text.fleet()["vin"] == text.report.body["vin"]


# ---- JSON text in fleet shape


RECORDS: dict[str, dict[str, Any]] = {
    "data": {
        "data": [
            {"key": "VehicleSpeed", "value": {"floatValue": 65.5}},
            {"key": "Location", "value": {"stringValue": "(37.5 N, 122.25 W)"}},
            {"key": "Soc", "value": {"invalid": True}},
        ],
        "createdAt": CREATED,
        "isResend": True,
    },
    "alerts": {"alerts": [{"name": "APP_w1", "audiences": ["Customer"], "startedAt": CREATED}], "createdAt": CREATED},
    "errors": {"errors": [{"name": "unsupported_field", "tags": {"field_name": "Soc"}, "body": "x"}], "createdAt": CREATED},
    "connectivity": {"status": "CONNECTED", "connectionId": "c1", "networkInterface": "wifi", "createdAt": CREATED},
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_fleet_message_goes_the_way_of_the_binary_one(kind: str) -> None:
    topic = json_text.TOPIC_OF_KIND[kind]
    payload = ParseDict(RECORDS[kind], oracle.CLASSES[topic]()).SerializeToString()
    text = read(RECORDS[kind] | {"txid": "tx-1", "seq": 7})
    assert text.txid == "tx-1"
    assert text.report.kind == kind
    assert text.report.body == oracle.flat(topic, payload, VIN)
    assert text.fleet() == oracle.fleet(topic, payload, VIN)


def test_flat_json_can_be_said_in_fleet_shape_too() -> None:
    data = {"B": True, "I": 7, "L": 1 << 40, "F": 1.5, "S": "x", "N": None, "P": {"latitude": 1.0, "longitude": 2.0}, "O": [1]}
    values = [datum["value"] for datum in read({"data": data}).fleet()["data"]]
    assert values == [
        {"booleanValue": True},
        {"intValue": 7},
        {"longValue": str(1 << 40)},
        {"doubleValue": 1.5},
        {"stringValue": "x"},
        {"invalid": True},
        {"locationValue": {"latitude": 1.0, "longitude": 2.0}},
        {"stringValue": "[1]"},
    ]
