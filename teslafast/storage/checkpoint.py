"""
The last known values, in a file beside the journal (JOURNAL_PATH + `.state`), so that a restart need not read the whole log.

    line 1      whose journal and which epoch, and the seq from which on the log has to be read on top of it
    a line      one vehicle: its values and times, as of the seq in it
    last line   checksum of all before

The file is made while the server runs, a few vehicles at a time, so its lines hold for different seqs; each event is applied to a
vehicle only if its seq is later than the vehicle's line. What comes of it is what a reader of the whole log would have. A
file that is missing, torn, or of another journal is no loss as long as the log itself reaches back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import orjson

from .._crc32c import checksum
from ..core import records
from ..core.last_values import LastValues, VehicleValues
from ..rfc3339 import parse_rfc3339
from .journal import Life

CHECKPOINT_VERSION = 1
BATCH = 4096  # events read from the log at once
_MS = 1_000_000


class ReadableLog(Protocol):
    """What is read of a log."""

    @property
    def seq(self) -> int: ...
    @property
    def oldest(self) -> int: ...
    def events_after(self, seq: int, limit: int) -> list[tuple[int, int, str, bytes, int]]: ...


def path_of(journal: Path) -> Path:
    return journal.with_name(journal.name + ".state")


def lines(state: LastValues, log: ReadableLog, journal: str, epoch: str) -> Iterator[bytes]:
    """The file's lines, each made when it is asked for; with the log's seq at that moment in it."""
    crc = 0
    head = {"teslafast": "checkpoint", "version": CHECKPOINT_VERSION, "journal": journal, "epoch": epoch, "seq": log.seq}
    line = orjson.dumps(head, option=orjson.OPT_APPEND_NEWLINE)
    crc = chained(crc, line)
    yield line
    for vin in state.vins():
        vehicle = state.get(vin)
        if vehicle is not None:
            line = _line(vin, vehicle, log.seq)
            crc = chained(crc, line)
            yield line
    yield b"%08x\n" % crc


def _line(vin: str, vehicle: VehicleValues, seq: int) -> bytes:
    times = {name: time_ns // _MS for name, time_ns in vehicle.times.items()}
    members = {
        "vin": vin,
        "seq": seq,
        "newest": vehicle.newest_ns // _MS,
        "values": vehicle.values,
        "times": times,
        "ahead": sorted(vehicle.ahead),
    }
    return orjson.dumps(members, option=orjson.OPT_APPEND_NEWLINE)


def restore(state: LastValues, log: ReadableLog, content: bytes, journal: str, former: Life) -> int:
    """
    Fills an empty `state` from the file's content (b"" if there is none) and the log; returns how many events had to be read.

    former: the journal's life in which the file was written, or the one after that.
    """
    seq, seen = _read(state, content, journal, former, log.seq)
    count = 0
    while batch := log.events_after(seq, BATCH):
        for seq, kind, _, text, time_ms in batch:
            if kind == records.DATA:
                count += 1
                _apply(state, text, seq, seen, time_ms)
    return count


def _read(state: LastValues, content: bytes, journal: str, former: Life, newest: int) -> tuple[int, dict[str, int]]:
    """Puts the file's vehicles into `state`; the seq to read the log from, and each vehicle's own. (0, {}) if it is no good."""
    *body, end = content.splitlines(keepends=True) or [b""]
    crc = 0
    for line in body:
        crc = chained(crc, line)
    if not body or end != b"%08x\n" % crc:
        return 0, {}
    head, *vehicles = map(orjson.loads, body)
    if (
        head["version"] != CHECKPOINT_VERSION
        or head["journal"] != journal
        or head["epoch"] not in (former.epoch, former.previous)
    ):
        return 0, {}
    # what the file knows of seqs that the log has lost must not hide the events that have these seqs now
    limit = newest if head["epoch"] == former.epoch else min(newest, former.base_seq)
    for one in vehicles:
        times = {name: time_ms * _MS for name, time_ms in one["times"].items()}
        vehicle = VehicleValues.restored(one["values"], times, one["newest"] * _MS, set(one.get("ahead", ())))
        state.put(one["vin"], vehicle)
    return min(head["seq"], limit), {one["vin"]: min(one["seq"], limit) for one in vehicles}


def _apply(state: LastValues, text: bytes, seq: int, seen: dict[str, int], time_ms: int) -> None:
    event = orjson.loads(text)
    if seq > seen.get(event["vin"], 0):
        created = event["createdAt"]
        created_ns = parse_rfc3339(created) if created is not None else None
        resend = event.get("isResend") is True
        state.merge(event["vin"], event["data"], created_ns, time_ms * _MS, resend, len(text))


def chained(crc: int, line: bytes) -> int:
    """The checksum of all lines up to this one."""
    return checksum(crc.to_bytes(4, "little") + line)
