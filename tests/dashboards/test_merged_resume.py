"""What came since a place in the log, data merged to one message a vehicle."""

from __future__ import annotations

import json
from typing import Any

import pytest
from teslafast._fanout import ALL_KINDS
from teslafast.dashboards.merged_resume import Merging

LATE, EARLY = "2026-11-23T08:00:00.000Z", "2026-11-23T07:00:00.000Z"
LIVE = {"createdAt": LATE, "data": {"Soc": 50}, "isResend": False}
AGAIN = {"createdAt": EARLY, "data": {"Soc": 60, "Odometer": 7}, "isResend": True}


@pytest.mark.parametrize("events", [[LIVE, AGAIN], [AGAIN, LIVE], [AGAIN, LIVE, AGAIN]])
def test_what_a_vehicle_has_sent_again_replaces_nothing_that_it_has_not(events: list[dict[str, Any]]) -> None:
    merging = Merging(0, lambda vin: True, ALL_KINDS)
    texts = [json.dumps({"seq": seq, "vin": "V", **event}).encode() for seq, event in enumerate(events, 1)]
    assert merging.take((seq, 0, "V", text, 0) for seq, text in enumerate(texts, 1)) == []
    (frame,) = merging.told(9)
    told = json.loads(frame[frame.index(b"{") :])
    assert told == {"seq": 9, "vin": "V", "createdAt": LATE, "data": {"Soc": 50, "Odometer": 7}, "isResend": False}
