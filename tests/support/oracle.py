"""
Second opinions on Tesla's bytes, from code that shares nothing with ours.

Payloads are parsed by `protobuf` (upb) with descriptors made from schema.json, and turned into both shapes field by field. The
reference's corrections are done again here, exactly (fractions, not floats). Envelopes: oracle_envelopes.py.
"""

import json
import math
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.message import DecodeError, Message

from tests.support import DATA, unknown_members
from tests.support.oracle_envelopes import Refused as Refused
from tests.support.oracle_envelopes import build_envelope as build_envelope
from tests.support.oracle_envelopes import envelope as envelope

SCHEMA = json.loads((DATA / "schema.json").read_text())
TOPICS = {
    b"V": "telemetry.vehicle_data.Payload",
    b"alerts": "telemetry.vehicle_alerts.VehicleAlerts",
    b"errors": "telemetry.vehicle_error.VehicleErrors",
    b"connectivity": "telemetry.vehicle_connectivity.VehicleConnectivity",
}


# Descriptors


def _file(name: str, content: dict[str, Any]) -> descriptor_pb2.FileDescriptorProto:
    """One .proto file of schema.json as protobuf describes it."""
    proto = descriptor_pb2.FileDescriptorProto(
        name=name, package=content["package"], syntax="proto3", dependency=[timestamp_pb2.DESCRIPTOR.name]
    )
    for enum, values in content["enums"].items():
        described = proto.enum_type.add(name=enum)
        for value, number in values.items():
            described.value.add(name=value, number=number)
    for message, body in content["messages"].items():
        described_message = proto.message_type.add(name=message)
        for field in body["fields"]:
            _add_field(described_message, field, content["package"])
    return proto


def _add_field(message: descriptor_pb2.DescriptorProto, field: dict[str, Any], package: str) -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    added = message.field.add(
        name=field["name"],
        number=field["number"],
        json_name=field["json_name"],
        type=kinds.Type.Value("TYPE_" + field["type"].upper()),
        label=kinds.Label.Value("LABEL_" + field["label"].upper()),
    )
    if "type_name" in field:
        added.type_name = "." + field["type_name"]
    if "oneof" in field:
        if not message.oneof_decl:
            message.oneof_decl.add(name=field["oneof"])
        added.oneof_index = 0
    if "map" in field:
        entry = message.nested_type.add(name=field["type_name"].rpartition(".")[2])
        entry.options.map_entry = True
        for number, name in enumerate(("key", "value"), 1):
            entry.field.add(name=name, number=number, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)


def _classes() -> dict[bytes, type[Message]]:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    for name, content in SCHEMA["files"].items():
        pool.Add(_file(name, content))
    return {topic: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for topic, name in TOPICS.items()}


CLASSES = _classes()


def parse(topic: bytes, payload: bytes) -> Message:
    """The protobuf message of a payload, or Refused."""
    message = CLASSES[topic]()
    try:
        message.ParseFromString(payload)
    except DecodeError as fault:
        raise Refused(str(fault)) from fault
    return message


# Records

FIELDS: dict[str, list[dict[str, Any]]] = {
    f"{content['package']}.{name}": body["fields"]
    for content in SCHEMA["files"].values()
    for name, body in content["messages"].items()
}
ENUM_NAMES: dict[str, dict[int, str]] = {
    f"{content['package']}.{name}": {number: value for value, number in values.items()}
    for content in SCHEMA["files"].values()
    for name, values in content["enums"].items()
}
LOCATION = 21


def fleet(topic: bytes, payload: bytes, vin: str) -> dict[str, Any]:
    """The record as the reference dispatches it in JSON, save that a timestamp that has no JSON is null. Or Refused."""
    message: Any = parse(topic, payload)
    correct(topic, message)
    message.vin = vin
    return printed(topic, message)


def printed(topic: bytes, message: Message) -> dict[str, Any]:
    """A message as JSON, its timestamps null that have none."""
    return _object(TOPICS[topic], message, "fleet")


def flat(topic: bytes, payload: bytes, vin: str) -> dict[str, Any]:
    """The record as dashboards see it. Or Refused."""
    message: Any = parse(topic, payload)
    correct(topic, message)
    message.vin = vin
    body = _object(TOPICS[topic], message, "flat")
    if topic == b"V":
        body["data"] = {
            _key(datum["key"]): unknown_members.last(sent.value) if datum["value"] == {} else _plain(datum["value"])
            for datum, sent in zip(body["data"], message.data, strict=True)
        }
    return body


def unknown_values(topic: bytes, payload: bytes) -> dict[int, int]:
    """How many values are in a member of Value that schema.json does not have, by the member's number."""
    message: Any = parse(topic, payload)
    data = message.data if topic == b"V" else ()
    return unknown_members.counted([datum.value for datum in data if datum.value.WhichOneof("value") is None])


def _key(key: str | int) -> str:
    return key if isinstance(key, str) else f"Field_{key}"


def _plain(value: dict[str, Any] | None) -> Any:
    return None if not value or "invalid" in value else next(iter(value.values()))


