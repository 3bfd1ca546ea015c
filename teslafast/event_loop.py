"""What the pure rooms use of an event loop, as protocols: a test gives them a loop that does nothing by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    def call_later(self, delay: float, callback: Callable[[], object], /) -> object: ...


class Loop(Timer, Protocol):
    def call_soon(self, callback: Callable[[], object], /) -> object: ...


class ThreadsafeTimer(Timer, Protocol):
    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object: ...
