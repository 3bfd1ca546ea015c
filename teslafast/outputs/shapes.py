"""
Events' bodies in the shapes that Tesla's own server sends: `fleet` (its decoded JSON) and `protobuf` (the record itself).

    own bytes in the log ──▶ fleet       as /stream?format=fleet shows it, without the `seq`, to the byte
                         └─▶ protobuf    marshalled again with the corrections and the certificate's VIN, as the reference does it
    none                 ──▶ rebuilt     from the event's values, as far as they tell; counted, and said once

The log has none of an event from before an output of such a shape was set up, of one that leaves no room for both in the ring,
and of JSON text in flat shape (development). What cannot be a record at all is given up as NOT_A_RECORD: protobuf has only the
field names of Tesla's schema.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import orjson

from .._fanout import KINDS
from ..core.tail import Event
from ..logs import fields, log
from ..protocol._wire import FLEET, TOPICS, dispatched, read_record, write_record
from ..protocol.from_flat import fleet_of_event
from . import Confirmations, Shape

NOT_A_RECORD = "not_a_record"  # why an event was given up
RECORD_TOPICS = tuple(next(topic for topic, of in TOPICS.items() if of == kind) for kind in KINDS)
SHAPING_S = 0.002  # at a stretch: then the event loop has its turn. A body takes some µs, the largest message's many ms
_TXID, _CLIENT_VERSION, _PAYLOAD = range(3)  # places in `Event.own`


def topic(event: Event) -> str:
    """Tesla's name for its record type: `V`, `alerts`, `errors`, `connectivity`."""
    return RECORD_TOPICS[event.kind].decode()


def metadata(event: Event) -> dict[str, bytes]:
    """
    The seven strings that Tesla's server sends with a record: Kafka's headers, Pub/Sub's attributes.

    `txid` and `device_client_version` are as the vehicle gave them, any bytes; empty if they were not kept. Needs another shape
    than flat.
    """
    own = event.own or (b"", b"")
    return {
        "vin": event.vin.encode(),
        "receivedat": str(event.time_ms).encode(),
        "timestamp": b"0",
        "txid": own[_TXID],
        "txtype": RECORD_TOPICS[event.kind],
        "version": b"0",
        "device_client_version": own[_CLIENT_VERSION],
    }


def shaped(event: Event, shape: Shape) -> Event | None:
    """The event with its body in this shape; None if that cannot be."""
    kind = event.kind
    if event.own is not None and len(event.own) > _PAYLOAD:
        payload = event.own[_PAYLOAD]
        if shape == "protobuf":
            return event._replace(shaped=dispatched(RECORD_TOPICS[kind], payload, event.vin))
        return event._replace(shaped=orjson.dumps(read_record(RECORD_TOPICS[kind], payload, event.vin, FLEET).body))
    try:
        record = fleet_of_event(KINDS[kind], orjson.loads(event.text))
        body = orjson.dumps(record) if shape == "fleet" else write_record(RECORD_TOPICS[kind], record)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
    return event._replace(shaped=body, rebuilt=True)


class Shaper:
    """
    Gives one output's events their bodies; for another shape than flat.

    rebuilt    how many of the bodies had to be made from the event's values
    dropped    where it counts what has no such shape; `acks`: whom it tells that such an event will never arrive
    """

    def __init__(self, output: str, shape: Shape, dropped: Counter[str], acks: Confirmations | None = None) -> None:
        self.rebuilt = 0
        self._output = output
        self._shape = shape
        self._dropped = dropped
        dropped[NOT_A_RECORD] += 0
        self._acks = acks

    async def shape_all(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those of them that have one, in order; what has been shaped before is passed on as it is."""
        made: list[Event] = []
        clock = asyncio.get_running_loop().time
        until_s = clock() + SHAPING_S
        for event in events:
            if event.shaped is not None:
                made.append(event)
            elif (one := shaped(event, self._shape)) is not None:
                made.append(one)
                self._note(one)
            else:
                self._dropped[NOT_A_RECORD] += 1
                if self._acks is not None:
                    self._acks.lose(event.seq, event.seq)
            if clock() > until_s:
                await asyncio.sleep(0)
                until_s = clock() + SHAPING_S
        return made

    def _note(self, event: Event) -> None:
        if event.rebuilt and not self.rebuilt:
            reason = "its own bytes were not kept: it came before this output was set up, or as JSON text"
            log.warning("output_record_rebuilt", extra=fields(output=self._output, seq=event.seq, vin=event.vin, reason=reason))
        self.rebuilt += event.rebuilt
