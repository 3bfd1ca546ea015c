"""
A journal read while no server has it: its log, recovered in memory of our own, and what its first page says.

The file is locked as a server locks it, and mapped privately: what recovery mends is never written to it. So whatever is asked of
a journal leaves it as it was, byte for byte.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from .._fanout import FLAT_PREFIXES, Fanout, bytes_needed
from ..errors import Misconfigured
from . import checkpoint, journal_file
from ._recover import recover
from .file_system import block_device, identity
from .journal import LIFE_AT, Life, boot_id, stop_marker
from .journal_nature import PAGE, Nature

_BATCH = 4096  # events at once: a few MiB, while the log itself may have a TiB
_LONGEST_HEAD = 4096  # bytes of a checkpoint's first line, which has five short members

Event = tuple[int, int, str, bytes, int]  # seq, kind, VIN, JSON text, ms since 1970
WholeEvent = tuple[int, int, str, bytes, int, tuple[bytes, ...] | None]  # and the record's own bytes, where they are kept


@dataclass(frozen=True, slots=True)
class JournalReport:
    """
    What `teslafast journal info` says.

    events       that can be replayed; `lost` others are damaged
    own_bytes    how many of the events have their records' own bytes beside them
    times        of the oldest and the newest event, ms since 1970; None if there is none
    goes_on      a server that starts with this file on this machine keeps its epoch
    saved_seq    of the last checkpoint of the last known values; None if there is none of this journal
    """

    path: str
    bytes: int
    ring_bytes: int
    used_bytes: int
    events: int
    lost: int
    oldest: int
    newest: int
    times: tuple[int, int] | None
    vehicles: int
    own_bytes: int
    epoch: str
    goes_on: bool
    closed_cleanly: bool
    saved_seq: int | None


class JournalReader:
    """
    `with JournalReader(path) as journal`: locked while the block runs.

    count   events that can be replayed
    lost    events that are damaged
    """

    def __init__(self, path: Path) -> None:
        """Raises Misconfigured: there is no such file, a server has it, it is no journal, it was cut short."""
        self.path = path
        self.descriptor = journal_file.opened_to_read(path)
        try:
            with journal_file.said(path, "read"):
                self.size = os.fstat(self.descriptor).st_size
                head = os.pread(self.descriptor, PAGE, 0)
            self.nature = Nature.read(head, path)
            total = PAGE + bytes_needed(self.nature.ring_bytes)
            if self.size < total:
                fault = f"{path} was cut short: it has {self.size} bytes of {total}"
                raise Misconfigured("JOURNAL_PATH", fault, "restore a copy that is whole")
            self.life = Life.unpack(head[LIFE_AT:]) or Life("")
            self.log, self.count, self.lost, self._seen = self._recovered(total)
        except BaseException:
            journal_file.let_go(self.descriptor)
            raise

    def _recovered(self, total: int) -> tuple[Fanout, int, int, bool]:
        with journal_file.said(self.path, "mmap"):
            private = mmap.mmap(self.descriptor, total, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        log = Fanout(private, self.nature.ring_bytes, FLAT_PREFIXES, lambda _: None, at=PAGE, kept_for_good=True)
        count, lost, seen = recover(log, self.life.known_seq, self.life.base_seq)
        return log, count, lost, seen

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        journal_file.let_go(self.descriptor)

    @property
    def goes_on(self) -> bool:
        """Whether the next server keeps the epoch: nothing that somebody has seen is lost, and this is not a copy."""
        life = self.life
        copied = life.is_of_another_file(identity(self.descriptor), (block_device(self.descriptor), boot_id()))
        behind = self.log.seq < life.known_seq and life.known_seq > 1
        elsewhere = stop_marker(self.path).exists()
        return bool(life.epoch) and not (self._seen or behind or copied or elsewhere) and life.boot in ("", boot_id())

    def events(self, since: int = 0) -> Iterator[Event]:
        """Those after `since`, in order."""
        while batch := self.log.events_after(since, _BATCH):
            yield from batch
            since = batch[-1][0]

    def whole_events(self, since: int = 0) -> Iterator[WholeEvent]:
        """The same, with what is kept beside them."""
        while batch := self.log.events_after(since, _BATCH, beside=True):
            yield from batch
            since = batch[-1][0]

    def saved_seq(self) -> int | None:
        """The seq up to which the file of last known values has everything; None if there is no such file of this journal."""
        content = journal_file.read_state(checkpoint.path_of(self.path))
        try:
            head = orjson.loads(content[:_LONGEST_HEAD].partition(b"\n")[0])
            return int(head["seq"]) if head["journal"] == self.nature.name else None
        except (ValueError, KeyError, TypeError):
            return None

    def report(self) -> JournalReport:
        log = self.log
        vins, own_bytes = set(), 0
        for _, _, vin, _, _, own in self.whole_events():
            vins.add(vin)
            own_bytes += own is not None
        return JournalReport(
            path=str(self.path),
            bytes=self.size,
            ring_bytes=self.nature.ring_bytes,
            used_bytes=log.kept_bytes,
            events=self.count,
            lost=self.lost,
            oldest=log.oldest,
            newest=log.seq,
            times=(log.time_of(log.oldest), log.time_of(log.seq)) if log.kept else None,
            vehicles=len(vins),
            own_bytes=own_bytes,
            epoch=self.life.epoch,
            goes_on=self.goes_on,
            closed_cleanly=self.life.boot == "",
            saved_seq=self.saved_seq(),
        )