def _object(name: str, message: Any, shape: str) -> dict[str, Any]:
    """Any message with its unset fields too, by schema.json."""
    members: dict[str, Any] = {}
    for field in FIELDS[name]:
        if "oneof" in field and not message.HasField(field["name"]):
            continue
        value = getattr(message, field["name"])
        if "map" in field:
            members[field["json_name"]] = dict(value)
        elif field["label"] == "repeated":
            members[field["json_name"]] = [_member(field, item, shape) for item in value]
        elif field["type"] == "message" and not message.HasField(field["name"]):
            members[field["json_name"]] = None
        else:
            members[field["json_name"]] = _member(field, value, shape)
    return members


def _member(field: dict[str, Any], value: Any, shape: str) -> Any:
    if field.get("type_name") == "google.protobuf.Timestamp":
        return _timestamp(value.seconds, value.nanos, shape)
    if field["type"] == "message":
        return _object(field["type_name"], value, shape)
    if field["type"] == "enum":
        return ENUM_NAMES[field["type_name"]].get(value, value)
    if field["type"] in ("float", "double") and not math.isfinite(value):
        return None if shape == "flat" else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if field["type"] == "float":
        return shortest(value)
    if field["type"] == "int64" and shape == "fleet":
        return str(value)
    return value


def _timestamp(seconds: int, nanos: int, shape: str) -> str | None:
    try:
        day_and_time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None
    if not 0 <= nanos < 10**9:
        return None
    fraction = f".{nanos:09}"
    if shape == "flat":
        fraction = fraction[:4]
    else:
        while fraction.endswith("000"):
            fraction = fraction[:-3]
    return day_and_time.strftime("%Y").zfill(4) + day_and_time.strftime("-%m-%dT%H:%M:%S") + fraction.rstrip(".") + "Z"


def shortest(single: float) -> float:
    """The float32's shortest decimal that reads back as it, the nearest of the shortest, at a tie the even one; by trying."""
    if single == 0:
        return single
    exact = Fraction(single)
    for digits in range(1, 10):
        exponent = int(f"{single:.{digits - 1}e}".partition("e")[2]) - digits + 1
        unit = Fraction(10) ** exponent
        near = [unit * (exact // unit + step) for step in (-1, 0, 1, 2)]
        fitting = [decimal for decimal in near if float32(decimal) == single]
        if fitting:
            return float(min(fitting, key=lambda decimal: (abs(decimal - exact), decimal / unit % 2)))
    raise AssertionError(f"nine digits are enough for any float32, but not for {single!r}")


def float32(exact: Fraction) -> float:
    """The float32 nearest to an exact number, ties to even; infinite beyond the range."""
    sign, magnitude = (-1 if exact < 0 else 1), abs(exact)
    if not magnitude:
        return 0.0
    exponent = max(magnitude.numerator.bit_length() - magnitude.denominator.bit_length() - 1, -126)
    if magnitude >= Fraction(2) ** (exponent + 1):
        exponent += 1
    unit = Fraction(2) ** (exponent - 23)
    rounded = round(magnitude / unit) * unit  # Fraction rounds ties to even
    return sign * (math.inf if rounded >= Fraction(2) ** 128 else float(rounded))


# The reference's corrections


def correct(topic: bytes, message: Any) -> None:
    """Positions, scientific notation and milliseconds, as docs/protocol.md describes them."""
    if topic == b"V":
        _correct_location(message)
        for datum in message.data:
            if datum.value.WhichOneof("value") == "string_value":
                datum.value.string_value = scientific(datum.value.string_value)
    if topic == b"alerts":
        for alert in message.alerts:
            for name in ("started_at", "ended_at"):
                if alert.HasField(name) and (stamp := getattr(alert, name)).seconds >= 315_576_000_000:
                    stamp.seconds, stamp.nanos = stamp.seconds // 1000, stamp.seconds % 1000 * 1_000_000


_POSITION = re.compile(r"\( *([+-]?[\d.]+(?:[eE][+-]?\d+)?) +([NS]), +([+-]?[\d.]+(?:[eE][+-]?\d+)?) +([EW])\)", re.ASCII)
_SCIENTIFIC = re.compile(r"[+-]?(\d*\.\d+|\d+\.\d*)([eE][+-]?\d+)", re.ASCII)


def _correct_location(message: Any) -> None:
    datum = next((datum for datum in message.data if datum.key == LOCATION), None)
    if datum is None or not (match := _POSITION.match(datum.value.string_value)):
        return
    try:
        latitude, longitude = float(match[1]), float(match[3])
    except ValueError:  # two points, or none but a point
        return
    if math.isfinite(latitude) and math.isfinite(longitude):
        datum.value.location_value.latitude = -latitude if match[2] == "S" else latitude
        datum.value.location_value.longitude = -longitude if match[4] == "W" else longitude


def scientific(text: str) -> str:
    """A number in scientific notation within float32's range, with five decimals."""
    if not _SCIENTIFIC.fullmatch(text):
        return text
    mantissa, _, power = text.lower().partition("e")
    if abs(int(power)) > 400 + len(text):  # far outside or nothing, and a power that is not to be computed
        return text if int(power) > 0 and Fraction(mantissa) else ("-" if text[0] == "-" else "") + "0.00000"
    single = float32(Fraction(text))
    if math.isinf(single):
        return text
    return f"{math.copysign(single, -1 if text[0] == '-' else 1):.5f}"
