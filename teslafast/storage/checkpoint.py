"""
The last known values, in a file beside the journal (JOURNAL_PATH + `.state`), so that a restart need not read the whole log.

    line 1      whose journal and which epoch, and the seq from which on the log has to be read on top of it
    the rest    a line a vehicle, and a checksum: core/value_lines.py

A file that is missing, torn, or of another journal is no loss as long as the log itself reaches back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..core import records
from ..core.last_values import LastValues
from ..core.value_lines import (
    BadLines,
    ReadableLog,
    head_line,
    merge_event,
    number_in,
    opened,
    read_vehicle,
    sealed,
    vehicle_lines,
)
from .journal import Life

CHECKPOINT = "checkpoint"
BATCH = 4096  # events read from the log at once


def path_of(journal: Path) -> Path:
    return journal.with_name(journal.name + ".state")


def lines(state: LastValues, log: ReadableLog, journal: str, epoch: str) -> Iterator[bytes]:
    """The file's lines, each made when it is asked for; with the log's seq at that moment in it."""
    return sealed(_lines(state, log, {"journal": journal, "epoch": epoch}))


def _lines(state: LastValues, log: ReadableLog, of: dict[str, str]) -> Iterator[bytes]:
    yield head_line(CHECKPOINT, {**of, "seq": log.seq})
    yield from vehicle_lines(state, log)


def restore(
    state: LastValues,
    log: ReadableLog,
    content: bytes,
    journal: str,
    former: Life,
    tell: Callable[[str], object] = lambda reason: None,
) -> int:
    """
    Fills an empty `state` from the file's content (b"" if there is none) and the log; returns how many events had to be read.

    former          the journal's life in which the file was written, or the one after that
    tell(reason)    why the content is not used; not called if there is none
    """
    seq, seen = 0, dict[str, int]()
    try:
        if content:
            seq, seen = _read(state, content, journal, former, log.seq)
    except BadLines as error:
        tell(str(error))
    count = 0
    while batch := log.events_after(seq, BATCH):
        for seq, kind, vin, text, time_ms in batch:
            if kind == records.DATA:
                count += 1
                if seq > seen.get(vin, 0):
                    merge_event(state, vin, text, time_ms)
    return count


def _read(state: LastValues, content: bytes, journal: str, former: Life, newest: int) -> tuple[int, dict[str, int]]:
    """Puts the file's vehicles into `state`; the seq to read the log from, and each vehicle's own. Raises BadLines."""
    head, vehicles = opened(content, CHECKPOINT)
    if head.get("journal") != journal:
        raise BadLines("it belongs to another journal")
    if head.get("epoch") not in (former.epoch, former.previous):
        raise BadLines("it is of an epoch that the journal does not know")
    # what the file knows of seqs that the log has lost must not hide the events that have these seqs now
    limit = newest if head["epoch"] == former.epoch else min(newest, former.base_seq)
    known = [read_vehicle(line) for line in vehicles]
    seq = number_in(head, "seq")
    for one in known:
        state.put(one.vin, one.vehicle)
    return min(seq, limit), {one.vin: min(one.seq, limit) for one in known}
