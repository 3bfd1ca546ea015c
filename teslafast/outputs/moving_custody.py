"""What outputs that move from node to node ask of whoever decides where each is worked."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Held(Protocol):
    """`cluster.custody.Holding`."""

    @property
    def run(self) -> bytes: ...
    @property
    def label(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def here(self) -> bool: ...


class OutputsCustody(Protocol):
    """Who decides which outputs are worked here: `cluster.custody.Custody`. Outputs go by their cursors' names."""

    @property
    def runs_besides(self) -> int: ...
    def note(self, output: str, seq: int, lost: tuple[int, int] | None = None) -> None: ...
    def may_send(self, output: str) -> bool: ...
    def is_yielding(self, output: str) -> bool: ...
    def yielded(self, output: str) -> None: ...
    def holding(self, output: str) -> Held: ...
    def leave(self) -> None: ...
    @property
    def held(self) -> int: ...


class OutputNode(NamedTuple):
    """Which node works an output, as `/health` shows it: `run` is "" if none does."""

    node: str
    run: str
    here: bool
    lag_events: int
