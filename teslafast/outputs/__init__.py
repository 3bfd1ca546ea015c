"""
Where events go besides dashboards: files, brokers, webhooks. What an output is, and the one table of them.

    log ──▶ Tail ──▶ Runner ──▶ Output ──▶ a file, a broker         one Runner an output, each with a cursor of its own

A new output is a module with its settings and its class, a row here, an extra in pyproject.toml if it needs a package, a page in
docs/outputs/ and a test: docs/contributing/adding-an-output.md. Nothing is imported for an output that is not set.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from ..core.tail import Event
from .shared import SharedSettings

__all__ = [
    "OUTPUTS",
    "Attentive",
    "Checkable",
    "Confirmations",
    "Context",
    "Event",
    "GapTeller",
    "Moving",
    "Output",
    "OutputGauges",
    "OutputRow",
    "Shape",
    "SharedSettings",
]


Shape = Literal["flat", "fleet", "protobuf"]  # of an event's body: outputs/shapes.py


class Output(Protocol):
    """
    One place that events go to. A Runner calls these from one task, one after the other.

    Whatever they raise is logged and tried again with a back-off: `close`, `connect`, `send` with the same events. Unreachable
    says that there is no connection; anything else, that something was refused or is broken. They never block the event loop.
    """

    async def connect(self) -> None:
        """Gets ready to send. Called again after each failure."""

    async def send(self, events: Sequence[Event]) -> None:
        """Returns when all of them have arrived: only then does the cursor move. May be given the same events again."""

    async def close(self) -> None:
        """Lets go of the connection, whatever state it is in."""


@runtime_checkable
class GapTeller(Protocol):
    """An output that can pass on that events were lost."""

    async def gap(self, first: int, last: int) -> None:
        """The events with these seqs left the ring before they could be sent. Like `send`, it may be called again."""


@runtime_checkable
class Attentive(Protocol):
    """An output that does something of its own accord: it holds values back for a moment, or its broker wants something."""

    async def attend(self) -> None:
        """Returns when there is something to do. Awaited while there is nothing to send; may be cancelled at any time. It raises
        when the connection ends."""

    async def flush(self, everything: bool) -> None:
        """Does it. `everything`: this is the end, nothing may be held back any longer."""

    def held_from(self) -> int | None:
        """The oldest seq of which something is held back: the cursor stays before it. None: nothing is."""


@runtime_checkable
class Checkable(Protocol):
    """An output with a check of its own for `teslafast outputs check`; the others are connected and closed."""

    async def check(self) -> str:
        """What was found, in one line. Raises what `connect` would. Does no harm to a server that runs with the same settings."""


class Confirmations(Protocol):
    """Whoever waits for an output: `core.reliable_acks.ReliableAcks`. `stop`: it wants no more, and confirms nothing after."""

    def confirm(self, output: str, seq: int) -> None: ...
    def lose(self, first: int, last: int) -> None: ...
    def stop(self) -> None: ...


class Moving(NamedTuple):
    """
    What an output has to know that moves from node to node of a cluster.

    cluster       the cluster's name, the same on every node
    within_s      how long it takes at most until another node works it, when this one has died
    is_connected  whether a vehicle is connected to any node
    """

    cluster: str
    within_s: float
    is_connected: Callable[[str], bool]


@dataclass(frozen=True)
class Context:
    """
    An event's id is `{epoch}-{seq}`. In `dropped` an output counts by cause what it does not deliver.

    `give_up` counts an event and says which it was, so that no vehicle is told that it has arrived (RELIABLE_ACKS).
    last_values    each vehicle that is known, and the last value of each of its fields
    shape          that its events' bodies have
    ending         is set when the server's end is wanted
    moving         None: no other node ever works this output
    moved          is set when another node goes on with it: nothing that says otherwise is to be told
    """

    epoch: str
    dropped: Counter[str]
    shared: SharedSettings = field(default_factory=SharedSettings)
    given_up: list[int] = field(default_factory=list)  # seqs, of the batch that is being sent; the runner clears it
    last_values: Callable[[], Iterable[tuple[str, Mapping[str, Any]]]] = tuple
    shape: Shape = "flat"
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    moving: Moving | None = None
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def event_id(self, event: Event) -> str:
        """The same whenever it is sent, and no other event's."""
        return f"{self.epoch}-{event.seq}"

    def give_up(self, seq: int, cause: str) -> None:
        self.dropped[cause] += 1
        self.given_up.append(seq)


