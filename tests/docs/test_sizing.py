"""The sizing tables of docs/operate.md, held against the presets, the frames that the ring keeps, and the journal's own size."""

from __future__ import annotations

import re
from collections import defaultdict

import orjson
import pytest
from teslafast._fanout import bytes_needed, frame
from teslafast.onboarding.presets import CHANGE_RATES, DRIVING_H, PRESETS, SELDOM
from teslafast.storage.journal_nature import PAGE

from tests.support import ROOT

OPERATE = (ROOT / "docs" / "operate.md").read_text()
TEXT = 1  # RFC 6455's opcode
HOUR_S = 3600
UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "MiB": 2**20, "GiB": 2**30, "min": 60, "h": HOUR_S, "days": 86_400, "weeks": 7 * 86_400}
WORDS = {"two": "2"}
CLOSE = 1.6  # an estimate: how fields change depends on the driver
ROUNDED = 1.12


def amount(cell: str) -> float:
    """`"1.7 h"` in seconds, `"64MiB"` in bytes."""
    found = re.fullmatch(r"([\d.]+) ?(\w+)", re.sub(r"^\w+(?= )", lambda word: WORDS.get(word[0], word[0]), cell.strip(" `")))
    assert found, cell
    return float(found[1]) * UNITS[found[2]]


def table(first_head: str) -> list[list[str]]:
    head = re.search(rf"^\| {re.escape(first_head)} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", OPERATE, re.MULTILINE)
    assert head, first_head
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in head[1].splitlines()]


def bytes_an_hour(preset: str) -> int:
    """What the ring keeps of an hour of driving: at each moment one event, of the fields that have changed and are due."""
    due: dict[float, list[str]] = defaultdict(list)
    for field, interval_s in PRESETS[preset].items():
        rate = CHANGE_RATES.get(field, SELDOM)
        if rate.hours >= DRIVING_H:
            step_s = max(interval_s, rate.period_s)
            for number in range(int(HOUR_S / step_s)):
                due[number * step_s].append(field)
    kept = 0
    for fields in due.values():
        data = {field: {"latitude": 37.441912, "longitude": -122.143011} if field == "Location" else 123.45 for field in fields}
        event = {"type": "data", "seq": 1234567, "vin": "5YJ3E1EA7KF000001", "createdAt": "2026-11-26T08:00:00.123Z"}
        kept += len(frame(TEXT, orjson.dumps(event | {"data": data, "isResend": False})))
    return kept


STATED = {row[0].strip("`"): amount(row[1]) for row in table("preset")}


@pytest.mark.parametrize("preset", STATED)
def test_an_hour_of_driving_takes_about_what_the_table_says(preset: str) -> None:
    assert STATED[preset] / CLOSE <= bytes_an_hour(preset) <= STATED[preset] * CLOSE


@pytest.mark.parametrize("row", table("preset"), ids=lambda row: row[0])
def test_how_long_64_mib_hold_follows_from_that(row: list[str]) -> None:
    for cell, vehicles in zip(row[2:], (10, 1000), strict=True):
        assert amount(cell) == pytest.approx(64 * 2**20 / STATED[row[0].strip("`")] / vehicles * HOUR_S, rel=0.2)


@pytest.mark.parametrize("row", table("`RING_BYTES`"), ids=lambda row: row[0])
def test_the_table_by_ring_bytes_follows_from_that_and_the_journal_takes_what_it_says(row: list[str]) -> None:
    ring_bytes = amount(row[0])
    assert amount(row[1]) == pytest.approx(PAGE + bytes_needed(int(ring_bytes)), rel=0.01)
    for cell, (vehicles, preset) in zip(
        row[2:], ((1, "everything"), (10, "driving"), (100, "driving"), (1000, "driving")), strict=True
    ):
        seconds = ring_bytes / STATED[preset] / vehicles * HOUR_S
        assert seconds / ROUNDED <= amount(cell) <= seconds * ROUNDED
