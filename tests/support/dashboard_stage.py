"""A dashboard's session over a wire of memory: no socket, no server, and a clock that is a number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from teslafast._fanout import Reader
from teslafast.close_reasons import CloseReason
from teslafast.dashboards.admission import AdmitDashboard
from teslafast.dashboards.session import DashboardSession
from teslafast.dashboards.subscription import parse_subscription
from teslafast.dashboards.tokens import Grant, Verifier

from tests.support.fake_log import Wire, frames_in
from tests.support.fake_loop import make_hub
from tests.support.peers import SECRET

NOW = 1_800_000_000.0


class DashboardStage:
    """
    `closed`: the reasons to close that the session has given. Its token lasts `token_s`, and grants `vins` (None = all).

    `hub` may be filled before `begin`, which takes the query of /stream.
    """

    def __init__(
        self, vins: Iterable[str] | None = None, token_s: float = 3600.0, settings: Mapping[str, str] | None = None
    ) -> None:
        self.hub, self.loop = make_hub(settings)
        self.now = NOW
        self.wire = Wire()
        self.closed: list[CloseReason] = []
        self.faults: list[Exception] = []
        self._grant = Grant("tests", None if vins is None else frozenset(vins), NOW + token_s)
        self._read = 0

    def begin(self, **query: str) -> DashboardStage:
        asked = parse_subscription(list(query.items()), exact_vins=False)
        admitted = AdmitDashboard(self._grant, replace(asked, vins=self._grant.narrowed(asked.vins).vins), None)
        self.session = DashboardSession(self.hub, Verifier([SECRET], ["HS256"], None, None), admitted, self.now)
        self.reader = Reader(self.wire, self)
        self.wire.hold, self.wire.go_on = self.reader.block, self.reader.wake
        self.session.begin(self.reader, self.wire.write)
        return self

    # ---- as the reader's sink

    def on_gap(self, first: int, last: int) -> Iterable[bytes]:
        return self.session.missed(first, last)

    def on_fault(self, error: Exception) -> None:
        self.faults.append(error)

    # ---- what happens

    def say(self, message: object) -> None:
        self.say_text(json.dumps(message).encode())

    def say_text(self, text: bytes) -> None:
        self._note(self.session.receive(text, self.now))

    def check(self, now: float) -> None:
        self.now = now
        self._note(self.session.check(now))

    def _note(self, reason: CloseReason | None) -> None:
        if reason is not None:
            self.closed.append(reason)

    # ---- what it was told

    def told(self) -> list[dict[str, Any]]:
        """What it has been sent since it was asked last, once all that is owed has been given."""
        self.loop.settle()
        assert self.faults == []
        frames = frames_in(b"".join(self.wire.writes))
        new, self._read = frames[self._read :], len(frames)
        return [json.loads(bytes(frame.data)) for frame in new]

    def kinds(self) -> list[str]:
        return [str(message.get("type", "record")) for message in self.told()]
