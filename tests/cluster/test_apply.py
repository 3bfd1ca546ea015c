"""The compiled way of applying a batch does what Hub.apply does, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from teslafast.cluster._apply import apply_plain
from teslafast.cluster.batch import CONNECTIVITY_CODE, TEXT_CODE, Entry
from teslafast.cluster.entries import VERSIONED, shown
from teslafast.core.hub import Hub
from teslafast.core.records import ALERTS, DATA
from teslafast.errors import Malformed
from teslafast.vehicles.json_text import fleet_of_flat

from tests.support.fake_loop import make_hub
from tests.support.peers import payload

NOW_MS = 1_795_420_800_123
NOW_NS = NOW_MS * 1_000_000
VINS = ("5YJ3E1EA7KF000001", "5YJ3E1EA7KF000002")
RECORDS = st.builds(
    lambda value, second: payload({"Soc": {"doubleValue": value}, "Gear": {"stringValue": "P"}}, f"2026-11-23T08:00:{second}Z"),
    st.sampled_from([1.0, 2.5]),
    st.sampled_from(["00.123", "07", "59.5"]),
)
PLAIN = st.builds(Entry, st.just(DATA), st.sampled_from(VINS), st.sampled_from([b"1", b"2", b""]), RECORDS, st.just(0))
OTHER = st.sampled_from(
    [
        Entry(DATA, VINS[0], b"3", b"\xff\xff", 0),  # a record that cannot be read
        Entry(ALERTS, VINS[0], b"4", b"", 0),
        Entry(DATA | VERSIONED, VINS[1], b"5", b"\x011" + payload({"Soc": {"doubleValue": 3.0}}), 0),
        Entry(CONNECTIVITY_CODE, VINS[0], b"", b'{"vin":"5YJ3E1EA7KF000001","status":"CONNECTED"}', 0),
        Entry(TEXT_CODE, VINS[0], b"6", b"{}", 0),
        Entry(200, VINS[0], b"7", b"", 0),
    ]
)


def by_itself(hub: Hub, entry: Entry, seq: int) -> None:
    try:
        record, fleet, txid = shown(entry, fleet_of_flat)
        hub.apply(entry.vin, record, fleet, txid, NOW_NS, None, seq)
    except Malformed:
        pass


def each_by_itself(hub: Hub, entries: list[Entry]) -> None:
    for place, entry in enumerate(entries):
        by_itself(hub, entry, 1 + place)


def plain_ones_together(hub: Hub, entries: list[Entry]) -> None:
    place = 0
    while place < len(entries):
        place = apply_plain(entries, place, hub, [NOW_MS] * len(entries), 1 + place)
        if place < len(entries):
            by_itself(hub, entries[place], 1 + place)
            place += 1


def outcome(apply: Callable[[Hub, list[Entry]], None], entries: list[Entry]) -> dict[str, Any]:
    hub, _ = make_hub()
    apply(hub, entries)
    known = {vin: hub.last_values.get(vin) for vin in hub.last_values.vins()}
    return {
        "log": hub.log.events_after(0, 1000),
        "values": {vin: (one.values, one.times, one.newest_ns, one.ahead) for vin, one in known.items() if one is not None},
        "registry": [entry.report(0) for entry in hub.registry],
    }


@settings(deadline=None)
@given(st.lists(st.one_of(PLAIN, PLAIN, OTHER), max_size=12))
def test_the_same_comes_of_it(entries: list[Entry]) -> None:
    assert outcome(plain_ones_together, entries) == outcome(each_by_itself, entries)


@pytest.mark.parametrize("entry", [Entry(200, VINS[0], b"", b"", 0), Entry(DATA, VINS[0], b"", b"\xff\xff", 0)])
def test_it_stops_before_what_is_not_plain_and_leaves_no_trace_of_it(entry: Entry) -> None:
    hub, _ = make_hub()
    good = Entry(DATA, VINS[1], b"1", payload({"Soc": {"doubleValue": 1.0}}), 0)
    assert apply_plain([good, entry, good], 0, hub, [NOW_MS] * 3, 1) == 1
    assert hub.log.seq == 1
    assert hub.registry.get(VINS[0]) is None
    assert apply_plain([good, entry, good], 2, hub, [NOW_MS] * 3, 3) == 3
