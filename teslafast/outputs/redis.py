"""
Redis: each record is published to its vehicle's channel, and to the channels that its subscribers have leased.

    NS_TYPE_{VIN}             the vehicle's channel; the braces are meant: a cluster keeps a vehicle's names on one node
    PREFIX_NS_TYPE_{VIN}      a sorted set: members are channels, scores the second until which each is leased

    batch ──▶ the sets of its vehicles: what has expired is removed, the rest read        one round trip
          └─▶ PUBLISH to each leased channel, then to the vehicle's                       one round trip for PIPELINE commands

A vehicle's commands go over one connection, in order. Of a batch that failed halfway only what Redis has not answered is sent
again: redis-py makes the connections, packs commands, reads answers and a cluster's map, but its pipelines do not tell which of
their commands were answered before a connection broke.

Redis keeps nothing: what is published while nobody listens is gone. It is counted (`no_subscriber`), where one server can tell.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..disk_thread import DiskReader
from ..errors import Undelivered, Unreachable
from ..logs import fields, log
from . import Context, Event
from .redis_settings import RedisSettings
from .runner_options import REFUSED
from .shapes import topic

__all__ = ["RedisOutput", "RedisSettings"]

NO_SUBSCRIBER = "no_subscriber"
PIPELINE = 128  # commands that are written before their answers are read: some 1 ms of the event loop
PIPELINE_BYTES = 256 * 1024
LEASES_AT_MOST = 1000  # channels of one set: whoever may write to it must not be able to hold up the others
REDIS_ANSWER_S = 20.0
_NAMES_AT_MOST = 20_000
_AWAY = ("LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ASK", "TRYAGAIN", "READONLY")  # it will be another answer soon
_LOGIN = ("invalid username-password", "WRONGPASS", "NOAUTH", "Authentication required")

Socket = Any  # a connection of redis-py's
Command = tuple[str | bytes | int, ...]


class VehicleChannel(NamedTuple):
    """A vehicle's, for one type of record. `leases`: the key of its sorted set."""

    name: bytes
    leases: bytes
    connection: Socket


class RedisPublication(NamedTuple):
    """One PUBLISH. `leased`: to a channel that a subscriber named; `last`: the event's last."""

    event: Event
    channel: bytes
    leased: bool
    last: bool


