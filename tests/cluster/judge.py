"""
Keeps everything that was sent, acknowledged and seen, and says what of the cluster's promises was broken.

    sent     each submission, once, by a number of its own; a vehicle that gets no ack submits again under another
    stored   what stands in the stream, counted by nobody but the judge
    shown    (epoch, seq) → the event, as any node has shown it
    seen     what each dashboard was given, with the gaps that it was told
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import orjson
from teslafast.cluster.batch import CONNECTIVITY_CODE, EPOCH, Entry, NotABatch, read_entries, read_head
from teslafast.cluster.engine import StreamMessage

Event = tuple[int, str, bytes]  # code, VIN, payload


class Judge:
    def __init__(self) -> None:
        self.sent: dict[int, tuple[str, int]] = {}  # submission → the vehicle, and the record's number
        self.order: dict[tuple[str, int], list[int]] = {}  # (vehicle, connection) → submissions in order
        self.acked: set[int] = set()
        self.shown: dict[tuple[bytes, int], Event] = {}
        self.faults: list[str] = []
        self.rolled_back: set[bytes] = set()  # epochs that have lost their end: who has not noticed yet may go on in them

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def submitted(self, vin: str, connection: int, record: int) -> int:
        number = len(self.sent) + 1
        self.sent[number] = (vin, record)
        self.order.setdefault((vin, connection), []).append(number)
        return number

    def shows(self, epoch: bytes, seq: int, entry: Entry) -> None:
        event = (entry.code, entry.vin, b"" if entry.code == CONNECTIVITY_CODE else entry.payload)
        known = self.shown.setdefault((epoch, seq), event)
        if known != event and epoch not in self.rolled_back:
            self.fault(f"differ: seq {seq} of {epoch.hex()} is {event} here, and {known} elsewhere")

    # ---- at the end

    def check_stream(self, messages: Iterable[StreamMessage], disaster: bool) -> None:
        """Everything acknowledged is in the log, each submission once, and each connection's in its order."""
        numbers: list[int] = []
        for message in messages:
            try:
                head = read_head(message.payload)
                if head.counted and not head.flags & EPOCH:
                    numbers += [int(one.payload) for one in read_entries(message.payload, head) if one.code == 0]
            except NotABatch:
                self.fault(f"message {message.number} is not a batch")
        times = Counter(numbers)
        if not disaster:
            self._compare(times)
        place = {number: index for index, number in reversed(list(enumerate(numbers)))}  # of the first, if there are several
        for (vin, _), submissions in self.order.items():
            places = [place[one] for one in submissions if one in place]
            if places != sorted(places):
                self.fault(f"out of order: {vin}")

    def _compare(self, times: Counter[int]) -> None:
        lost = [number for number in self.acked if number not in times]
        if lost:
            self.fault(f"lost: {len(lost)} acknowledged submissions, such as {lost[:5]}")
        twice = [number for number, count in times.items() if count > 1]
        if twice:
            self.fault(f"twice: {twice[:5]}")

    def check_told(self, epoch: bytes, events: Iterable[tuple[int, Entry]], connected: set[str]) -> None:
        """DISCONNECTED is told once, and what was told last of each vehicle is so. `events`: what a node has shown."""
        status: dict[str, str] = {}
        for seq, entry in events:
            if entry.code == CONNECTIVITY_CODE:
                said = orjson.loads(entry.payload)["status"]
                if said == "DISCONNECTED" == status.get(entry.vin):
                    self.fault(f"DISCONNECTED of {entry.vin} told twice, again at seq {seq} of {epoch.hex()}")
                status[entry.vin] = said
        wrong = {vin for vin, said in status.items() if (said == "CONNECTED") != (vin in connected)}
        if wrong:
            self.fault(f"told wrongly at the end: {sorted(wrong)}; connected are {sorted(connected)}")
