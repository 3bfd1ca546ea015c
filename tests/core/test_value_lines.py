"""Lines of last values: read as they were written, and refused in words if they are anything else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.core.last_values import FIELDS_AT_MOST, VehicleValues
from teslafast.core.value_lines import LINE_BYTES_AT_MOST, BadLines, head_line, opened, read_vehicle, sealed, vehicle_line

VIN = "5YJ3E1EA7KF000001"
MS = 1_000_000
VALUES = st.dictionaries(
    st.text(min_size=1, max_size=20), st.one_of(st.integers(-9, 9), st.text(max_size=9), st.booleans()), max_size=9
)


def made(values: dict[str, Any], time_ms: int = 5) -> VehicleValues:
    vehicle = VehicleValues()
    vehicle.merge(values, time_ms * MS, time_ms * MS, False, 1000)
    return vehicle


def line(**changed: object) -> bytes:
    members = {"vin": VIN, "seq": 7, "newest": 5, "values": {"Soc": 1}, "times": {"Soc": 5}, "ahead": []}
    return orjson.dumps(members | changed, option=orjson.OPT_APPEND_NEWLINE)


@given(values=VALUES.filter(bool), time_ms=st.integers(-(1 << 42), 1 << 42), seq=st.integers(0, (1 << 63) - 1))
def test_a_vehicle_is_read_as_it_was_written(values: dict[str, Any], time_ms: int, seq: int) -> None:
    vehicle = made(values, time_ms)
    read = read_vehicle(vehicle_line(VIN, vehicle, seq))
    assert (read.vin, read.seq) == (VIN, seq)
    assert (read.vehicle.values, read.vehicle.times) == (vehicle.values, vehicle.times)
    assert (read.vehicle.newest_ns, read.vehicle.ahead) == (vehicle.newest_ns, vehicle.ahead)


def test_a_time_as_far_away_as_times_go_is_read() -> None:
    vehicle = made({"Soc": 1}, -(1 << 62))
    assert read_vehicle(vehicle_line(VIN, vehicle, 1)).vehicle.times == vehicle.times


HOSTILE = {
    "no JSON": b"}{\n",
    "no object": b"[]\n",
    "no VIN": line(vin="../../etc"),
    "another VIN": line(vin=7),
    "a seq below 0": line(seq=-1),
    "a seq that is none": line(seq=True),
    "a seq too large": line(seq=1 << 63),
    "no values": line(values=[]),
    "values without times": line(times={}),
    "times without values": line(values={}),
    "a time that is none": line(times={"Soc": "5"}),
    "a time too far": line(times={"Soc": 1 << 60}),
    "a broken time": line(times={"Soc": 1.5}),
    "no newest": line(newest=None),
    "ahead of what is not there": line(ahead=["Gear"]),
    "ahead that cannot be": line(ahead=[["Soc"]]),
    "too many fields": line(
        values=dict.fromkeys(map(str, range(FIELDS_AT_MOST + 1)), 1), times=dict.fromkeys(map(str, range(FIELDS_AT_MOST + 1)), 1)
    ),
    "nested too deeply": line(values={"Soc": 0}).replace(b'{"Soc":0}', b'{"Soc":' + b"[" * 300 + b"]" * 300 + b"}"),
    "too long": line(values={"Soc": "x" * LINE_BYTES_AT_MOST}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_line_that_is_no_vehicles_is_refused_in_words(name: str) -> None:
    with pytest.raises(BadLines, match=r"line|its"):
        read_vehicle(HOSTILE[name])


@given(content=st.binary(max_size=300))
def test_what_is_no_file_of_ours_is_refused(content: bytes) -> None:
    with pytest.raises(BadLines):
        opened(content, "last values")


@given(data=st.data())
def test_a_byte_that_is_missing_or_changed_is_noticed(data: st.DataObject) -> None:
    content = b"".join(sealed([head_line("last values", {"seq": 1}), line(), line(vin="OTHER")]))
    assert opened(content, "last values")[1] == [line(), line(vin="OTHER")]
    place = data.draw(st.integers(0, len(content) - 1))
    changed = content[:place] + bytes([content[place] ^ 1 << data.draw(st.integers(0, 7))]) + content[place + 1 :]
    for torn in (content[:place], changed):
        with pytest.raises(BadLines):
            opened(torn, "last values")


@pytest.mark.parametrize("head", [head_line("a checkpoint", {}), b'{"teslafast":"last values","version":2}\n', b"7\n", b"{\n"])
def test_lines_of_something_else_are_refused(head: bytes) -> None:
    with pytest.raises(BadLines):
        opened(b"".join(sealed([head])), "last values")
