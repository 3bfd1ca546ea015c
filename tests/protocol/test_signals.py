"""The tables of names and messages are Tesla's schema, no more and no less."""

import json
from typing import Any

import pytest
from teslafast.protocol import messages, signals

from tests.support import DATA, SHARED

COPY = DATA / "schema.json"
PUBLISHED = SHARED / "tesla" / "schema.json"
FILES = json.loads(COPY.read_text())["files"].values()
ENUMS: dict[str, dict[str, int]] = {name: values for file in FILES for name, values in file["enums"].items()}
MESSAGES: dict[str, list[dict[str, Any]]] = {
    name: body["fields"] for file in FILES for name, body in file["messages"].items() if "metrics" not in file["package"]
}
FOR_PROTOBUF = {"Timestamp", "Tag"}  # messages that the schema uses without describing them


def test_our_copy_of_the_schema_is_the_one_in_shared() -> None:
    if not PUBLISHED.exists():
        pytest.skip("a checkout without ../shared")
    assert json.loads(COPY.read_text()) == json.loads(PUBLISHED.read_text())


def test_every_enum_of_the_schema_is_a_tuple_indexed_by_its_numbers() -> None:
    assert {name: {value: number for number, value in enumerate(names)} for name, names in signals.ENUMS.items()} == ENUMS


def test_there_are_278_signals() -> None:
    assert len(signals.FIELDS) == 278
    assert (signals.FIELDS[21], signals.FIELDS[179], signals.FIELDS[259], signals.FIELDS[277]) == (
        "Location",
        "DetailedChargeState",
        "SelfDrivingMilesSinceReset",
        "SemiVehicleMassKg",
    )


def test_a_value_has_56_alternatives() -> None:
    assert len(messages.VALUE) == 56


def test_the_messages_are_those_of_the_schema() -> None:
    assert messages.MESSAGES.keys() - FOR_PROTOBUF == MESSAGES.keys()


@pytest.mark.parametrize("message", sorted(MESSAGES))
def test_a_message_has_the_fields_of_the_schema(message: str) -> None:
    ours = [(field.number, field.name, field.type, field.repeated) for field in messages.MESSAGES[message]]
    assert ours == [
        (
            field["number"],
            field["json_name"],
            "Tag" if "map" in field else field.get("type_name", field["type"]).rpartition(".")[2],
            field["label"] == "repeated",
        )
        for field in MESSAGES[message]
    ]


@pytest.mark.parametrize("message", sorted(messages.FLAT_ORDER))
def test_a_flat_event_has_the_members_of_its_message(message: str) -> None:
    assert sorted(messages.FLAT_ORDER[message]) == sorted(field.name for field in messages.MESSAGES[message])


def test_every_topic_has_a_message() -> None:
    assert {message for _, message in messages.TOPIC_MESSAGES.values()} <= MESSAGES.keys()
