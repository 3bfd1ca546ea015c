"""
A journal with a ring of another size: the same events under the same seqs, in the same epoch.

    beside     the new file is made as `NAME.resized`, filled, read back and compared with the old one, and synced
    in place   only then it takes the old one's name, in one rename; a kill at any moment leaves the old one or the new one
    owner      and mode are the old one's

Events that do not fit into a smaller ring are left out, the oldest first. So are those older than a damaged one: seqs inside a
journal have no holes but such, and a new one has none.
"""

from __future__ import annotations

import itertools
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .._fanout import FLAT_PREFIXES, Fanout, bytes_needed
from ..errors import Misconfigured
from ..whole_file import sync_folder
from . import journal_file
from ._recover import recover
from .carrier import write_from_memory
from .file_system import FileSystem, identity
from .journal import LIFE_AT, STOPPED
from .journal_nature import PAGE, Nature
from .journal_reader import JournalReader, WholeEvent

_BODY_AT = b'"vin":'  # where an event's own members begin, after type and seq


@dataclass(frozen=True, slots=True)
class Resized:
    """events: in the new journal; left_out: of the old one, too many for it or older than a damaged one."""

    events: int
    left_out: int


def resize(path: Path, ring_bytes: int) -> Resized:
    """Raises Misconfigured; then the journal is as it was."""
    with JournalReader(path) as old:
        if old.nature.ring_bytes == ring_bytes:
            raise Misconfigured("RING_BYTES", f"{path} has a ring of {ring_bytes} bytes already", "give another size")
        new = path.with_name(path.name + ".resized")
        if os.path.lexists(new):
            fault = f"{new} is in the way: an interrupted resize leaves such a file"
            raise Misconfigured("JOURNAL_PATH", fault, "remove it: the journal itself is whole")
        try:
            result = _made(old, new, ring_bytes)
            with journal_file.said(path, "rename"):
                new.replace(path)
                sync_folder(path)
        except BaseException:
            with suppress(OSError):
                new.unlink()
            raise
        return result


def _made(old: JournalReader, new: Path, ring_bytes: int) -> Resized:
    """The new file, whole and on the disk."""
    total = PAGE + bytes_needed(ring_bytes)
    nature = Nature(ring_bytes, total, old.nature.name or secrets.token_hex(8), old.nature.version)
    descriptor, memory = journal_file.opened(new, nature.total, nature.pack(), _nobody_elses)
    try:
        log = Fanout(memory, ring_bytes, FLAT_PREFIXES, lambda _: None, at=PAGE, kept_for_good=True)
        first = _first_without_holes(old)
        recover(log, base_seq=first - 1)
        _fill(log, old, first)
        _check_values(old, log)
        _compare(log, old)
        with journal_file.said(new, "fsync"):
            life = replace(
                old.life,
                known_seq=max(log.seq, 1) if old.life.known_seq else 0,
                boot=old.life.boot if old.goes_on else STOPPED,
                file=identity(descriptor),
            ).pack()
            memory[LIFE_AT : LIFE_AT + len(life)] = life
            if FileSystem.of(descriptor).is_far:
                write_from_memory(descriptor, memory)
            else:
                memory.flush()
            before = os.fstat(old.descriptor)
            os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            os.fsync(descriptor)
        return Resized(log.kept, old.count - log.kept)
    finally:
        journal_file.let_go(descriptor)


def _nobody_elses(head: bytes, size: int) -> None:
    raise journal_file.in_use(Path("the new journal"))  # it was not there a moment ago


def _first_without_holes(old: JournalReader) -> int:
    """The seq from which on no event is missing."""
    first = expected = old.log.oldest
    for seq, *_ in old.events():
        if seq != expected:
            first = seq
        expected = seq + 1
    return first


def _fill(log: Fanout, old: JournalReader, first: int) -> None:
    for seq, kind, vin, text, time_ms, own in old.whole_events(first - 1):
        try:
            published = log.publish(kind, vin, b"{" + text[text.index(_BODY_AT) :], time_ms, 0, own)
        except ValueError as error:
            raise Misconfigured("RING_BYTES", f"it is too small for event {seq} ({error})", "give a larger size") from None
        if published != seq:
            raise AssertionError(f"event {seq} became {published}")


def _check_values(old: JournalReader, log: Fanout) -> None:
    """Last known values that stand in no checkpoint yet must not go with the events that are left out."""
    saved = old.saved_seq() or 0
    if log.oldest > old.log.oldest and saved < log.oldest - 1:
        fault = f"the last known values are saved up to event {saved} only, and the new ring would begin with event {log.oldest}"
        remedy = f"start the server with RING_BYTES={old.nature.ring_bytes} and stop it with SIGTERM: that saves them"
        raise Misconfigured("JOURNAL_PATH", fault, remedy)


def _compare(log: Fanout, old: JournalReader) -> None:
    """Every event of the new log is the old one's, to the byte; so is what is kept beside it, where there is room for that."""
    for mine, its in itertools.zip_longest(_all(log), old.whole_events(log.oldest - 1)):
        if mine != its and (mine is None or its is None or mine[:-1] != its[:-1] or mine[-1] is not None):
            raise AssertionError("the new journal does not hold what the old one holds")


def _all(log: Fanout) -> Iterator[WholeEvent]:
    since = 0
    while batch := log.events_after(since, 4096, beside=True):
        yield from batch
        since = batch[-1][0]
