"""
A turn's replies without connections and without a disk.

    FakeOutlet   a connection, which notes what is asked of it
    FakeHold     keeps replies until it is told what came of the disk
    TurnStage    both of them, over a hub
"""

from __future__ import annotations

from collections.abc import Callable

from teslafast.core.hub import Hub
from teslafast.core.turn import Replies

from tests.support.fake_log import Dashboard
from tests.support.fake_loop import make_hub


class FakeOutlet:
    """What a connection is asked to do with its replies; `seqs`: where the log stood at each write."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.done: list[bytes | str] = []
        self.seqs: list[int] = []
        self.on_write: Callable[[], object] = lambda: None

    def write(self, data: bytes) -> None:
        self.done.append(data)
        self.seqs.append(self._hub.log.seq)
        self.on_write()

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")


class FakeHold:
    """Keeps replies until it is told what came of the disk; `room`: whether it has any left."""

    def __init__(self) -> None:
        self.held: list[tuple[bytes, Callable[[bytes], object], Callable[[], object]]] = []
        self.room = True

    @property
    def idle(self) -> bool:
        return not self.held

    def hold(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> bool:
        self.held.append((replies, write, give_up))
        return self.room

    def succeed(self) -> None:
        held, self.held = self.held, []
        for replies, write, _ in held:
            write(replies)

    def fail(self) -> None:
        held, self.held = self.held, []
        for _, _, give_up in held:
            give_up()


class TurnStage:
    """One connection's replies, over a hub whose replies are `hold`'s to keep if `held`."""

    def __init__(self, held: bool = False, **variables: str) -> None:
        self.hub, self.loop = make_hub(variables)
        self.hold = FakeHold()
        if held:
            self.hub.turn.hold_replies_by(self.hold)
        self.outlet = FakeOutlet(self.hub)
        self.replies = Replies(self.hub.turn, self.outlet)

    def reader(self) -> Dashboard:
        dashboard = Dashboard()
        self.hub.log.subscribe(dashboard.reader)
        return dashboard