class RedisOutput:
    def __init__(self, settings: RedisSettings, context: Context, wall: Callable[[], float] = time.time) -> None:
        import redis.asyncio
        import redis.exceptions

        self._redis: Any = redis
        self._errors = (redis.exceptions.RedisError, redis.exceptions.RedisClusterException, OSError)
        self._settings = settings
        self._files = DiskReader("redis_files")
        self._context = context
        self._wall = wall
        context.dropped[REFUSED] += 0  # a counter is there before it counts
        context.dropped[NO_SUBSCRIBER] += 0
        self._cluster: Any = None
        self._connections: dict[tuple[str, int], Socket] = {}
        self._channels: dict[tuple[int, str], VehicleChannel] = {}
        self._answered: set[int] = set()  # seqs of the batch that is being sent
        self._said: set[str] = set()  # what an operator has been told once

    # ---- of an Output

    async def connect(self) -> None:
        try:
            await self._files.look_at(map(Path, self._settings.servers.files.values()))
            async with asyncio.timeout(REDIS_ANSWER_S):
                if self._settings.servers.is_cluster:
                    await self._map_cluster()
                else:
                    await self._connected(self._settings.servers.addresses[0])
        except self._errors as error:
            raise self._trouble(error) from None

    async def send(self, events: Sequence[Event]) -> None:
        try:
            async with asyncio.timeout(REDIS_ANSWER_S):
                await self._publish([event for event in events if event.seq not in self._answered])
        except TimeoutError:
            raise Unreachable(f"Redis does not answer within {REDIS_ANSWER_S:g} s") from None
        except self._errors as error:
            raise self._trouble(error) from None
        self._answered.clear()

    async def check(self) -> str:
        """Publishes nothing: a subscriber of a pattern would get it."""
        try:
            await self.connect()
            if self._cluster is not None:
                nodes = self._cluster.get_primaries()
                return f"logged in to a cluster of {len(nodes)} node{'s'[: len(nodes) != 1]}"
            host, port = self._settings.servers.addresses[0]
            return f"logged in to {host}:{port}"
        finally:
            await self.close()

    async def close(self) -> None:
        connections, self._connections = self._connections, {}
        cluster, self._cluster = self._cluster, None
        self._channels.clear()
        for connection in connections.values():
            await connection.disconnect(nowait=True)
        if cluster is not None:
            await cluster.aclose()

    # ---- connections

    async def _map_cluster(self) -> None:
        servers = self._settings.servers
        node = self._redis.asyncio.cluster.ClusterNode
        self._cluster = self._redis.asyncio.RedisCluster(
            startup_nodes=[node(host, port) for host, port in servers.addresses],
            ssl=servers.encrypted,
            protocol=2,
            **servers.options(),
        )
        await self._cluster.initialize()
        for one in self._cluster.get_primaries():
            await self._connected((one.host, one.port))

    async def _connected(self, address: tuple[str, int]) -> None:
        servers, of_asyncio = self._settings.servers, self._redis.asyncio
        make = of_asyncio.SSLConnection if servers.encrypted else of_asyncio.Connection
        self._connections[address] = connection = make(
            host=address[0],
            port=address[1],
            db=servers.db,
            protocol=2,
            client_name="teslafast",
            socket_keepalive=True,
            retry=of_asyncio.retry.Retry(self._redis.backoff.NoBackoff(), 0),  # the runner's turn
            **servers.options(),
        )
        await connection.connect()
        await connection.send_command("PING", check_health=False)
        await connection.read_response()

    def _trouble(self, error: Exception) -> Undelivered:
        """What Redis, or redis-py, has said, as what it means here. It names no password."""
        words = " ".join(str(error).split()) or type(error).__name__
        known = self._redis.exceptions
        of_login = any(sign in words for sign in _LOGIN)  # a cluster's map has no type of its own for them
        if of_login or isinstance(error, known.AuthenticationError | known.AuthorizationError):
            return Undelivered(f"Redis refuses the login of REDIS_URL: {words}")
        if isinstance(error, known.ConnectionError | known.TimeoutError | known.RedisClusterException | OSError):
            return Unreachable(f"Redis cannot be reached: {words}")
        return (Unreachable if _is_away(error) else Undelivered)(f"Redis says: {words}")

    def _channel(self, event: Event) -> VehicleChannel:
        key = event.kind, event.vin
        found = self._channels.get(key)
        if found is None:
            if len(self._channels) >= _NAMES_AT_MOST:
                self._channels.clear()
            name = f"{self._context.shared.namespace}_{topic(event)}_{{{event.vin}}}"
            leases = f"{self._settings.subscriber_sets}_{name}".encode()
            found = VehicleChannel(name.encode(), leases, self._connection_for(name))
            self._channels[key] = found
        return found

    def _connection_for(self, name: str) -> Socket:
        if self._cluster is None:
            return next(iter(self._connections.values()))
        node = self._cluster.get_node_from_key(name)
        if node is None or (node.host, node.port) not in self._connections:
            raise Unreachable("the cluster has no node for some vehicles")
        return self._connections[node.host, node.port]

    # ---- publishing

    async def _publish(self, events: Sequence[Event]) -> None:
        if not self._connections:
            raise Unreachable("there is no connection to Redis")
        leased = await self._leased(events) if self._settings.subscriber_sets else {}
        by_connection: dict[int, tuple[Socket, list[RedisPublication]]] = {}
        for event in events:
            channel = self._channel(event)
            _, work = by_connection.setdefault(id(channel.connection), (channel.connection, []))
            names = [(name, True) for name in leased.get(channel.leases, ())]
            if self._settings.vin_topics:
                names.append((channel.name, False))
            work += [RedisPublication(event, name, named, at == len(names)) for at, (name, named) in enumerate(names, 1)]
            if not names:
                self._context.dropped[NO_SUBSCRIBER] += 1
                self._answered.add(event.seq)
        for connection, work in by_connection.values():
            await self._publish_over(connection, work)

    async def _publish_over(self, connection: Socket, work: Sequence[RedisPublication]) -> None:
        start = receivers = 0
        while start < len(work):
            end, size, commands = start, 0, []
            while end < len(work) and end - start < PIPELINE and size < PIPELINE_BYTES:
                body = work[end].event.body
                commands.append(("PUBLISH", work[end].channel, body))
                size += len(body)
                end += 1
            answers = await self._answers(connection, commands)
            for one, answer in zip(work[start:end], answers, strict=True):
                receivers += self._receivers(one, answer)
                if one.last:
                    self._answered.add(one.event.seq)
                    self._context.dropped[NO_SUBSCRIBER] += not receivers and self._cluster is None
                    receivers = 0
            start = end

    def _receivers(self, one: RedisPublication, answer: Any) -> int:
        """How many got it. Raises what Redis said, unless a subscriber chose a channel that we may not publish to."""
        if not isinstance(answer, Exception):
            return int(answer)
        if not one.leased or not isinstance(answer, self._redis.exceptions.NoPermissionError):
            raise answer
        self._context.dropped[REFUSED] += 1
        self._say_once("redis_channel_refused", channel=one.channel.decode("utf-8", "replace"), vin=one.event.vin)
        return 0

    async def _leased(self, events: Sequence[Event]) -> dict[bytes, Sequence[bytes]]:
        """The channels in these events' sets, by the sets' keys, without those whose lease has expired."""
        channels = list({channel.leases: channel for channel in map(self._channel, events)}.values())
        found: dict[bytes, Sequence[bytes]] = {}
        now = f"({int(self._wall())}"
        by_connection: dict[int, list[VehicleChannel]] = {}
        for channel in channels:
            by_connection.setdefault(id(channel.connection), []).append(channel)
        for of_one in by_connection.values():
            commands: list[Command] = []
            for channel in of_one:
                commands.append(("ZREMRANGEBYSCORE", channel.leases, "-inf", now))
                commands.append(("ZRANGE", channel.leases, 0, LEASES_AT_MOST))
            answers = await self._answers(of_one[0].connection, commands)
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            for channel, members in zip(of_one, answers[1::2], strict=True):
                if len(members) > LEASES_AT_MOST:
                    self._say_once("redis_too_many_leases", key=channel.leases.decode(), most=LEASES_AT_MOST)
                found[channel.leases] = members[:LEASES_AT_MOST]
        return found

    async def _answers(self, connection: Socket, commands: Sequence[Command]) -> list[Any]:
        """One for each command; what Redis refuses is an exception among them."""
        await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(await connection.read_response())
            except self._redis.exceptions.ResponseError as error:
                answers.append(error)
        return answers

    def _say_once(self, event: str, **said: object) -> None:
        if event not in self._said:
            self._said.add(event)
            log.warning(event, extra=fields(**said))


def _is_away(error: Exception) -> bool:
    return str(error).startswith(_AWAY) or type(error).__name__ in ("BusyLoadingError", "ReadOnlyError", "MovedError", "AskError")
