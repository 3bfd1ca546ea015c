"""
Three months of a simulated car, as a log would have them: what a database is filled with before it is asked.

The last day is told every two seconds, the days before every minute of an hour in which the car drives and charges.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from teslafast.outputs import Event, Output
from teslafast.simulator.drive import ALERTS_TOPIC, DATA_TOPIC, Drive
from teslafast.simulator.timetable import ROW_S, timetable

VIN = "5YJ3E1EA7KF000001"  # the one of the documents
DAY_S = (len(timetable()) - 1) * ROW_S
DAYS = 90
KINDS = {DATA_TOPIC: (0, "data"), ALERTS_TOPIC: (1, "alerts")}


def _moments(now_s: float) -> Iterator[float]:
    for days in range(DAYS, 1, -1):
        start_s = now_s - days * 86_400
        yield from (start_s + second for second in range(0, int(DAY_S), 60))
    start_s = now_s - 1.3 * DAY_S
    yield from (start_s + second for second in range(0, int(1.3 * DAY_S), 2))


def history() -> Iterator[Event]:
    moments = list(_moments(time.time()))
    drive = Drive(VIN, seed=1, start_s=moments[0])
    seq = 0
    for now_s in moments:
        for topic, record in drive.step(now_s):
            if topic in KINDS:
                seq += 1
                kind, word = KINDS[topic]
                body = {"type": word, "seq": seq, "vin": VIN} | _flat(word, record)
                yield Event(seq, kind, VIN, orjson.dumps(body), int(now_s * 1000) + 1)


def _flat(kind: str, record: dict[str, Any]) -> dict[str, Any]:
    if kind == "alerts":
        return {"createdAt": record["createdAt"], "alerts": [{"endedAt": None} | alert for alert in record["alerts"]]}
    values = {datum["key"]: next(iter(datum["value"].items())) for datum in record["data"]}
    plain = {key: None if alternative == "invalid" else value for key, (alternative, value) in values.items()}
    return {"createdAt": record["createdAt"], "data": plain, "isResend": False}


def store_history(output: Output, batch: int = 512) -> None:
    events = list(history())

    async def stored() -> None:
        await output.connect()
        for start in range(0, len(events), batch):
            part: Sequence[Event] = events[start : start + batch]
            await output.send(part)
        await output.close()

    asyncio.run(stored())
