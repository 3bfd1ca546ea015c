"""
A log in a journal file, as one process after another has it; and what a kill leaves of it.

    Kept        an open journal and its log
    killed      the file as a kill at this moment would leave it: a copy, because what is mapped is the kernel's at once, which
                says of itself that it is no copy
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from teslafast._fanout import FLAT_PREFIXES
from teslafast.storage.file_system import identity
from teslafast.storage.journal import LIFE_AT, Journal, Life
from teslafast.storage.journal_nature import PAGE

MIB = 1 << 20
Event = tuple[int, int, str, bytes, int]  # seq, kind, VIN, JSON text, ms since 1970
WholeEvent = tuple[int, int, str, bytes, int, tuple[bytes, ...] | None]  # and what is kept beside it


class Kept:
    def __init__(self, path: Path, ring_bytes: int = MIB, sync: bool = False, keeps_own: bool = False) -> None:
        self.journal = Journal.open(path, ring_bytes, keeps_own)
        self.log = self.journal.log(FLAT_PREFIXES, lambda log: None, sync)

    @property
    def events(self) -> list[Event]:
        return self.log.events_after(0, 1 << 30)

    @property
    def whole_events(self) -> list[WholeEvent]:
        return self.log.events_after(0, 1 << 30, beside=True)

    def publish(self, vin: str = "A", size: int = 100, kind: int = 0, time_ms: int = 0, own: int | None = None) -> int:
        """`own`: bytes of the record that is kept beside the event."""
        beside = None if own is None else (b"txid", b"1.2.0", b"%d." % self.log.seq + b"p" * own)
        return self.log.publish(kind, vin, b'{"vin":"%s","pad":"%s"}' % (vin.encode(), b"x" * size), time_ms, 0, beside)

    def fill(self, count: int, size: int = 100, own: int | None = None) -> None:
        for number in range(count):
            self.publish(f"V{number % 7}", size, own=own)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.journal.release()


def killed(path: Path, name: str = "copy") -> Path:
    copy = path.with_name(name)
    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        file.seek(LIFE_AT)
        life = Life.unpack(file.read(PAGE - LIFE_AT))
        if life is not None:
            file.seek(LIFE_AT)
            file.write(replace(life, file=identity(file.fileno())).pack())
    return copy
