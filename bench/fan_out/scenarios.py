"""
What is measured, of which servers: the fan-out situations that an operator meets, from saturation to one slow reader.

Each row is run with a fresh server. `load` are options of bench/load/options.c, `env` goes to our server only.
"""

from dataclasses import dataclass, field, replace

from ..support import servers
from ..support.load_tools import Option
from ..support.servers import Server, teslafast

OURS = teslafast()
EVENTS = replace(teslafast("teslafast /sse"), reader_path="/sse?cache=false", event_stream=True)
COALESCING = teslafast("teslafast COALESCE_MS=5", {"COALESCE_MS": "5"})
PEERS = (servers.RAW_NAIVE, servers.NATS, servers.PICOWS, servers.WEBSOCKETS, servers.NODE)
ALL = (OURS, servers.RAW, *PEERS)


@dataclass(frozen=True)
class Scenario:
    what: str
    load: dict[str, Option]
    servers: tuple[Server, ...] = ALL
    size: int = 300
    env: dict[str, str] = field(default_factory=dict)
    tls: bool = False
    reader_query: str = ""


_STALL = {"readers": 100, "rate": 500, "warmup": 4, "seconds": 9}
_MANY: dict[str, Option] = {"publishers": 32, "rate": 1000, "readers": 100}
_SMALL_RING = {"RING_BYTES": str(4 << 20)}  # as large as the raw server's: full before the measured window begins
_OWN: dict[str, Option] = {"publishers": 8000, "rate": 4000, "own_only": True, "warmup": 2, "seconds": 5}

_SSE: dict[str, Option] = {"readers": 1000, "window": 64}
_SSE_SLOW: dict[str, Option] = {"readers": 1000, "rate": 20, "seconds": 5}

SCENARIOS: dict[str, Scenario] = {
    "S1": Scenario("100 readers, as fast as possible, 64 events in flight", {"readers": 100, "window": 64}),
    "S2": Scenario("1,000 readers, as fast as possible, 64 events in flight", {"readers": 1000, "window": 64}),
    "S2-tls": Scenario("S2 with TLS", {"readers": 1000, "window": 64, "reader_tls": True}, (OURS,), tls=True),
    "S3": Scenario("1,000 readers, 20 events/s", {"readers": 1000, "rate": 20, "seconds": 5}),
    "S3-tls": Scenario("S3 with TLS", {"readers": 1000, "rate": 20, "seconds": 5, "reader_tls": True}, (OURS,), tls=True),
    "S4": Scenario("5,000 readers, 5 events/s", {"readers": 5000, "rate": 5, "seconds": 5}),
    "few": Scenario("100 readers, 200 events/s", {"readers": 100, "rate": 200}, (OURS, servers.RAW)),
    "crowd": Scenario("10,000 readers, 2 events/s", {"readers": 10_000, "rate": 2, "seconds": 5}, (OURS, servers.RAW)),
    "S5": Scenario(
        "99 readers and one that never reads, 500 events/s of 3,000 bytes", {**_STALL, "stalled": 1}, ALL, 3000, _SMALL_RING
    ),
    "S5-none": Scenario("S5 without the one that never reads", {**_STALL, "readers": 99}, ALL, 3000, _SMALL_RING),
    "S6": Scenario("32 publishers, 100 events/s in all, 1,000 readers", {"publishers": 32, "rate": 100, "readers": 1000}),
    "S7": Scenario(
        "32 publishers, 1,000 events/s in all, 100 readers",
        _MANY,
        (OURS, COALESCING, servers.RAW, servers.RAW_5MS, *PEERS),
    ),
    "S7-tls": Scenario("S7 with TLS", {**_MANY, "reader_tls": True}, (OURS,), tls=True),
    "sse": Scenario("S2 with readers of server-sent events beside dashboards", _SSE, (OURS, EVENTS)),
    "sse-slow": Scenario("S3 with readers of server-sent events beside dashboards", _SSE_SLOW, (OURS, EVENTS)),
    "own": Scenario(
        "8,000 readers, each of its own one of 8,000 vehicles, 0.5 events/s a vehicle",
        {**_OWN, "readers": 8000},
        (OURS,),
        reader_query="&vin={vin}",
    ),
    "own-intake": Scenario("the same vehicles, nobody reads", {**_OWN, "readers": 0}, (OURS,)),
}
