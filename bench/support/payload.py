"""
Tesla's records as classes of the `protobuf` package, made from the project's tables instead of a generated file.

They are what a Python server would use that has no decoder of its own: the vehicle baseline reads with them, and the examples are
written with them.
"""

import re
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from teslafast.protocol.messages import MESSAGES
from teslafast.protocol.messages import FieldDescriptor as Entry
from teslafast.protocol.signals import ENUMS

_PACKAGE = "telemetry.vehicle_data"
_Field = descriptor_pb2.FieldDescriptorProto


def _snake(name: str) -> str:
    """protojson's spelling -> the schema's, which is the one that Python uses."""
    return name if name[0].isupper() else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _type(name: str) -> dict[str, Any]:
    if name == "Timestamp":
        return {"type": _Field.TYPE_MESSAGE, "type_name": ".google.protobuf.Timestamp"}
    if name in ENUMS:
        return {"type": _Field.TYPE_ENUM, "type_name": f".{_PACKAGE}.{name}"}
    if name in MESSAGES:
        return {"type": _Field.TYPE_MESSAGE, "type_name": f".{_PACKAGE}.{name}"}
    return {"type": _Field.Type.Value(f"TYPE_{name.upper()}")}


def _message(name: str, fields: tuple[Entry, ...]) -> descriptor_pb2.DescriptorProto:
    message = descriptor_pb2.DescriptorProto(name=name)
    if name == "Value":
        message.oneof_decl.add(name="value")
    for field in fields:
        choice: dict[str, Any] = {"oneof_index": 0} if name == "Value" else {}
        message.field.add(
            name=_snake(field.name),
            json_name=field.name,
            number=field.number,
            label=_Field.LABEL_REPEATED if field.repeated else _Field.LABEL_OPTIONAL,
            **_type(field.type),
            **choice,
        )
    return message


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="vehicle_data.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    for name, words in ENUMS.items():
        # All values of a file share one scope, and two enums begin with a bare "Unknown": those two are told apart.
        values = [descriptor_pb2.EnumValueDescriptorProto(name=word, number=number) for number, word in enumerate(words)]
        if words[0] == "Unknown":
            values[0].name = f"{name}Unknown"
        file.enum_type.add(name=name, value=values)
    file.message_type.extend(_message(name, fields) for name, fields in MESSAGES.items() if name != "Timestamp")
    return file


def _payload() -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(_file().SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload: Any = _payload()
