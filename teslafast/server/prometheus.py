"""
`/metrics`: what the server counts, as Prometheus text.

One table says everything: a row a metric, its name outside (the reference server's where it means the same), its help, its label,
and where its value stands in a Gauges. prometheus-client writes the text; it is imported at the first scrape. No VIN, token or
address is ever a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ..metrics import Counts, Durations
from ..outputs import OutputGauges
from ..protocol._wire import TOPICS
from ..storage.checkpointer import JournalGauges

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TOPICS = {kind: topic.decode() for topic, kind in TOPICS.items()}
_SHORTEST = 5  # the first bucket shown: 32 µs


@dataclass(frozen=True, kw_only=True)
class Gauges:
    """
    The server at the moment of a scrape. `counts` stand on their own; the rest are gauges.

    connections        WebSocket connections by what they are
    readers            dashboards by the view that they read
    certificate_days   until the end of the certificate in use, None without TLS
    journal            None without JOURNAL_PATH
    outputs            by name; empty if none is set
    """

    counts: Counts
    vehicles: int = 0
    connections: Mapping[str, int] = field(default_factory=dict)
    unadmitted: int = 0
    readers: Mapping[str, int] = field(default_factory=dict)
    blocked: int = 0
    most_behind: int = 0
    sent_bytes: int = 0
    seq: int = 0
    events_kept: int = 0
    bytes_kept: int = 0
    ring_bytes: int = 0
    known_vehicles: int = 0
    uptime_s: float = 0.0
    draining: bool = False
    certificate_days: float | None = None
    journal: JournalGauges | None = None
    outputs: Mapping[str, OutputGauges] = field(default_factory=dict)


Value = float | Mapping[str, float] | Mapping[tuple[str, str], float] | Durations | None


@dataclass(frozen=True)
class Row:
    """`read` gives a number, one a label value (a pair of them if there are two labels), or None: there is nothing to tell."""

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


def _of_outputs(read: Callable[[OutputGauges], float]) -> Callable[[Gauges], Value]:
    return lambda now: {name: read(one) for name, one in now.outputs.items()} if now.outputs else None


def _dropped(now: Gauges) -> Value:
    return {(name, cause): count for name, one in now.outputs.items() for cause, count in one.dropped.items()} or None


TABLE = (
    # the reference's names
    Row("num_connections", "gauge", "vehicles' connections", lambda now: now.connections.get("vehicle", 0)),
    Row("record_total", "counter", "records taken, by topic", lambda now: _by_topic(now.counts.records), "record_type"),
    Row(
        "record_size_bytes_total",
        "counter",
        "bytes of records taken, by topic",
        lambda now: _by_topic(now.counts.record_bytes),
        "record_type",
    ),
    Row("signal_count", "unknown", "signals taken", lambda now: now.counts.signals),
    Row("rate_limit_exceeded_total", "counter", "messages over VEHICLE_RATE_LIMIT", _refused("rate_limit")),
    Row("record_too_big_total", "counter", "messages over MAX_FRAME_BYTES", _refused("too_large")),
    Row(
        "unexpected_record_err_total",
        "counter",
        "messages answered with an error reply because they could not be read",
        _refused("malformed", "unknown_sender", "too_large"),
    ),
    Row("unknown_message_type_error_total", "counter", "envelopes that carry no record", _refused("unknown_message_type")),
    Row("socket_err_total", "counter", "TLS handshakes that failed", lambda now: now.counts.tls_failures.total()),
    # ours: who is there
    Row("teslafast_vehicles", "gauge", "vehicles connected, each counted once", lambda now: now.vehicles),
    Row("teslafast_known_vehicles", "gauge", "vehicles whose last values are kept", lambda now: now.known_vehicles),
    Row("teslafast_connections", "gauge", "WebSocket connections", lambda now: now.connections, "role"),
    Row("teslafast_unadmitted", "gauge", "connections that have not been let in yet", lambda now: now.unadmitted),
    Row("teslafast_readers", "gauge", "dashboards, by the view that they read", lambda now: now.readers, "view"),
    # the log and its readers
    Row("teslafast_seq", "gauge", "seq of the newest event", lambda now: now.seq),
    Row("teslafast_events_kept", "gauge", "events that can be replayed", lambda now: now.events_kept),
    Row("teslafast_ring_used_bytes", "gauge", "bytes of the ring in use", lambda now: now.bytes_kept),
    Row("teslafast_ring_bytes", "gauge", "bytes of the ring (RING_BYTES)", lambda now: now.ring_bytes),
    Row("teslafast_readers_blocked", "gauge", "dashboards whose socket takes nothing just now", lambda now: now.blocked),
    Row("teslafast_most_behind_events", "gauge", "events that the slowest dashboard lacks", lambda now: now.most_behind),
    Row("teslafast_gaps_total", "counter", "gaps told to dashboards", lambda now: now.counts.gaps),
    Row("teslafast_sent_bytes_total", "counter", "bytes given to dashboards", lambda now: now.sent_bytes),
    Row("teslafast_turn_seconds", "histogram", "from a turn's first message to its last write", lambda now: now.counts.turns),
    # refusals and ends
    Row("teslafast_vin_mismatch_total", "counter", "records that named another VIN", lambda now: now.counts.vin_differs),
    Row("teslafast_messages_refused_total", "counter", "messages refused", lambda now: now.counts.refused_messages, "cause"),
    Row("teslafast_requests_refused_total", "counter", "requests refused", lambda now: now.counts.refused_requests, "cause"),
    Row(
        "teslafast_connections_refused_total",
        "counter",
        "connections ended before their request was read",
        lambda now: now.counts.refused_connections,
        "cause",
    ),
    Row("teslafast_tls_failures_total", "counter", "TLS handshakes that failed", lambda now: now.counts.tls_failures, "cause"),
    Row("teslafast_closes_total", "counter", "ends of WebSocket connections", lambda now: now.counts.closes, "cause"),
    Row("teslafast_accept_pauses_total", "counter", "pauses for want of descriptors", lambda now: now.counts.accept_pauses),
    # outputs
    Row("teslafast_output_up", "gauge", "1 while the output delivers", _of_outputs(lambda it: it.state == "up"), "output"),
    Row("teslafast_output_lag_events", "gauge", "events that have not arrived", _of_outputs(lambda it: it.lag_events), "output"),
    Row("teslafast_output_lag_seconds", "gauge", "age of the oldest of them", _of_outputs(lambda it: it.lag_seconds), "output"),
    Row("teslafast_output_sent_total", "counter", "events that have arrived", _of_outputs(lambda it: it.sent), "output"),
    Row("teslafast_output_retried_total", "counter", "events sent again", _of_outputs(lambda it: it.retried), "output"),
    Row("teslafast_output_dropped_total", "counter", "events that never will arrive", _dropped, "output", "cause"),
    # the server itself
    Row("teslafast_uptime_seconds", "gauge", "since the start", lambda now: now.uptime_s),
    Row("teslafast_draining", "gauge", "1 while it drains", lambda now: int(now.draining)),
    Row("teslafast_certificate_days", "gauge", "until the server's certificate expires", lambda now: now.certificate_days),
    Row(
        "teslafast_certificate_reloads_total",
        "counter",
        "certificates read anew: taken or refused",
        lambda now: now.counts.certificate_reloads,
        "outcome",
    ),
    Row(
        "teslafast_anchor_reloads_total",
        "counter",
        "changes of CA_PATH: taken or refused",
        lambda now: now.counts.anchor_reloads,
        "outcome",
    ),
    Row("teslafast_journal_recovered_events", "gauge", "events found at start", _of_journal(lambda it: it.recovered)),
    Row("teslafast_journal_cut_events", "gauge", "events at start that were no good", _of_journal(lambda it: it.cut)),
    Row("teslafast_journal_recovery_seconds", "gauge", "what that took", _of_journal(lambda it: it.recovery_s)),
    Row("teslafast_journal_unsaved_events", "gauge", "since the last checkpoint", _of_journal(lambda it: it.unsaved)),
    Row("teslafast_journal_sync_seconds", "histogram", "the journal to the disk", lambda now: now.counts.syncs),
)


def text(reading: Gauges) -> bytes:
    """The whole answer."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(reading))
    return generate_latest(registry) + generate_latest(_of_process())


@cache
def _of_process() -> Any:
    """Memory, CPU and descriptors, as prometheus-client reads them from /proc."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


class _Collector:
    def __init__(self, reading: Gauges) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Any]:
        for row in TABLE:
            value = row.read(self._reading)
            if value is not None:
                yield _family(row, value)


def _family(row: Row, value: Value) -> Any:
    from prometheus_client import core

    if isinstance(value, Durations):
        return core.HistogramMetricFamily(row.name, row.help, buckets=_cumulated(value), sum_value=value.sum_s)
    families = {"counter": core.CounterMetricFamily, "gauge": core.GaugeMetricFamily, "unknown": core.UntypedMetricFamily}
    make = families[row.kind]
    if not isinstance(value, Mapping):
        return make(row.name, row.help, value=value)
    family = make(row.name, row.help, labels=[label for label in (row.label, row.second_label) if label])
    for words, number in sorted(value.items()):
        family.add_metric([words] if isinstance(words, str) else words, number)
    return family


def _cumulated(durations: Durations) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for power, count in enumerate(durations.buckets):
        total += count
        if _SHORTEST <= power < Durations.LAST:
            buckets.append((str(2**power / 1e6), float(total)))
    return [*buckets, ("+Inf", float(total))]