@dataclass(frozen=True, kw_only=True)
class OutputGauges:
    """
    One output at the moment of a scrape. `lag_seconds`: the age of the oldest event that has not arrived.

    `here`: whether this node of several works it; None if there is one node.
    """

    state: str
    lag_events: int
    lag_seconds: float
    sent: int
    retried: int
    dropped: dict[str, int]
    rebuilt: int = 0
    here: bool | None = None

    def after(self, ended: OutputGauges | None) -> OutputGauges:
        """What is so now, with the counters of what was before."""
        if ended is None:
            return self
        return replace(
            self,
            sent=self.sent + ended.sent,
            retried=self.retried + ended.retried,
            rebuilt=self.rebuilt + ended.rebuilt,
            dropped={cause: self.dropped.get(cause, 0) + ended.dropped.get(cause, 0) for cause in ended.dropped | self.dropped},
        )


@dataclass(frozen=True, kw_only=True)
class OutputRow:
    """
    name       in /health, metrics, logs and cursors
    switch     the variable that turns it on
    module     in this package: imported when the variable is set, and needs no package that an extra brings
    settings   in that module: a frozen dataclass of settings, made as config's are
    output     in that module: Output, called with (settings, Context); only it imports what the extra brings
    extra      of pyproject.toml, "" if it needs none
    broker     OUTPUT_TYPES chooses its events; not if it takes all of them. Settings with `types` of their own go before that
    batch      most events given to one `send`
    linger_s   from one batch to the next, unless a whole one waits: what some events share the cost of
    shape      of its events' bodies; "record": as OUTPUT_DECODED says, fleet or protobuf. Settings' own `shape` goes before that

    If the settings have `parts()`, there is one output for each of the settings that it returns, with a cursor of its own.
    """

    name: str
    switch: str
    module: str
    settings: str
    output: str
    extra: str = ""
    broker: bool = True
    batch: int = 512  # what a broker confirms within a moment
    linger_s: float = 0.1  # the first event after a pause goes at once
    shape: Shape | Literal["record"] = "flat"


OUTPUTS = (
    OutputRow(name="jsonl", switch="JSONL_PATH", module="jsonl", settings="JsonlSettings", output="JsonlOutput", broker=False),
    OutputRow(name="mqtt", switch="MQTT_URL", module="mqtt", settings="MqttSettings", output="MqttOutput"),
    OutputRow(
        name="kafka",
        switch="KAFKA_BOOTSTRAP_SERVERS",
        module="kafka",
        settings="KafkaSettings",
        output="KafkaOutput",
        extra="kafka",
        shape="record",
    ),
    OutputRow(
        name="nats", switch="NATS_URL", module="nats", settings="NatsSettings", output="NatsOutput", extra="nats", shape="record"
    ),
    OutputRow(
        name="zmq", switch="ZMQ_BIND", module="zmq", settings="ZmqSettings", output="ZmqOutput", extra="zmq", shape="record"
    ),
    # databases: one write a second, not ten
    OutputRow(
        name="influx", switch="INFLUX_URL", module="influx", settings="InfluxSettings", output="InfluxOutput", linger_s=1.0
    ),
    OutputRow(
        name="postgres",
        switch="POSTGRES_URL",
        module="postgres",
        settings="PostgresSettings",
        output="PostgresOutput",
        extra="postgres",
        linger_s=1.0,
    ),
    # a batch that one slow vehicle's events fill is through within a runner's patience, at 1.8 s each
    OutputRow(
        name="webhook", switch="WEBHOOK_URL", module="webhook", settings="WebhookSettings", output="WebhookOutput", batch=32
    ),
    OutputRow(
        name="redis",
        switch="REDIS_URL",
        module="redis",
        settings="RedisSettings",
        output="RedisOutput",
        extra="redis",
        shape="record",
    ),
    OutputRow(
        name="kinesis",
        switch="KINESIS_STREAM",
        module="kinesis",
        settings="KinesisSettings",
        output="KinesisOutput",
        extra="kinesis",
        shape="record",
        batch=200,  # a request for each, if one vehicle sent them all
    ),
    OutputRow(
        name="pubsub",
        switch="PUBSUB_PROJECT_ID",
        module="pubsub",
        settings="PubsubSettings",
        output="PubsubOutput",
        shape="record",
    ),
)
