"""
The bounds that hostile input meets, as SECURITY.md tells them: tests/docs/test_bounds.py compares the numbers.

Each number lives beside the code that enforces it, with its reason; this table only names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core import last_values
from ..core.connections import CONNECTIONS_PER_VIN, STRANGERS_AT_MOST
from ..core.reliable_acks import UNCONFIRMED_AT_MOST
from ..core.unsent import ALL_UNSENT_AT_MOST, UNSENT_AT_LEAST
from ..core.views import FLEET_SIGNALS_AT_MOST
from ..dashboards import session, sse_connection, teslamate, teslamate_session, websocket
from ..dashboards.keys import MOST_KEYS
from ..dashboards.merged_resume import ALL_MERGED_AT_MOST, MERGED_AT_LEAST
from ..dashboards.tokens import LONGEST_TOKEN, MOST_TOKENS
from ..http_messages import MOST_QUERY_FIELDS
from ..outputs import http_client, runner_options
from ..protocol import _wire
from ..storage.group_commit import HELD_AT_MOST
from ..vehicles.connection import HEAVY_S, REST_TIMES
from ..vehicles.session import REFUSED_AT_MOST
from ..websocket import tls_traffic
from ..websocket._frame_limit import READ_AT_MOST
from ..websocket.connection import EMPTY_FRAMES_AT_MOST
from . import _tls_sessions, acceptor, admission, binding, descriptors, fair_turns, handshakes, http_connection, tls, turned_away
from .proxy_protocol import V2_AT_MOST

_UNITS = ((1 << 20, "MiB"), (1 << 10, "KiB"))


@dataclass(frozen=True, slots=True)
class Bound:
    """`who`, `what`: the row of SECURITY.md that names it."""

    who: Literal["strangers", "vehicles", "dashboards", "outputs", "both"]
    what: str
    value: float
    unit: Literal["", "bytes", "s"] = ""

    @property
    def shown(self) -> str:
        """The number as the document writes it: `4,096`, `16 KiB`, `3 s`."""
        if self.unit == "bytes":
            return next(f"{self.value / size:g} {name}" for size, name in _UNITS if self.value >= size)
        return f"{self.value:,g} s" if self.unit == "s" else f"{int(self.value):,}"


BOUNDS = (
    Bound("strangers", "connections not admitted yet", admission.PER_ADDRESS),
    Bound("strangers", "connections not admitted yet", admission.TOTAL),
    Bound(
        "strangers",
        "memory of connections not admitted yet, with answers that they do not take",
        admission.HELD_BYTES_AT_MOST,
        "bytes",
    ),
    Bound(
        "strangers",
        "memory of connections not admitted yet, with answers that they do not take",
        admission.BEGIN_BELOW_BYTES,
        "bytes",
    ),
    Bound("strangers", "memory of connections not admitted yet, with answers that they do not take", admission.BEGUN_S, "s"),
    Bound(
        "strangers", "memory of connections not admitted yet, with answers that they do not take", admission.BEGUN_AT_MOST_S, "s"
    ),
    Bound("strangers", "accepting connections, before the others' turn", acceptor.ACCEPT_S, "s"),
    Bound("strangers", "accepting connections, before the others' turn", acceptor.ACCEPT_AT_MOST_S, "s"),
    Bound("strangers", "request head", http_connection.REQUEST_HEAD_LIMIT, "bytes"),
    Bound("strangers", "requests on one connection", http_connection.MOST_REQUESTS),
    Bound("strangers", "requests on one connection", http_connection.KEPT_S, "s"),
    Bound("strangers", "parameters of a query", MOST_QUERY_FIELDS),
    Bound("strangers", "token", LONGEST_TOKEN),
    Bound("strangers", "tokens in one request", MOST_TOKENS),
    Bound("strangers", "keys in `JWT_PUBLIC_KEY_PATH`", MOST_KEYS),
    Bound("strangers", "PROXY header of a trusted proxy", V2_AT_MOST, "bytes"),
    Bound("strangers", "TLS handshake", handshakes.HANDSHAKE_BYTES, "bytes"),
    Bound("strangers", "steps of handshakes and first requests, before the others' turn", fair_turns.TURN_S, "s"),
    Bound("strangers", "addresses that are known", admission.KNOWN_SOURCES_AT_MOST),
    Bound("strangers", "bytes before a connection is admitted", acceptor.UNADMITTED_BYTES, "bytes"),
    Bound("strangers", "descriptors", descriptors.RESERVED_DESCRIPTORS),
    Bound("strangers", "`/streaming/` before a token", STRANGERS_AT_MOST),
    Bound("strangers", "`/streaming/` before a token", teslamate.FIRST_MESSAGE_S, "s"),
    Bound("strangers", "`/streaming/` before a token", teslamate.REFUSED_S, "s"),
    Bound("strangers", "addresses that were turned away", turned_away.ADDRESSES_PER_CAUSE),
    Bound("strangers", "addresses that were turned away", turned_away.SHOWN_AT_MOST),
    Bound("vehicles", "replies that a vehicle does not take, or that wait for the disk", HELD_AT_MOST, "bytes"),
    Bound("vehicles", "replies that wait for outputs", UNCONFIRMED_AT_MOST, "bytes"),
    Bound("vehicles", "values, alerts, errors in one message", _wire.VALUES_AT_MOST),
    Bound("vehicles", "values, alerts, errors in one message", _wire.REPORTS_AT_MOST),
    Bound("vehicles", "values in one message, in `format=fleet`", FLEET_SIGNALS_AT_MOST),
    Bound("vehicles", "a message that takes long to process", HEAVY_S, "s"),
    Bound("vehicles", "a message that takes long to process", REST_TIMES),
    Bound("vehicles", "refused messages", REFUSED_AT_MOST),
    Bound("vehicles", "last values of one vehicle", last_values.FIELDS_AT_MOST),
    Bound("vehicles", "last values of one vehicle", last_values.VALUE_BYTES_AT_MOST, "bytes"),
    Bound("vehicles", "connections of one VIN", CONNECTIONS_PER_VIN),
    Bound("vehicles", "TLS sessions that wait to be resumed", tls.SESSIONS_AT_MOST),
    Bound("vehicles", "TLS sessions that wait to be resumed", tls.SESSIONS_BYTES_AT_MOST, "bytes"),
    Bound("vehicles", "TLS sessions that wait to be resumed", _tls_sessions.PER_CERTIFICATE),
    Bound("dashboards", "message", websocket.MESSAGE_LIMIT, "bytes"),
    Bound("dashboards", "messages", websocket.FRAMES_AT_MOST),
    Bound("dashboards", "messages", websocket.BYTES_AT_MOST, "bytes"),
    Bound("dashboards", "invalid messages", session.ERRORS_AT_MOST),
    Bound("dashboards", "invalid messages", session.ERRORS_WINDOW_S, "s"),
    Bound("dashboards", "renewals and subscriptions", session.CHANGES_AT_MOST),
    Bound("dashboards", "messages while the client reads nothing", websocket.FRAMES_UNREAD_AT_MOST),
    Bound("dashboards", "what a reader of server-sent events sends", sse_connection.PASSED_OVER_AT_MOST, "bytes"),
    Bound("dashboards", "silence of a reader of server-sent events", sse_connection.UNACKNOWLEDGED_S, "s"),
    Bound("dashboards", "answers that a slow client has yet to take", websocket.ANSWERS_OWED_AT_MOST),
    Bound("dashboards", "answers that a slow client has yet to take", websocket.ANSWER_BYTES_OWED_AT_MOST, "bytes"),
    Bound("dashboards", "what clients that do not read leave unsent, and views' rings", ALL_UNSENT_AT_MOST, "bytes"),
    Bound("dashboards", "what clients that do not read leave unsent, and views' rings", UNSENT_AT_LEAST, "bytes"),
    Bound("dashboards", "what dashboards with `since` and `interval` have merged, and not sent", ALL_MERGED_AT_MOST, "bytes"),
    Bound("dashboards", "what dashboards with `since` and `interval` have merged, and not sent", MERGED_AT_LEAST, "bytes"),
    Bound("dashboards", "TeslaMate: message", teslamate.SUBSCRIBE_LIMIT, "bytes"),
    Bound("dashboards", "TeslaMate: frames", teslamate.SAID_AT_MOST),
    Bound("dashboards", "TeslaMate: frames", teslamate_session.SUBSCRIPTIONS_AT_MOST),
    Bound("dashboards", "TeslaMate: tags and columns", teslamate_session.TAGS_AT_MOST),
    Bound("dashboards", "TeslaMate: tags and columns", teslamate_session.COLUMNS_AT_MOST),
    Bound("dashboards", "TeslaMate: refused or invalid messages in a row", teslamate_session.INVALID_AT_MOST),
    Bound("dashboards", "TeslaMate: rows that a client does not read", teslamate.UNSENT_AT_MOST, "bytes"),
    Bound("outputs", "events that an output has not delivered", runner_options.BATCH_EVENTS),
    Bound("outputs", "events that an output has not delivered", runner_options.BATCH_BYTES, "bytes"),
    Bound("outputs", "answers to a webhook", http_client.ANSWER_AT_MOST, "bytes"),
    Bound("outputs", "answers to a webhook", http_client.TRY_S, "s"),
    Bound("both", "pings, pongs, fragments", EMPTY_FRAMES_AT_MOST),
    Bound("both", "bytes that are not read yet", binding.RECEIVE_BUFFER_BYTES, "bytes"),
    Bound("both", "bytes read and parsed at once", READ_AT_MOST, "bytes"),
    Bound("both", "TLS messages without data (KeyUpdate)", tls_traffic.TLS_MESSAGES_BYTES, "bytes"),
    Bound("both", "TLS messages without data (KeyUpdate)", tls_traffic.LOOKS_APART, "s"),
)
