"""
What the project promises about fan-out, compared with the figures of a run.

A row is (what, figure, direction, limit). A figure is the median of the rounds' own figures or ratios; a row whose scenario or
server was not measured is left out.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..support import servers
from ..support.servers import Server
from .scenarios import COALESCING, EVENTS, OURS

Runs = Sequence[Mapping[str, float]]
Rounds = Mapping[str, Mapping[str, Runs]]  # scenario -> server -> one entry a round
Figure = Callable[[Rounds], float]


def _runs(rounds: Rounds, scenario: str, server: Server) -> Runs:
    return rounds[scenario][server.name]


def value(key: str, scenario: str, server: Server = OURS) -> Figure:
    return lambda rounds: statistics.median(run[key] for run in _runs(rounds, scenario, server))


def ratio(key: str, ours: tuple[str, Server], theirs: tuple[str, Server]) -> Figure:
    """Median of the rounds' ratios."""

    def figure(rounds: Rounds) -> float:
        pairs = zip(_runs(rounds, *ours), _runs(rounds, *theirs), strict=True)
        return statistics.median(float(one[key] / other[key]) for one, other in pairs)

    return figure


def own_delivery(rounds: Rounds) -> float:
    """CPU of a delivery to a reader of its own vehicle, without the cost of taking the message in, in deliveries of S3."""
    per_event = "server_cpu_ns_per_event"
    rows = zip(*(_runs(rounds, scenario, OURS) for scenario in ("own", "own-intake", "S3")), strict=True)
    shares: list[float] = [(own[per_event] - intake[per_event]) / s3["server_cpu_ns"] for own, intake, s3 in rows]
    return statistics.median(shares)


def lost(rounds: Rounds) -> float:
    """Events lost or out of order, of all runs of our server."""
    ours = [runs for by_server in rounds.values() for name, runs in by_server.items() if name.startswith(OURS.name)]
    return sum(run["lost"] + run["disordered"] for runs in ours for run in runs)


SSE, SSE_SLOW = "sse", "sse-slow"
S2, S3, S7 = ("S2", OURS), ("S3", OURS), ("S7", OURS)
BARS: tuple[tuple[str, Figure, str, float], ...] = (
    ("S2: deliveries/s, of the raw C bound", ratio("deliveries_per_s", S2, ("S2", servers.RAW)), ">=", 0.85),
    ("S2: deliveries/s, times Node ws", ratio("deliveries_per_s", S2, ("S2", servers.NODE)), ">=", 25),
    ("S2: deliveries/s, times NATS", ratio("deliveries_per_s", S2, ("S2", servers.NATS)), ">=", 2.5),
    ("S3: CPU per delivery, of the raw C bound", ratio("server_cpu_ns", S3, ("S3", servers.RAW)), "<=", 1.15),
    ("S3: p99 latency, of the raw C bound", ratio("p99_us", S3, ("S3", servers.RAW)), "<=", 1.3),
    ("S7: CPU per delivery with COALESCE_MS=5, of that without", ratio("server_cpu_ns", ("S7", COALESCING), S7), "<=", 1 / 3),
    ("sse: CPU per delivery, of that to dashboards", ratio("server_cpu_ns", (SSE, EVENTS), (SSE, OURS)), "<=", 1.1),
    ("sse-slow: the same", ratio("server_cpu_ns", (SSE_SLOW, EVENTS), (SSE_SLOW, OURS)), "<=", 1.1),
    ("sse: KB per idle reader", value("kb_per_idle_reader", SSE, EVENTS), "<=", 8),
    ("S7: p99 latency with COALESCE_MS=5, µs", value("p99_us", "S7", COALESCING), "<=", 12_000),
    ("S2: CPU per delivery with TLS, of that without", ratio("server_cpu_ns", ("S2-tls", OURS), S2), "<=", 2),
    ("S3: CPU per delivery with TLS, of that without", ratio("server_cpu_ns", ("S3-tls", OURS), S3), "<=", 2),
    ("S7: CPU per delivery with TLS, of that without", ratio("server_cpu_ns", ("S7-tls", OURS), S7), "<=", 2),
    ("own vehicle each: CPU per delivery, of S3's", own_delivery, "<=", 1.3),
    ("S4: KiB of memory per idle dashboard", value("kb_per_idle_reader", "S4"), "<=", 8),
    ("S5: p99 latency, of that without the stalled reader", ratio("p99_us", ("S5", OURS), ("S5-none", OURS)), "<=", 1.2),
    ("S5: MB of growth once the ring is full", value("growth_mb", "S5"), "<=", 1),
    ("events lost or out of order, in all runs", lost, "<=", 0),
)


def verdicts(rounds: Rounds) -> Iterator[str]:
    """One line for each bar: met or missed."""
    for what, figure, direction, limit in BARS:
        try:
            reached = figure(rounds)
        except KeyError:  # not part of this comparison
            continue
        met = reached >= limit if direction == ">=" else reached <= limit
        yield f"{'met   ' if met else 'MISSED'}  {what}: {reached:,.2f} ({direction} {limit:,.2f})"
