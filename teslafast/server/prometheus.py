"""
`/metrics`: what the server counts. exposition.py makes text of it.

The table says everything: one row for each metric, with its public name (the reference server's where it means the same), its
help text, its label, and where a Gauges holds its value. No VIN, token or address is ever a label.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import __version__
from ..metrics import Counts, Durations
from ..outputs import OutputGauges
from ..protocol._wire import TOPICS
from ..setup_checks import UpkeepGauges

if TYPE_CHECKING:
    from ..storage.checkpointer import JournalGauges

_BUILD = {(__version__, platform.python_version()): 1.0}
_TOPICS = {kind: topic.decode() for topic, kind in TOPICS.items()}


@dataclass(frozen=True, kw_only=True)
class Gauges:
    """
    The server at the moment of a scrape. `counts` are counters; the rest are gauges.

    connections        by role and door
    readers            dashboards by the view that they read
    unadmitted         connections that have not been admitted yet
    certificate_ends_s when the certificate in use ends (Unix time), None without TLS
    oldest_s           when the oldest event that is kept was published (Unix time), None if none is kept
    journal            None without JOURNAL_PATH
    outputs            by name; empty if none is set
    upkeep             None without TESLAFAST_STATE
    cluster            by the name of a row of CLUSTER_ROWS; None without CLUSTER_URL
    """

    counts: Counts
    vehicles: int = 0
    connections: Mapping[tuple[str, str], int] = field(default_factory=dict)
    unadmitted: int = 0
    readers: Mapping[str, int] = field(default_factory=dict)
    blocked: int = 0
    most_behind: int = 0
    sent_bytes: int = 0
    seq: int = 0
    events_kept: int = 0
    bytes_kept: int = 0
    ring_bytes: int = 0
    view_ring_bytes: int = 0
    known_vehicles: int = 0
    values_not_kept: int = 0
    events_not_shown: int = 0
    uptime_s: float = 0.0
    draining: bool = False
    log_lines_dropped: int = 0
    certificate_ends_s: float | None = None
    oldest_s: float | None = None
    journal: JournalGauges | None = None
    outputs: Mapping[str, OutputGauges] = field(default_factory=dict)
    upkeep: UpkeepGauges | None = None
    cluster: Mapping[str, float] | None = None


Value = float | Mapping[str, float] | Mapping[tuple[str, str], float] | Durations | None


@dataclass(frozen=True)
class Row:
    """`read` returns a number, one number for each value of the label (a pair, if there are two), or None if nothing applies."""

    name: str
    kind: str  # counter, gauge, histogram; unknown where the reference's counter does not end in _total
    help: str
    read: Callable[[Gauges], Value]
    label: str = ""
    second_label: str = ""


def _by_topic(counted: Mapping[str, int]) -> dict[str, float]:
    return {_TOPICS.get(kind, kind): counted[kind] for kind in counted}


def _refused(*causes: str) -> Callable[[Gauges], Value]:
    return lambda reading: sum(reading.counts.refused_messages[cause] for cause in causes)


def _of_journal(read: Callable[[JournalGauges], float]) -> Callable[[Gauges], Value]:
    return lambda now: None if now.journal is None else read(now.journal)


def _of_upkeep(read: Callable[[UpkeepGauges], Value]) -> Callable[[Gauges], Value]:
    return lambda now: None if now.upkeep is None else read(now.upkeep)


def _output(name: str, kind: str, text: str, read: Callable[[OutputGauges], float | None]) -> Row:
    """Without those outputs of which `read` says None."""

    def found(now: Gauges) -> Value:
        values = {output: read(one) for output, one in now.outputs.items()}
        return {output: value for output, value in values.items() if value is not None} or None

    return Row(f"teslafast_output_{name}", kind, text, found, "output")


def _here(output: OutputGauges) -> int | None:
    return None if output.here is None else int(output.here)


def _of_vehicles(now: Gauges) -> Value:
    return sum(count for (role, _), count in now.connections.items() if role == "vehicle")


def _dropped(now: Gauges) -> Value:
    return {(name, cause): count for name, one in now.outputs.items() for cause, count in one.dropped.items()} or None


def _of_cluster(name: str, kind: str, text: str) -> Row:
    return Row(f"teslafast_cluster_{name}", kind, text, lambda now: None if now.cluster is None else now.cluster[name])


CLUSTER_ROWS = (
    ("runs", "gauge", "nodes that the log knows of, this one included"),
    ("vehicles", "gauge", "vehicles connected to any node"),
    ("batches_total", "counter", "messages that this node has put into the log"),
    ("events_total", "counter", "events in them; divided by batches_total: events a message"),
    ("retries_total", "counter", "messages that were sent again: unanswered, or refused for the moment"),
    ("deferred_total", "counter", "of these, those that a NATS server put off: not so far yet (10164), or without a leader"),
    ("round_trip_seconds_total", "counter", "time until the log had them, of all messages together: divide by batches_total"),
    ("unstored_bytes", "gauge", "bytes that this node has taken in and the log has not"),
    ("away_seconds", "gauge", "for how long the log has not answered this node; 0 if it does"),
    ("behind", "gauge", "messages of the log that this node reads before it lets anybody in"),
    ("readers_total", "counter", "times that reading the log was begun"),
    ("holes_total", "counter", "times that a message was missing, and read again"),
    ("fenced_total", "counter", "times that the others took this node for dead"),
    ("lost_total", "counter", "times that the log had lost its end, or was another"),
    ("epochs_total", "counter", "beginnings of the log that this node has read: one at its start, and one for each new epoch"),
    ("values_from_peers_total", "counter", "vehicles whose last values another node has told"),
    ("disagreed_total", "counter", "times that another node counted differently: report it"),
    ("not_shown_total", "counter", "events of other nodes that this one could not read"),
    ("foreign_total", "counter", "messages in the log that no node writes: not batches, or they say what their version must not"),
)

TABLE = (
    # the reference's names
    Row("num_connections", "gauge", "WebSocket connections of vehicles", _of_vehicles),
    Row("record_total", "counter", "records accepted, by topic", lambda now: _by_topic(now.counts.records), "record_type"),
    Row(
        "record_size_bytes_total",
        "counter",
        "bytes of accepted records, by topic",
        lambda now: _by_topic(now.counts.record_bytes),
        "record_type",
    ),
    Row("signal_count", "unknown", "signals in accepted records", lambda now: now.counts.signals),
    Row(
        "rate_limit_exceeded_total",
        "counter",
        "messages refused because a vehicle exceeded VEHICLE_RATE_LIMIT",
        _refused("rate_limit"),
    ),
    Row(
        "record_too_big_total", "counter", "messages refused because they are larger than MAX_FRAME_BYTES", _refused("too_large")
    ),
    Row(
        "unexpected_record_err_total",
        "counter",
        "messages answered with an error reply because the server could not read them",
        _refused("malformed", "unknown_sender", "too_large"),
    ),
    Row(
        "unknown_message_type_error_total",
        "counter",
        "envelopes whose message type carries no record",
        _refused("unknown_message_type"),
    ),
    Row("socket_err_total", "counter", "failed TLS handshakes", lambda now: now.counts.tls_failures.total()),
    # ours: who is there
    Row("teslafast_vehicles", "gauge", "connected vehicles; one with several connections counts once", lambda now: now.vehicles),
    Row("teslafast_known_vehicles", "gauge", "vehicles whose last values the server keeps", lambda now: now.known_vehicles),
    Row(
        "teslafast_connections",
        "gauge",
        "connections, by role and by the door through which they came",
        lambda now: now.connections,
        "role",
        "door",
    ),
    Row("teslafast_unadmitted", "gauge", "connections that have not been admitted yet", lambda now: now.unadmitted),
    Row("teslafast_readers", "gauge", "dashboards, by the view that they read", lambda now: now.readers, "view"),
    # the log and its readers
    Row("teslafast_seq", "gauge", "seq of the newest event", lambda now: now.seq),
    Row("teslafast_events_kept", "gauge", "events that a dashboard can still replay", lambda now: now.events_kept),
    Row(
        "teslafast_ring_oldest_timestamp_seconds",
        "gauge",
        "when the oldest event that a dashboard can still replay was received, as Unix time",
        lambda now: now.oldest_s,
    ),
    Row("teslafast_ring_used_bytes", "gauge", "bytes of the ring in use", lambda now: now.bytes_kept),
    Row("teslafast_ring_bytes", "gauge", "size of the ring (RING_BYTES)", lambda now: now.ring_bytes),
    Row("teslafast_view_ring_bytes", "gauge", "size of all views' rings together", lambda now: now.view_ring_bytes),
    Row("teslafast_readers_blocked", "gauge", "dashboards whose socket buffer is full", lambda now: now.blocked),
    Row(
        "teslafast_most_behind_events",
        "gauge",
        "events that the slowest dashboard has not been given yet",
        lambda now: now.most_behind,
    ),
    Row("teslafast_gaps_total", "counter", "gaps reported to dashboards", lambda now: now.counts.gaps),
    Row("teslafast_sent_bytes_total", "counter", "bytes sent to dashboards", lambda now: now.sent_bytes),
    Row(
        "teslafast_turn_seconds",
        "histogram",
        "time from the first message of an event loop turn to its last write",
        lambda now: now.counts.turns,
    ),
    Row(
        "teslafast_values_not_kept_total",
        "counter",
        "values left out of a vehicle's last values, which are bounded; the events have them",
        lambda now: now.values_not_kept,
    ),
    Row(
        "teslafast_events_not_shown_total",
        "counter",
        "events left out of a view (format=fleet, interval) because they are too large for it",
        lambda now: now.events_not_shown,
    ),
    # refusals and ends
    Row(
        "teslafast_heavy_messages_total",
        "counter",
        "messages of vehicles that took long to process; the server then reads nothing of that vehicle for a while",
        lambda now: now.counts.heavy_messages,
    ),
    Row(
        "teslafast_unknown_values_total",
        "counter",
        "values of a type that this version does not know, kept as they came",
        lambda now: now.counts.unknown_values,
    ),
    Row(
        "teslafast_vin_mismatch_total",
        "counter",
        "records whose payload named another VIN than the certificate",
        lambda now: now.counts.vin_differs,
    ),
    Row(
        "teslafast_messages_refused_total",
        "counter",
        "messages of vehicles and dashboards that were refused, by cause",
        lambda now: now.counts.refused_messages,
        "cause",
    ),
    Row(
        "teslafast_requests_refused_total",
        "counter",
        "HTTP requests and upgrades that were refused, by cause",
        lambda now: now.counts.refused_requests,
        "cause",
    ),
    Row(
        "teslafast_connections_refused_total",
        "counter",
        "connections closed before their request was read, by cause",
        lambda now: now.counts.refused_connections,
        "cause",
    ),
    Row(
        "teslafast_proxy_headers_ignored_total",
        "counter",
        "headers that only a trusted proxy may send, from others (TRUSTED_PROXIES), by header",
        lambda now: now.counts.ignored_headers,
        "header",
    ),
    Row(
        "teslafast_tls_failures_total", "counter", "failed TLS handshakes, by cause", lambda now: now.counts.tls_failures, "cause"
    ),
    Row("teslafast_closes_total", "counter", "closed WebSocket connections, by cause", lambda now: now.counts.closes, "cause"),
    Row(
        "teslafast_accept_pauses_total",
        "counter",
        "times that the server stopped accepting because it ran out of file descriptors",
        lambda now: now.counts.accept_pauses,
    ),
    # outputs
    _output(
        "up",
        "gauge",
        "1 while the output delivers, else 0; of several nodes the one that works it says so",
        lambda it: None if it.state == "elsewhere" else int(it.state == "up"),
    ),
    _output("here", "gauge", "1 on the node that works the output, else 0; with CLUSTER_URL", _here),
    _output("lag_events", "gauge", "events that have not arrived yet", lambda it: it.lag_events),
    _output("lag_seconds", "gauge", "age of the oldest event that has not arrived yet", lambda it: it.lag_seconds),
    _output("sent_total", "counter", "events that have arrived", lambda it: it.sent),
    _output("retried_total", "counter", "events sent again after a failure", lambda it: it.retried),
    _output(
        "rebuilt_total",
        "counter",
        "records made again from an event's values, their own bytes not being kept",
        lambda it: it.rebuilt,
    ),
    Row("teslafast_output_dropped_total", "counter", "events given up, by cause", _dropped, "output", "cause"),
    # the set-up at Tesla
    Row(
        "teslafast_config_days",
        "gauge",
        "days until the first of all vehicles' configs expires (TESLAFAST_STATE)",
        _of_upkeep(lambda it: it.config_days),
    ),
    Row(
        "teslafast_login_days",
        "gauge",
        "days until the login at Tesla ends, unless it is refreshed (TESLAFAST_STATE)",
        _of_upkeep(lambda it: it.login_days),
    ),
    Row(
        "teslafast_renewals_total",
        "counter",
        "renewals of vehicles' configs, by outcome: renewed, skipped, refused or failed",
        _of_upkeep(lambda it: it.renewals),
        "outcome",
    ),
    Row(
        "teslafast_tesla_errors_total",
        "counter",
        "errors that vehicles reported to Tesla while the server missed them, by cause",
        _of_upkeep(lambda it: it.tesla_errors),
        "cause",
    ),
    # the server itself
    Row("teslafast_build_info", "gauge", "always 1; the labels say what runs", lambda now: _BUILD, "version", "python_version"),
    Row(
        "teslafast_round_failures_total",
        "counter",
        "failures of the server's periodic checks, by part; the checks go on",
        lambda now: now.counts.round_failures,
        "part",
    ),
    Row("teslafast_uptime_seconds", "gauge", "time since the server started", lambda now: now.uptime_s),
    Row("teslafast_draining", "gauge", "1 while the server drains, else 0", lambda now: int(now.draining)),
    Row(
        "teslafast_log_lines_dropped_total",
        "counter",
        "log lines dropped because whatever reads the log was too slow",
        lambda now: now.log_lines_dropped,
    ),
    Row(
        "teslafast_certificate_expiry_timestamp_seconds",
        "gauge",
        "when the server's certificate expires, as Unix time",
        lambda now: now.certificate_ends_s,
    ),
    Row(
        "teslafast_certificate_reloads_total",
        "counter",
        "reloads of the server's certificate, by outcome: taken or refused",
        lambda now: now.counts.certificate_reloads,
        "outcome",
    ),
    Row(
        "teslafast_anchor_reloads_total",
        "counter",
        "reloads of CA_PATH, by outcome: taken or refused",
        lambda now: now.counts.anchor_reloads,
        "outcome",
    ),
    Row(
        "teslafast_journal_recovered_events",
        "gauge",
        "events recovered from the journal at start",
        _of_journal(lambda it: it.recovered),
    ),
    Row(
        "teslafast_journal_stopped",
        "gauge",
        "1 while the log goes on in memory because the journal's disk does not work",
        _of_journal(lambda it: int(it.stopped)),
    ),
    Row("teslafast_journal_cut_events", "gauge", "events discarded while recovering the journal", _of_journal(lambda it: it.cut)),
    Row(
        "teslafast_journal_recovery_seconds",
        "gauge",
        "time that the recovery of the journal took",
        _of_journal(lambda it: it.recovery_s),
    ),
    Row("teslafast_journal_unsaved_events", "gauge", "events since the last checkpoint", _of_journal(lambda it: it.unsaved)),
    Row(
        "teslafast_journal_sync_seconds",
        "histogram",
        "time that a sync of the journal to the disk took",
        lambda now: now.counts.syncs,
    ),
    *(_of_cluster(*row) for row in CLUSTER_ROWS),
)
