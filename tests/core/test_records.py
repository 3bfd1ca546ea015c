"""What dashboards are told: times, JSON that vehicles may send in development, and the log's own words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from teslafast._fanout import KINDS
from teslafast.core import records
from teslafast.dashboards import messages
from teslafast.errors import Malformed
from teslafast.rfc3339 import parse_rfc3339, rfc3339
from teslafast.vehicles import json_text
from teslafast.websocket import text_frames
from websockets.frames import Frame, Opcode

from tests.support import oracle
from tests.support.fake_log import frames_in

VIN = "5YJ3E1EA7KF000001"
CREATED = "2026-11-23T08:00:00.123Z"


def read(message: object, vin: str = VIN) -> json_text.Text:
    return json_text.read_text(json.dumps(message).encode(), vin)


def refusal(message: object, vin: str = VIN) -> str:
    with pytest.raises(Malformed) as caught:
        read(message, vin)
    return str(caught.value)


def only_frame(data: bytes) -> Any:
    (frame,) = frames_in(data)
    assert frame == Frame(Opcode.TEXT, frame.data)
    return json.loads(bytes(frame.data))


# ---- times


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_rfc_3339_in_utc_with_milliseconds_cut_off(moment: datetime) -> None:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    shown = rfc3339(microseconds * 1000 + 999)
    assert shown == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert parse_rfc3339(shown) == microseconds // 1000 * 1_000_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T09:30:00.5+01:30", "2026-11-23T08:00:00.500Z"),
        ("2026-11-23T08:00:00.123999999Z", "2026-11-23T08:00:00.123Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_what_is_a_time(text: str, shown: str) -> None:
    parsed = parse_rfc3339(text)
    assert parsed is not None
    assert rfc3339(parsed) == shown


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01T00:00:00Z", "1700000000", "2026-11-23T25:00:00Z", "２０２６-11-23T08:00:00Z"]
)
def test_what_is_no_time(text: str) -> None:
    assert parse_rfc3339(text) is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-00:01"])
def test_a_time_that_leaves_the_calendar_in_utc_is_none(text: str) -> None:
    assert parse_rfc3339(text) is None


# ---- JSON text in flat shape


def test_a_flat_message_becomes_a_data_event() -> None:
    text = read({"vin": VIN, "createdAt": CREATED, "data": {"VehicleSpeed": 65.5, "MyField": {"a": [1]}}, "txid": "tx-1"})
    assert text.txid == "tx-1"
    assert text.report == records.Report(
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
]


@pytest.mark.parametrize("message", BAD)
def test_what_is_no_message_is_refused_with_a_reason(message: object) -> None:
    assert refusal(message, vin="" if isinstance(message, dict) and message.get("vin") == "a b" else VIN)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"nonsense", b'{"data":{}', b"[" * 100_000, b'{"data":{"x":1e999999}'])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        json_text.read_text(text, VIN)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["vin", "createdAt", "data", "alerts", "errors", "status", "txid", "isResend", "connectionId"])


@given(st.dictionaries(MEMBERS, JSON | st.sampled_from([VIN, CREATED, "CONNECTED"])), st.sampled_from([VIN, ""]))
def test_no_json_is_more_than_read_or_refused(message: dict[str, Any], vin: str) -> None:
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


# ---- connectivity and the log's own words


def test_connectivity_is_told_in_both_shapes() -> None:
    report = records.connectivity(VIN, True, "c1", "wifi", 1_795_420_800_123_456_789)
    assert report.body == {
        "vin": VIN,
        "createdAt": CREATED,
        "status": "CONNECTED",
        "connectionId": "c1",
        "networkInterface": "wifi",
    }
    assert records.fleet_of_connectivity(report.body) == report.body
    assert records.connectivity(VIN, False, "c1", "", 0).body["status"] == "DISCONNECTED"


def test_kinds_are_numbered_as_the_log_does() -> None:
    assert [KINDS[number] for number in (records.DATA, records.ALERTS, records.ERRORS, records.CONNECTIVITY)] == [
        "data",
        "alerts",
        "errors",
        "connectivity",
    ]


def test_the_logs_own_words() -> None:
    hello = only_frame(messages.hello("e1", 1234, 17))
    assert hello.pop("server").startswith("teslafast/")
    assert hello == {"type": "hello", "epoch": "e1", "seq": 1234, "oldest": 17}
    assert only_frame(messages.gap(1300, 1412)) == {"type": "gap", "from": 1300, "to": 1412}
    assert only_frame(messages.snapshot(7, VIN, 0, {"Soc": None})) == {
        "type": "snapshot",
        "seq": 7,
        "vin": VIN,
        "createdAt": "1970-01-01T00:00:00.000Z",
        "isCache": True,
        "data": {"Soc": None},
    }
    assert only_frame(text_frames.refusal("no")) == {"type": "error", "reason": "no"}
    assert only_frame(messages.subscribed({"B", "A"}, None)) == {"type": "subscribed", "vins": ["A", "B"], "types": None}
    assert only_frame(messages.subscribed(None, ["data"])) == {"type": "subscribed", "vins": None, "types": ["data"]}
    assert only_frame(messages.token_expiring(1_800_000_000.5)) == {"type": "token_expiring", "exp": 1_800_000_000}
