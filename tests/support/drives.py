"""Drives of the simulator, played without waiting: what a vehicle sends, and what a server that hears everything knows."""

from collections.abc import Iterator
from typing import Any

from teslafast.simulator.drive import DATA_TOPIC, Drive, FleetRecord
from teslafast.simulator.timetable import ROW_S, timetable

START = 1_790_000_000.25
DAY_S = (len(timetable()) - 1) * ROW_S
VIN = "5YJ3TEST5PF000001"

State = dict[str, Any]


def played(seconds: float, seed: int = 1, every_s: float = 1.0, phase: float = 0.0) -> Iterator[tuple[float, bytes, FleetRecord]]:
    """All messages of a drive as (seconds since its start, topic, record)."""
    drive = Drive(VIN, seed=seed, start_s=START, phase=phase)
    for tick in range(round(seconds / every_s)):
        now = START + tick * every_s
        for topic, record in drive.step(now):
            yield now - START, topic, record


def datums(record: FleetRecord) -> dict[str, dict[str, Any]]:
    return {datum["key"]: datum["value"] for datum in record["data"]}


def states(seconds: float, seed: int, every_s: float = 1.0) -> Iterator[tuple[float, State]]:
    """(seconds, all last known values) after each data message; a value without its alternative, None if it is invalid."""
    known: State = {}
    for at, topic, record in played(seconds, seed, every_s):
        if topic == DATA_TOPIC:
            known.update(
                {key: None if "invalid" in value else next(iter(value.values())) for key, value in datums(record).items()}
            )
            yield at, dict(known)
