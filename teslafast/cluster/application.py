"""What a node tells the process that it is part of: events to show, what may be acknowledged, and what concerns its outputs."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from .batch import Entry
from .engine import StreamMessage
from .shared_values import SharedValues


class Applied(NamedTuple):
    """
    The events of one batch, or of several in a row, as they are to be shown.

    first     seq of the first one
    times_ms  when the log stored each of `entries`, since 1970
    events    how many there are; `entries` is empty if this version cannot read them
    handles   what was submitted with them, if this node did so
    """

    first: int
    times_ms: list[int]
    events: int
    entries: list[Entry]
    handles: list[Any] | None


class Application(Protocol):
    """What the node tells the process that it is part of. `values`: the last known ones that `apply` makes."""

    values: SharedValues

    def begin(self, epoch: bytes, seq: int) -> None:
        """The events of this epoch follow, `seq` being that of the last one before. What was shown of another epoch is over."""

    def apply(self, events: Applied) -> None: ...
    def stored(self, upto: int) -> None:
        """The submissions up to this number are in the log: they may be acknowledged."""

    def shown(self, upto: int) -> None:
        """The submissions up to this number have been applied, if `Node.tells_shown`."""

    def joined(self) -> None: ...
    def lost(self, reason: str, rolled_back: bool) -> None:
        """
        What has been shown cannot be continued; `begin` follows when the log is known again.

        `rolled_back`: what was stored and not applied yet is submitted again; else it may be in the part that is left out.
        """

    def fenced(self) -> None:
        """Others took this node for dead; it goes on."""

    def hand_on(self) -> None:
        """The log has been away for HANDED_ON_S."""

    def holds(self) -> list[Entry]:
        """Every vehicle that is connected here, as a CONNECTED event says it."""

    def values_refused(self, reason: str) -> None:
        """A peer's values are no good."""

    def trouble(self, reason: str) -> None:
        """Somebody has to mend something; said again as long as it lasts."""


class OutputCustody(Protocol):
    """Who decides which outputs are worked here: `custody.Custody`."""

    def on_place(self, message: StreamMessage) -> None:
        """A message with the flag PLACE."""

    def on_ended(self, run: bytes) -> None:
        """The run has left, or is declared dead."""

    def on_lost(self) -> None:
        """The log is not known any more."""

    def on_epoch(self, epoch: bytes) -> None:
        """The events of this epoch follow; those of the one before it are still shown."""

    def on_joined(self) -> None:
        """Vehicles are let in from now on."""

    def tick(self) -> None:
        """A few times a second."""


class NoOutputs:
    """None is set."""

    def on_place(self, message: StreamMessage) -> None: ...
    def on_ended(self, run: bytes) -> None: ...
    def on_lost(self) -> None: ...
    def on_epoch(self, epoch: bytes) -> None: ...
    def on_joined(self) -> None: ...
    def tick(self) -> None: ...
