"""What came since a place in the log, data merged to one message a vehicle."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from teslafast._fanout import ALL_KINDS
from teslafast.core.views import MERGED_AT_MOST
from teslafast.dashboards.merged_resume import ALL_MERGED_AT_MOST, MERGED_AT_LEAST, Merging

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


def text_of(seq: int, vin: str = "V") -> bytes:
    return json.dumps({"seq": seq, "vin": vin, **LIVE}).encode()


def test_where_many_merge_at_a_time_each_may_hold_less_and_sends_it_earlier() -> None:
    def merging() -> Merging:
        return Merging(0, lambda vin: True, ALL_KINDS)

    alone = merging()
    assert alone.room == MERGED_AT_MOST
    crowd = [alone, *(merging() for _ in range(99))]
    assert sum(one.room for one in crowd) <= ALL_MERGED_AT_MOST
    alone.take((seq, 0, f"V{seq}", text_of(seq, f"V{seq}"), 0) for seq in range(1, 400))
    full = [alone.full]
    del crowd[1:]
    gc.collect()
    full.append(alone.full)
    assert full == [True, False]
    assert len(list(alone.told(400))) == 399
    crowd += [merging() for _ in range(10_000)]
    assert alone.room == MERGED_AT_LEAST
