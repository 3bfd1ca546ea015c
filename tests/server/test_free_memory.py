"""Freed memory goes back to the system, now and then."""

from __future__ import annotations

from teslafast.server.free_memory import TRIM_EVERY_S, FreeMemory


def test_memory_is_given_back_once_in_so_many_seconds() -> None:
    calls: list[int] = []

    def trim(pad: int) -> int:
        calls.append(pad)
        return 1

    memory = FreeMemory(trim)
    for now_s in (1.0, 2.0, TRIM_EVERY_S, TRIM_EVERY_S + 1.0, TRIM_EVERY_S + 2.0):
        memory.check(now_s)
    assert calls == [0, 0]


def test_a_c_library_without_it_is_left_alone() -> None:
    FreeMemory(None).check(1.0)


def test_this_process_has_it_or_does_without() -> None:
    FreeMemory.of_this_process().check(1.0)
