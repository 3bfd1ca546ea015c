"""
TLS messages without data, such as KeyUpdates: found by comparing what came in over TCP with what came out of TLS.

TLS adds 29 bytes a record at most, to frames of 6 bytes at least. Besides, a peer may send TLS_MESSAGES_BYTES between two looks,
which are LOOKS_APART checks apart: 2,400 KeyUpdates, some 20 ms. Whoever sends more is shown out.
"""

from __future__ import annotations

from collections.abc import Callable

TLS_OVERHEAD = 8
TLS_MESSAGES_BYTES = 64 * 1024
LOOKS_APART = 4

Looked = tuple[int, int, int]  # checks since the last look; bytes of TCP and of data by then
NOT_LOOKED: Looked = (0, 0, 0)


def look(looked: Looked, wire_bytes: Callable[[], int | None], received: int) -> tuple[Looked, bool]:
    """
    One check more, and whether it shows a flood.

    wire_bytes    what has come over TCP by now; None: the kernel does not tell, or it is no TLS
    received      bytes of data by now
    """
    checks, wire_before, before = looked
    if checks + 1 < LOOKS_APART:
        return (checks + 1, wire_before, before), False
    wire = wire_bytes()
    if wire is None:
        return looked, False
    flood = bool(wire_before) and wire - wire_before > TLS_MESSAGES_BYTES + TLS_OVERHEAD * (received - before)
    return (0, wire, received), flood
