"""
The last known values of a node of several, also those that are older than the part of the log that it read.

    own checkpoint ─┐
    a peer's lines ─┴─▶ a line of seq S waits until the log here has come to S ─▶ it takes the vehicle's place, and the events
                                                                                  after S, which the ring has, are merged again

So however late a line comes, and however far the log has gone on meanwhile, the values are those of a reader of the whole log.

    says_all_since    the events from this seq on are in the values; 0: and what earlier epochs had told. The lower, the more a
                      node knows, so lines are taken only from who knows more.

Pure.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..core.last_values import LastValues
from ..core.records import DATA
from ..core.value_lines import (
    BadLines,
    ReadableLog,
    ValueLine,
    head_line,
    merge_event,
    number_in,
    opened,
    read_vehicle,
    sealed,
    vehicle_line,
    vehicle_lines,
)

EVENTS_AT_ONCE = 4096  # read from the ring again
NOTHING = (1 << 63) - 1  # `says_all_since` of who has not read anything

STATE_LINES = "last values"


class StateHead(NamedTuple):
    """
    The first line of a checkpoint, or of a part of a peer's values.

    seq, number    the log's last event and message when the first line was made
    after          how many vehicles have been told with these; `more`: whether others follow
    """

    stream: str
    epoch: bytes
    seq: int
    number: int
    says_all_since: int
    after: int = 0
    more: bool = False

    def line(self) -> bytes:
        return head_line(STATE_LINES, self._asdict() | {"epoch": self.epoch.hex()})


def state_head(members: dict[str, Any]) -> StateHead:
    """Raises BadLines."""
    stream, epoch = members.get("stream"), members.get("epoch")
    if not isinstance(stream, str) or not isinstance(epoch, str):
        raise BadLines("it names no stream and epoch")
    try:
        named = bytes.fromhex(epoch)
    except ValueError:
        raise BadLines("its epoch is not one") from None
    numbers = {name: number_in(members, name) for name in ("seq", "number", "says_all_since", "after")}
    return StateHead(stream, named, **numbers, more=members.get("more") is True)


class Checkpoint(NamedTuple):
    head: StateHead
    lines: list[ValueLine]


def read_checkpoint(content: bytes, stream: str) -> Checkpoint:
    """Raises BadLines."""
    members, raw = opened(content, STATE_LINES)
    head = state_head(members)
    if head.stream != stream:
        raise BadLines(f"it is of the stream {head.stream}, not of {stream}")
    return Checkpoint(head, [read_vehicle(line) for line in raw])


class _Waiting(NamedTuple):
    seq: int
    place: int
    source_since: int  # `says_all_since` of whose line it is
    line: ValueLine


class SharedValues:
    """
    number        of the last message that has been applied
    kept          this node's checkpoint, if there is one, until the log begins; `not_kept`: why it was not used then
    """

    def __init__(self, values: LastValues, log: ReadableLog, stream: str, number: Callable[[], int]) -> None:
        self._values = values
        self._log = log
        self._stream = stream
        self._number = number
        self._waiting: list[_Waiting] = []  # a heap
        # VIN → of all lines that were taken, the lowest `source_since`: a worse one comes too late
        self._taken: dict[str, int] = {}
        self._places = 0
        self.epoch = b""
        self.kept: Checkpoint | None = None
        self.not_kept = ""
        self.says_all_since = NOTHING
        self.from_peers = self.from_checkpoint = 0  # lines

    # ---- where the log begins

    def kept_number(self, epoch: bytes, last: int) -> int:
        """
        The message up to which the checkpoint has this epoch's events; 0 if there is none.

        `last`: of the log. If the checkpoint has more, the log has lost its end, and gives its seqs to other events: then the
        checkpoint cannot be used.
        """
        if self.kept is None or self.kept.head.epoch != epoch:
            return 0
        if self.kept.head.number > last:
            self.kept = None
            self.not_kept = "the log has lost its end, which the checkpoint knows"
            return 0
        return self.kept.head.number

    def begin(self, epoch: bytes, seq: int) -> None:
        """The events after `seq` follow; called before the log is told so. What is known of an earlier epoch stays."""
        before, self.epoch = self.epoch, epoch
        kept, self.kept = self.kept, None
        if before == epoch:
            self._go_back(seq)
            return
        for one in self._waiting:  # of the earlier epoch, which ends here
            self._values.put(one.line.vin, one.line.vehicle)
        self._waiting.clear()
        self._taken.clear()
        if before:
            self.says_all_since = 0 if self.says_all_since <= 1 else 1
        elif kept is not None and kept.head.epoch == epoch:
            reaches = kept.head.seq >= seq and all(line.seq >= seq for line in kept.lines)
            self.says_all_since = kept.head.says_all_since if reaches else seq + 1
            self.from_checkpoint = len(kept.lines)
            self._wait(kept.lines, self.says_all_since)
        else:
            self.says_all_since = seq + 1
            if kept is not None:
                self.not_kept = f"it is of epoch {kept.head.epoch.hex()}, and the log has begun anew since"

    def _go_back(self, seq: int) -> None:
        """The same epoch from another place: what has been applied is not applied again."""
        applied = self._log.seq
        if seq > applied:  # what lies between is not known
            self.says_all_since = seq + 1
        newer = {one.line.vin for one in self._waiting}
        self._wait((line for line in self._taken_out(applied) if line.vin not in newer), self.says_all_since)

    def _taken_out(self, seq: int) -> list[ValueLine]:
        lines = [ValueLine(vin, seq, vehicle) for vin, vehicle in self._values.each()]
        self._values.clear()
        return lines

    # ---- lines

    def reaches(self, seq: int) -> bool:
        """Whether what has been applied here goes on where lines of this seq end."""
        return seq + 1 >= self._log.oldest

    def take(self, lines: Sequence[ValueLine], says_all_since: int) -> None:
        """Lines of a peer in this epoch, each of which must reach."""
        self.from_peers += len(lines)
        self._wait(lines, says_all_since)
        self.applied()

    def _wait(self, lines: Iterable[ValueLine], says_all_since: int) -> None:
        for line in lines:
            self._places += 1
            self._taken[line.vin] = min(says_all_since, self._taken.get(line.vin, NOTHING))
            heapq.heappush(self._waiting, _Waiting(line.seq, self._places, says_all_since, line))

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def applied(self) -> None:
        """The log has come further, or lines have been taken."""
        waiting, seq = self._waiting, self._log.seq
        due: dict[str, ValueLine] = {}
        while waiting and waiting[0].seq <= seq:
            one = heapq.heappop(waiting)
            if one.source_since <= self._taken[one.line.vin]:
                due[one.line.vin] = one.line
        if due:
            self._install(due, seq)

    def _install(self, due: dict[str, ValueLine], seq: int) -> None:
        for line in due.values():
            self._values.put(line.vin, line.vehicle)
        after = min(line.seq for line in due.values())
        while after < seq and (events := self._log.events_after(after, EVENTS_AT_ONCE)):
            for after, kind, vin, text, time_ms in events:
                if kind == DATA and vin in due and after > due[vin].seq:
                    merge_event(self._values, vin, text, time_ms)

    # ---- for others, and for the checkpoint

    def head(self, after: int = 0, more: bool = False) -> StateHead:
        return StateHead(self._stream, self.epoch, self._log.seq, self._number(), self.says_all_since, after, more)

    def part(self, after: int, most_bytes: int, enough: Callable[[], bool]) -> bytes:
        """
        What a peer asks for: without the first `after` vehicles, until `most_bytes`, or until `enough()`; at least one.

        A line that alone is longer than `most_bytes` is left out, for no message could carry it.
        """
        lines, size, count = [], 0, 0
        seq, more = self._log.seq, False
        for vin, vehicle in self._values.after(after):
            line = vehicle_line(vin, vehicle, seq)
            if count and (size + len(line) > most_bytes or enough()):
                more = True
                break
            count += 1
            if len(line) <= most_bytes:
                size += len(line)
                lines.append(line)
        return b"".join(sealed([self.head(after + count, more).line(), *lines]))

    def checkpoint(self) -> Iterator[bytes]:
        """The file's lines, each made when it is asked for, as of the log's seq at that moment."""
        return sealed(self._checkpoint())

    def _checkpoint(self) -> Iterator[bytes]:
        yield self.head().line()
        yield from vehicle_lines(self._values, self._log)
