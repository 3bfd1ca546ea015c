"""
One client's conversation in TeslaMate's streaming protocol: what it subscribes to, what it is told, how long it may stay.

    greet      control:hello, at once; again every HELLO_S, because clients count messages, not pings, as signs of life
    receive    data:subscribe_oauth (also …_all and plain) with a tag, columns and perhaps a token; data:unsubscribe
    give_row   data:update, the columns in the order that was asked for, the tag as it was written

The token stands in the URL, or else in the message. One that does not do is told as `data:error`, error_type `unauthorized`,
and then nothing more is said, hellos included: TeslaMate logs it and comes back half a minute later. Any other error would make
it come back at once, for ever. Pure: no picows, no clock, no transport.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

import orjson

from ..close_reasons import FLOOD, INVALID_MESSAGES, CloseReason
from ..core.hub import Hub
from ..errors import Refused
from ..refusals import NO_TOKEN, TOKEN_INVALID, VIN_NOT_GRANTED
from ..vin import mended_vin
from ._teslamate_rows import RowShape, VehicleRows
from .teslamate_feed import RowFeed
from .teslamate_rows import TESLAMATE_COLUMNS
from .tokens import Grant, Verifier
from .vehicle_ids import find_vin

HELLO_S = 9.5  # clients wait for 10 s; checked about once a second, half of which is taken off
HELLO_APART_S = 1.0  # teslajs answers every hello with a subscription, and would answer the answer to that at once, for ever
TAGS_AT_MOST = 100  # on one connection; TeslaMate has one for each vehicle
TAG_LENGTH_AT_MOST = 64  # characters: longer than any VIN or number
COLUMNS_AT_MOST = 64  # three times as many as any client is known to ask for
SUBSCRIPTIONS_AT_MOST = 120  # between two checks, about a second: all tags at once; each may verify a token, some 50 µs
INVALID_AT_MOST = 10  # messages in a row that no subscription follows: a client that asks each 10 s again is told for 100 s
_SUBSCRIBE = ("data:subscribe_oauth", "data:subscribe_all", "data:subscribe")

HELLO = b'{"msg_type":"control:hello","connection_timeout":0}'


def _nothing(_: object) -> None: ...


@dataclass(frozen=True, slots=True)
class TagSubscription:
    """What goes out for one tag."""

    vin: str
    shape: RowShape


class TeslaMateSession:
    """
    `sub`: whom its token names, None before it has shown one.

    write         sends one message at once
    require_room  raises Refused if the server takes no one more of this `sub`; asked when a token in a message is good
    """

    __slots__ = (
        "_feed",
        "_grant",
        "_hub",
        "_invalid",
        "_require_room",
        "_silent",
        "_subscriptions",
        "_tags",
        "_token",
        "_verifier",
        "_write",
        "hello_at",
        "in_url",
    )

    def __init__(
        self,
        hub: Hub,
        verifier: Verifier,
        feed: RowFeed,
        grant: Grant | None,
        write: Callable[[bytes], object],
        require_room: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._verifier = verifier
        self._feed = feed
        self._grant = grant
        self._write = write
        self._require_room = require_room
        self.in_url = grant is not None
        self.hello_at = 0.0
        self._token = ""  # the last one that was good: most clients send the same one again and again
        self._silent = False  # a token was refused
        self._tags: dict[str | int, TagSubscription] = {}
        self._subscriptions = 0  # since the last check
        self._invalid = 0

    @property
    def sub(self) -> str | None:
        return None if self._grant is None else self._grant.sub

    @property
    def refused(self) -> bool:
        return self._silent

    # ---- its life

    def greet(self, now_s: float) -> None:
        """`now_s`: monotonic, as in `check`."""
        self.hello_at = now_s
        self._write(HELLO)

    def check(self, now: float, now_s: float) -> CloseReason | None:
        """About once a second; `now`: seconds since 1970."""
        self._subscriptions = 0
        if self._grant is None:
            return None
        reason = self._verifier.end_of(self._grant, now)
        if reason is None and not self._silent and now_s - self.hello_at >= HELLO_S:
            self.greet(now_s)
        return reason

    def leave(self, reader: Any) -> None:
        """Gives up what it has subscribed to; does nothing the second time."""
        for one in self._tags.values():
            self._feed.unsubscribe(one.vin, reader)
        self._tags.clear()

    def end(self) -> None:
        """Its connection is over: lets go of what refers to that."""
        self._write = self._require_room = _nothing

    # ---- what it is told

    def rows_of(self, vin: str, rows: VehicleRows) -> list[bytes]:
        """A frame for each of its tags that means this vehicle."""
        return [one.shape.frame(rows) for one in self._tags.values() if one.vin == vin]

    def _refuse(self, tag: object, reason: str) -> None:
        self._silent = not self._tags
        self._write(orjson.dumps({"msg_type": "data:error", "tag": tag, "error_type": "unauthorized", "value": reason}))

    # ---- what it says

    def receive(self, payload: bytes, now: float, now_s: float, reader: Any) -> CloseReason | None:
        """One whole message. `now`: seconds since 1970; `reader`: who is to be given its rows."""
        try:
            said = orjson.loads(payload)
        except orjson.JSONDecodeError:
            said = None
        kind = said.get("msg_type") if isinstance(said, dict) else None
        if kind in _SUBSCRIBE:
            self._subscriptions += 1
            if self._subscriptions > SUBSCRIPTIONS_AT_MOST:
                return FLOOD
            return self._subscribe(said, now, now_s, reader)
        if kind == "data:unsubscribe":
            self._unsubscribe(said.get("tag"), reader)
        elif not (isinstance(kind, str) and kind.startswith("control:")):
            return self._count_invalid()
        return None

    def _count_invalid(self) -> CloseReason | None:
        self._hub.counts.refuse_message("dashboard")
        self._invalid += 1
        return INVALID_MESSAGES if self._invalid >= INVALID_AT_MOST else None

    def _subscribe(self, said: dict[str, Any], now: float, now_s: float, reader: Any) -> CloseReason | None:
        tag = said.get("tag")
        try:
            if not self.in_url:
                self._present(said.get("token"), now, reader)
            new = self._follow(tag, said.get("value"), reader)
        except Refused as error:
            self._refuse(tag if _is_tag(tag) else None, str(error))
            return self._count_invalid()
        silent, self._silent = self._silent, False
        self._invalid = 0
        if new or silent or now_s - self.hello_at >= HELLO_APART_S:
            self.greet(now_s)
        return None

    def _present(self, token: object, now: float, reader: Any) -> None:
        """Takes the token of a message. Raises Refused."""
        if not isinstance(token, str) or not token:
            raise Refused(NO_TOKEN, "a token is required: in the message, or in the URL before /streaming/")
        before = self._grant
        if token == self._token and before is not None and now < before.exp:
            return
        grant = self._verifier.verify(token, now)
        if before is None:
            self._require_room(grant.sub)
        elif before.sub != grant.sub:
            raise Refused(TOKEN_INVALID, "the token names another sub")
        self._grant, self._token = grant, token
        for tag in [tag for tag, one in self._tags.items() if not grant.allows(one.vin)]:
            self._unsubscribe(tag, reader)

    def _follow(self, tag: object, value: object, reader: Any) -> bool:
        """Whether the tag is new. Raises Refused."""
        if not _is_tag(tag):
            raise Refused(VIN_NOT_GRANTED, "the tag must be a VIN")
        known = self._tags.get(tag)
        if known is None and len(self._tags) >= TAGS_AT_MOST:
            raise Refused(VIN_NOT_GRANTED, f"more than {TAGS_AT_MOST} tags on one connection")
        columns = value.split(",")[:COLUMNS_AT_MOST] if isinstance(value, str) and value.strip() else TESLAMATE_COLUMNS
        vin = known.vin if known is not None else self._vin_of(str(tag))
        head = b'{"msg_type":"data:update","tag":%b,"value":"' % orjson.dumps(tag)
        self._tags[tag] = TagSubscription(vin, RowShape(head, [column.strip() for column in columns]))
        self._feed.subscribe(vin, reader)
        return known is None

    def _vin_of(self, tag: str) -> str:
        """The vehicle that a tag means: its VIN, its number, or the only one there is. Raises Refused."""
        grant = self._grant
        wanted = mended_vin(tag)
        if grant is None:
            raise Refused(NO_TOKEN)
        if not tag.isdigit() and grant.allows(wanted):
            return wanted
        known = [vin for vin in self._hub.known_vins() if grant.allows(vin)]
        vins = list(dict.fromkeys([*(grant.vins or frozenset()), *known]))
        found = find_vin(tag, vins)
        if found is not None:
            return found
        if not tag.isdigit():
            raise Refused(VIN_NOT_GRANTED)
        if len(vins) != 1:
            raise Refused(VIN_NOT_GRANTED, "the tag is a number that this server does not know: set TESLA_WSS_USE_VIN=true")
        return vins[0]

    def _unsubscribe(self, tag: object, reader: Any) -> None:
        """All of them, if it names none."""
        for one in [tag] if tag is not None else list(self._tags):
            gone = self._tags.pop(one, None) if _is_tag(one) else None
            if gone is not None and all(left.vin != gone.vin for left in self._tags.values()):
                self._feed.unsubscribe(gone.vin, reader)


def _is_tag(tag: Any) -> TypeGuard[str | int]:
    return isinstance(tag, str | int) and not isinstance(tag, bool) and 0 < len(str(tag)) <= TAG_LENGTH_AT_MOST
