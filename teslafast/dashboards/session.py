"""
One dashboard's conversation, whatever protocol carries it: what it sees, what it is told besides events, how long it may stay.

    begin      hello, the place in the log that it asked for, snapshots
    receive    auth, subscribe, ping; anything else is refused
    missed     every gap, whoever found it, is told and counted here, and fresh snapshots follow
    check      the token: a warning ahead of its end, then the end

The log's bytes go out through the `Reader`. What stands here goes through it too, so that all is in order and waits when the
dashboard is slow; but hello comes before everything, and a refusal is written at once, so that the client gets the last one
before it is disconnected. Pure: no picows, no clock, no transport.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import orjson

from .._fanout import Reader
from ..close_reasons import FLOOD, INVALID_MESSAGES, CloseReason
from ..core.hub import Hub
from ..errors import Refused
from ..refusals import NO_MEMORY
from ..websocket.text_frames import message, refusal
from . import messages
from .admission import AdmitDashboard
from .dialect import STREAM_DIALECT, Dialect
from .members import no_name_twice
from .merged_resume import merged_since
from .past_events import when_in_ring
from .resume_place import resume_place
from .snapshots import Answers, Snapshots
from .subscription import hint, said_kinds, said_vins
from .tokens import Verifier, warning_time

ERRORS_AT_MOST = 10  # within ERRORS_WINDOW_S: a program that does not listen to answers; a person who tries things out is slower
ERRORS_WINDOW_S = 60.0  # a person needs seconds for each try; a program in a loop fills it at once
CAUGHT_UP_SHARE = 0.5  # of the events kept: half of the ring's time is left then for the snapshots that it is owed
CHANGES_AT_MOST = 50  # subscriptions and renewals between two checks, about a second; 200 VINs each, they take some 50 ms
_SUBSCRIBE_MEMBERS = ("type", "vins", "types")


class DashboardSession:
    """`sub`: whom its token names."""

    __slots__ = (
        "_answers",
        "_changes",
        "_dialect",
        "_errors",
        "_gap_end",
        "_grant",
        "_hub",
        "_log",
        "_owed",
        "_reader",
        "_snapshots_due",
        "_subscription",
        "_verifier",
        "_vins",
        "_waits",
        "_warn_at",
        "_write",
        "gaps",
    )

    def __init__(
        self, hub: Hub, verifier: Verifier, admitted: AdmitDashboard, now: float, dialect: Dialect = STREAM_DIALECT
    ) -> None:
        """`now`: seconds since 1970. Raises OSError if there is no memory for its view."""
        self._hub = hub
        self._dialect = dialect
        self._verifier = verifier
        self._grant = admitted.grant
        self._subscription = admitted.subscription
        self._vins = admitted.subscription.vins
        self._errors: deque[float] | None = None  # when the last ones were; made with the first: it takes 600 bytes
        self._warn_at: float | None = warning_time(admitted.grant, now)
        self._log = hub.log_for(admitted.subscription.view, self._vins)
        self._owed: Snapshots | None = None
        self._answers = Answers()
        self._changes = 0  # since the last check
        self._gap_end: int | None = None  # the seq at which its last gap ended
        self._snapshots_due = False
        self._waits = False  # for a log that is behind what this dashboard has seen elsewhere
        self.gaps = 0

    @property
    def sub(self) -> str:
        return self._grant.sub

    # ---- its life

    def begin(self, reader: Reader, write: Callable[[bytes], object]) -> None:
        """From here on the reader gets events. `write(frame)`: at once, before anything that the reader has yet to give."""
        asked, hub = self._subscription, self._hub
        self._reader, self._write = reader, write
        if asked.control:
            write(self._dialect.hello(hub))
        self._waits = True
        in_frame = self._dialect.event
        when_in_ring(hub, asked, self._log, reader, write, self._sees, in_frame, lambda: self._waits, self._go_on)

    def _go_on(self, after: int | None) -> None:
        if self._waits:
            self._subscription = replace(self._subscription, since=after)
            self._start()

    def _start(self) -> None:
        self._waits, asked, hub, reader = False, self._subscription, self._hub, self._reader
        after = None if self._log is hub.views.nothing else resume_place(asked, hub)
        complete = after is None or (after >= 0 and hub.log.oldest <= after + 1)
        self._log.subscribe(reader, self._vins, asked.kinds, None if asked.interval_ms else after)
        if asked.interval_ms and after is not None:
            gap = () if complete else self.missed(after + 1, hub.log.oldest - 1)
            merged = merged_since(hub.log, after, asked.interval_ms, self._sees, asked.kinds)
            reader.say(chain(gap, merged))
        at_start = asked.since is None if asked.snapshot is None else asked.snapshot
        if at_start and complete:  # else they follow the gap
            self._tell_snapshots(self._vins)

    def abandon(self) -> None:
        """Gives its view back. Instead of `leave`, if it never began."""
        self._hub.views.release(self._log)

    def leave(self) -> None:
        """Gives its place in the log back; does nothing the second time."""
        self._waits = False
        self._log.unsubscribe(self._reader)
        self._hub.views.release(self._log)
        self._owed = None  # it refers to this session: a cycle would keep both until a full collection

    def check(self, now: float) -> CloseReason | None:
        """About once a second; `now`: seconds since 1970."""
        self._changes = 0
        if (reason := self._verifier.end_of(self._grant, now)) is not None:
            return reason
        if self._warn_at is not None and now >= self._warn_at:
            self._warn_at = None
            self._say(self._dialect.token_expiring(self._grant.exp))
        if self._snapshots_due and self._reader.behind < CAUGHT_UP_SHARE * self._log.kept:
            self._snapshots_due = False
            self._tell_snapshots(self._vins)
        return None

    # ---- what it is told

    def missed(self, first: int, last: int) -> Iterable[bytes]:
        """The events with these seqs are lost for it: the frames that say so, and what holds now."""
        self.gaps += 1
        self._hub.counts.tell_gap()
        in_vain = self._gap_end is not None and first <= self._gap_end + 1  # it has had no event since the last gap
        self._gap_end = last
        if not self._subscription.control:
            return ()
        if self._subscription.snapshot is False:
            return (self._dialect.gap(first, last),)
        if in_vain:
            # The snapshots took longer than the oldest events stay, and would again: they follow when it has caught up.
            self._snapshots_due = True
            return (self._dialect.gap(first, last),)
        return chain([self._dialect.gap(first, last)], self._owe_snapshots(self._vins))

    def _tell_snapshots(self, vins: Iterable[str] | None) -> None:
        if self._subscription.control:
            self._reader.say(self._owe_snapshots(vins))

    def _owe_snapshots(self, vins: Iterable[str] | None) -> Iterable[bytes]:
        """Of these vehicles and of those that were still owed, in one go: None = all."""
        if self._subscription.fleet or not self._dialect.has_snapshots(self._subscription.kinds):
            return ()
        owed = self._owed.owed if self._owed is not None else []
        wanted = self._dialect.vins(self._hub) if vins is None else sorted(vins)
        snapshots = Snapshots(partial(self._dialect.snapshot, self._hub), [*owed, *wanted], self._sees)
        if self._owed is not None:
            self._owed.cancel()
        if not owed:
            snapshots.make_eagerly()
        self._owed = snapshots
        return snapshots

    def _sees(self, vin: str) -> bool:
        return self._vins is None or vin in self._vins

    @property
    def answers_bytes(self) -> int:
        """Of memory, for answers that its reader has yet to give."""
        return self._answers.unsent_bytes

    @property
    def held_bytes(self) -> int:
        """Of what is made for it, and has yet to be given, besides what its transport holds."""
        return self._answers.unsent_bytes + (self._owed.ready_bytes if self._owed is not None else 0)

    def _say(self, frame: bytes) -> None:
        if self._subscription.control and frame:
            self._reader.say(self._answers.add(frame))

    # ---- what it says

    def receive(self, text: bytes, now: float) -> CloseReason | None:
        """One whole text message. `now`: seconds since 1970."""
        try:
            self._take(text, now)
        except Refused as error:
            return self.refuse(str(error), now)
        return FLOOD if self._changes > CHANGES_AT_MOST else None

    def refuse(self, reason: str, now: float) -> CloseReason | None:
        """Answers a message that cannot be taken; too many of them are a reason to close."""
        self._hub.counts.refuse_message("dashboard")
        if self._subscription.control:
            self._write(refusal(reason))
        errors = self._errors = self._errors or deque(maxlen=ERRORS_AT_MOST)
        errors.append(now)
        full = len(errors) == ERRORS_AT_MOST
        return INVALID_MESSAGES if full and now - errors[0] < ERRORS_WINDOW_S else None

    def _take(self, text: bytes, now: float) -> None:
        """Raises Refused."""
        if text == b"ping":
            self._say(messages.PONG_MESSAGE)
            return
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise messages.invalid("not JSON") from None
        match said.get("type") if isinstance(said, dict) else None:
            case "ping":
                self._say(messages.PONG_MESSAGE)
            case "auth":
                self._changes += 1
                self._renew(said, now)
            case "subscribe":
                self._changes += 1
                json.loads(text, object_pairs_hook=no_name_twice)  # the last one would count, and may say more than was meant
                self._subscribe(said)
            case _:
                raise messages.invalid("type must be auth, subscribe or ping")

    def _renew(self, said: dict[str, Any], now: float) -> None:
        """A new token in place of the old one, of the same `sub`; what is seen stays within what it grants."""
        token = said.get("token")
        if not isinstance(token, str):
            raise messages.invalid("token must be a string")
        grant = self._verifier.verify(token, now)
        if grant.sub != self._grant.sub:
            raise messages.invalid("the token names another sub")
        seen = self._vins if grant.vins is None or self._vins is None else self._vins & grant.vins
        seen = grant.vins if seen is None else seen
        if grant != self._grant:  # the same token again is not warned of a second time
            self._warn_at = warning_time(grant, now)
        self._grant = grant
        if seen != self._vins:
            self._look_at(seen, self._subscription.kinds)
            self._vins = seen
        self._say(message(type="auth", exp=int(grant.exp)))

    def _subscribe(self, said: dict[str, Any]) -> None:
        """Other vehicles or kinds from now on; those newly seen are told by snapshots. Absent = as before, null = all."""
        if "vin" in said and "vins" in said:
            raise messages.invalid("vin and vins are the same: give one of them")
        said = {"vins" if name == "vin" else name: value for name, value in said.items()}
        for name in said:
            if name not in _SUBSCRIBE_MEMBERS:
                raise messages.invalid(f"unknown member {name[:40]!r}{hint(name, _SUBSCRIBE_MEMBERS)}")
        before = self._vins
        seen = self._grant.narrowed(said_vins(said, self._hub.settings.production)).vins if "vins" in said else self._vins
        kinds = said_kinds(said) if "types" in said else self._subscription.kinds
        self._look_at(seen, kinds)
        self._vins = seen
        self._subscription = replace(self._subscription, kinds=kinds)
        self._say(messages.subscribed(seen, kinds))
        if before is not None and self._subscription.snapshot is not False:
            self._tell_snapshots(self._hub.last_values.vins() if seen is None else seen - before)

    def _look_at(self, vins: frozenset[str] | None, kinds: int) -> None:
        """What it is given from now on; its view is made now, if it could see nothing before. Raises Refused."""
        try:
            log = self._hub.log_for(self._subscription.view, vins)
        except OSError as error:
            raise Refused(NO_MEMORY, f"no memory for one more view of the stream ({error})") from None
        if log is self._log:
            if not self._waits:
                log.resubscribe(self._reader, vins, kinds)
            return
        self._log.unsubscribe(self._reader)
        self._hub.views.release(self._log)
        self._log = log
        if not self._waits:
            log.subscribe(self._reader, vins, kinds)
