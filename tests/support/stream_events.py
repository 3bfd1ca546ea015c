"""Events of a stream as hypothesis makes them, of every type and with values of any kind; and a board that has taken some in."""

from typing import Any

from hypothesis import strategies as st
from teslafast.watch.board import Board

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("seq", "vin", "data", "alerts", "errors", "status", "reason", "from", "to")
SHOWN = ("Soc", "VehicleSpeed", "Gear", "Location", "DetailedChargeState", "ACChargingPower", "DCChargingPower")
TYPES = ("data", "snapshot", "alerts", "errors", "connectivity", "gap", "error", "token_expiring", "hello", "other")
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)},
    optional={**dict.fromkeys(KEYS, JUNK), "data": JUNK | st.dictionaries(st.sampled_from(SHOWN), JUNK)},
)


def board(*events: dict[str, Any], now: float = 100.0) -> Board:
    made = Board("wss://h/stream")
    for event in events:
        made.take(event, now)
    return made
