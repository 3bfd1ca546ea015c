"""
The messages that the load tools send, each as one example with placeholders (bench/load/pattern.h says which).

One event in every dialect: as dashboards see it (`flat`), in Tesla's envelope (`vehicle`), and as a line of NATS. All
carry the same values, so every reader of every server reads about `size` bytes, and the mark inside a value says who sent it, as
which, and when. Encoded by the well-kept `protobuf` and `flatbuffers` packages, not by what is measured.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import flatbuffers
import orjson
from teslafast.vin import sample_vin

from .payload import Payload

VIN = sample_vin(0)
TXID = "0" * 22 + "-" + "0" * 9
MARK = "#TF:0000:0000000000:0000000000000000"
SUBJECT = "telemetry"  # NATS
_CREATED_S, _CREATED_MS = 1795420800, 123
_CREATED_AT = "2026-11-23T08:00:00.123Z"

Datum = tuple[str, str, Any]  # field, alternative of Value, its value

DRIVING: tuple[Datum, ...] = (
    ("VehicleSpeed", "double_value", 65.5),
    ("Gear", "shift_state_value", "ShiftStateD"),
    ("Location", "location_value", {"latitude": 37.4, "longitude": -122.1}),
    ("Soc", "double_value", 71.5),
)
SMALL: tuple[Datum, ...] = (
    ("VehicleSpeed", "double_value", 51.23999885469675),
    ("Soc", "double_value", 71.52317880794702),
    ("Gear", "shift_state_value", "ShiftStateD"),
)
REAL: tuple[Datum, ...] = (
    *SMALL,
    ("Location", "location_value", {"latitude": 37.412374, "longitude": -122.145867}),
    ("GpsHeading", "double_value", 187.40000915527344),
    ("Odometer", "double_value", 12345.678955078125),
    ("PackVoltage", "double_value", 352.44000244140625),
    ("PackCurrent", "double_value", -48.29999923706055),
    ("DoorState", "door_value", {"DriverFront": True, "TrunkRear": True}),
    ("DestinationName", "string_value", "Supercharger, Am Bahnhof 1, Grünheide (Mark)"),
    ("DetailedChargeState", "detailed_charge_state_value", "DetailedChargeStateDisconnected"),
    ("HvacFanSpeed", "int_value", 4),
    ("TpmsPressureFl", "float_value", 2.9),
    ("Locked", "boolean_value", False),
)


class Dialect(NamedTuple):
    """How an event is sent to a server: the example, the reply that is due (None: no reply), and whether both are text."""

    message: bytes
    ack: bytes | None
    text: bool
    greeting: str | None = None


def flat(size: int) -> bytes:
    """The event as a dashboard sees it, `size` bytes of JSON: what servers without a decoder are given, to pass on as it is."""

    def event(name: str) -> bytes:
        data = {field: value for field, _, value in DRIVING} | {"VehicleName": name}
        body = {"type": "data", "seq": 123456, "vin": VIN, "createdAt": _CREATED_AT, "data": data, "isResend": False}
        return orjson.dumps(body)

    return event(_name(size, event(MARK)))


def plain(size: int) -> Dialect:
    return Dialect(flat(size), None, text=True)


def nats(size: int) -> Dialect:
    event = flat(size)
    line = b"PUB %s %d\r\n%s\r\n" % (SUBJECT.encode(), len(event), event)
    return Dialect(line, None, text=False, greeting='CONNECT {"verbose":false}\r\n')


def vehicle(size: int) -> Dialect:
    """In Tesla's envelope, so that `flat` of it has `size` bytes."""
    return envelope((*DRIVING, ("VehicleName", "string_value", _name(size, flat(0)))))


def envelope(data: Iterable[Datum]) -> Dialect:
    """A `V` record of these datums in Tesla's envelope, and its acknowledgement."""
    payload = Payload(
        data=[{"key": field, "value": {alternative: value}} for field, alternative, value in data],
        created_at={"seconds": _CREATED_S, "nanos": _CREATED_MS * 1_000_000},
        vin=VIN,
    )
    stream = _stream(payload.SerializeToString())
    return Dialect(stream, ack(TXID.encode(), b"V"), text=False)


def ack(txid: bytes, topic: bytes) -> bytes:
    """The reference's acknowledgement: its message is an empty byte vector, not a table."""
    builder = flatbuffers.Builder(0)
    return _envelope(builder, builder.CreateString(b""), 5, txid, topic)


def _name(size: int, bare: bytes) -> str:
    return MARK + "x" * (size - len(bare))


def _stream(payload: bytes) -> bytes:
    builder = flatbuffers.Builder(0)
    vectors = [builder.CreateString(part) for part in (f"vehicle_device.{VIN}", payload, "vehicle_device", VIN)]
    builder.StartObject(6)
    builder.PrependUOffsetTRelativeSlot(1, vectors[0], 0)
    builder.PrependUint32Slot(0, _CREATED_S, 0)
    for slot, vector in enumerate(vectors[1:], 2):
        builder.PrependUOffsetTRelativeSlot(slot, vector, 0)
    return _envelope(builder, builder.EndObject(), 4, TXID.encode(), b"V")


def _envelope(builder: flatbuffers.Builder, message: int, kind: int, txid: bytes, topic: bytes) -> bytes:
    vectors = [builder.CreateString(part) for part in (txid, topic, b"")]
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, vectors[0], 0)
    builder.PrependUOffsetTRelativeSlot(1, vectors[1], 0)
    builder.PrependUint8Slot(2, kind, 0)
    builder.PrependUOffsetTRelativeSlot(3, message, 0)
    builder.PrependUOffsetTRelativeSlot(4, vectors[2], 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())
