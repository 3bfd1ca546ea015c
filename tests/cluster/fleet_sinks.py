"""
What the outputs of simulated processes lead to.

    Sink       what has arrived, in order; and which batches nobody could know the fate of, because their worker was ended
    Settling   a batch that had arrived when its worker ended, and of which the log may not have known yet: whoever goes on has
               to know of it, unless the run that was to say so was over before
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from teslafast.cluster.batch import PLACE
from teslafast.cluster.custody import Custody
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.finder import head_of
from teslafast.cluster.places import output_of, read_place

if TYPE_CHECKING:
    from tests.cluster.fleet_outputs import Process

Key = tuple[bytes, int]  # epoch, seq


class Settling(NamedTuple):
    epoch: bytes
    batch: list[int]
    process: Process
    run: bytes

    def is_over(self, custody: Custody) -> bool:
        """The run cannot have told its place any more: it is gone, or as the log says to this custody, it has ended."""
        return not self.process.host.alive or self.run != self.process.node.writer.run or self.run in custody._ended


@dataclass
class Sink:
    """`arrived`: (epoch, seq) in order. `doubtful`: how often each was in a batch whose worker ended before the log knew it."""

    arrived: list[Key] = field(default_factory=list)
    doubtful: Counter[Key] = field(default_factory=Counter)
    settling: list[Settling] = field(default_factory=list)
    begins: list[tuple[Custody, bytes, int]] = field(default_factory=list)  # who began, in which epoch, after which seq
    first: dict[bytes, int] = field(default_factory=dict)  # epoch → the seq with which it began
    gaps: list[tuple[bytes, int, int]] = field(default_factory=list)  # epoch, first, last
    refused: set[Key] = field(default_factory=set)

    def doubt(self, one: Settling, since: int) -> bool:
        """Whether a worker that began `since` has taken up its epoch; what the first of them sends again is in doubt."""
        for custody, epoch, seq in self.begins[since:]:
            if epoch == one.epoch:
                if one.is_over(custody):
                    self.doubtful.update((epoch, again) for again in one.batch if again > seq)
                return True
        return False


def faults_of_places(messages: list[StreamMessage]) -> list[str]:
    """A place never goes back within its epoch."""
    newest: dict[tuple[str, bytes], int] = {}
    faults = []
    for message in messages:
        head = head_of(message)
        if head is not None and head.flags & PLACE:
            place, name = read_place(message.payload), output_of(message.subject)
            if place.seq < newest.get((name, place.epoch), 0):
                faults.append(f"the place of {name} goes back to {place.seq}")
            newest[name, place.epoch] = place.seq
    return faults


def faults_of_sink(name: str, sink: Sink, epoch: bytes, head: int, rolled_back: set[bytes]) -> list[str]:
    faults = []
    first = sink.first.get(epoch)
    lacks = set(range(first or 1, head + 1)) - {seq for of, seq in (*sink.arrived, *sink.refused) if of == epoch}
    if lacks or first is None:
        faults.append(f"{name} lacks {sorted(lacks)[:5]} of {head}, having begun at {first}; gaps {sink.gaps}")
    for key, count in Counter(sink.arrived).items():
        if count > 1 + sink.doubtful[key] and key[0] not in rolled_back:  # there, one seq may be two events
            faults.append(f"{name} got {key[1]} {count} times, and was in doubt {sink.doubtful[key]} times")
    told = dict.fromkeys(key for key in sink.arrived if key not in sink.refused)  # one that was refused may be tried again
    first_times = [seq for of, seq in told if of == epoch]
    if first_times != sorted(first_times):
        faults.append(f"{name} is out of order")
    return faults
