"""
A real Redis, Debian's redis-server: started, killed, and started again on the same port; and what subscribers hear, by redis-py.

    RedisServer     the process, which keeps nothing on the disk; `options` are further words of its command line
    RedisCluster    three of them that share the slots
    Listener        a subscriber in a thread of its own, in order; it comes back when the server does
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.peers import PATIENCE_S
from tests.support.ports import free_port
from tests.support.started import Started


class RedisServer(Started):
    def __init__(self, *options: str, plain: bool = True) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        ports = ["--port", str(self.port)] if plain else ["--port", "0", "--tls-port", str(self.port)]
        common = ["--bind", "127.0.0.1", "127.0.0.2", "--save", "", "--dir", self._folder.name]
        self.bus = free_port()  # of a cluster's nodes: by itself it is the port plus 10,000, which may be anybody's
        bus = ["--cluster-port", str(self.bus)] if "--cluster-enabled" in options else []
        self._command = ["redis-server", *ports, *common, *options, *bus]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return self._command

    @contextlib.contextmanager
    def client(self, **options: Any) -> Iterator[Any]:
        with redis.Redis(port=self.port, **options) as client:
            yield client

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        self._folder.cleanup()


class RedisCluster:
    def __init__(self) -> None:
        self.nodes = [RedisServer("--cluster-enabled", "yes") for _ in range(3)]

    @property
    def url(self) -> str:
        return ",".join(node.url for node in self.nodes)

    def _is_whole(self) -> bool:
        states = []
        for node in self.nodes:
            with node.client() as client:
                info = client.cluster("INFO")
                states.append((info["cluster_state"], info["cluster_known_nodes"]))
        return states == [("ok", "3")] * 3

    def __enter__(self) -> Self:
        for number, node in enumerate(self.nodes):
            node.start()
            with node.client() as client:
                first, last = (16384 * number // 3, 16384 * (number + 1) // 3)
                client.execute_command("CLUSTER ADDSLOTS", *range(first, last))
                client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port, self.nodes[0].bus)
        until_s = time.monotonic() + PATIENCE_S
        while not self._is_whole():
            assert time.monotonic() < until_s, "the cluster does not come together"
            time.sleep(0.02)  # nothing tells when it does
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for node in self.nodes:
            node.__exit__(kind, error, trace)


class Heard(NamedTuple):
    channel: str
    body: bytes


class Listener:
    """`names`: channels, or patterns if they hold a `*`. `heard` grows in the order of arrival."""

    def __init__(self, port: int, *names: str) -> None:
        self.heard: list[Heard] = []
        self.subscribed = 0
        self._port = port
        self._names = names
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def _live(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(redis.ConnectionError):
                self._listen()
            self._ended.wait(0.02)

    def _listen(self) -> None:
        with redis.Redis(port=self._port, retry=Retry(NoBackoff(), 0)) as client, client.pubsub() as listener:
            for name in self._names:
                (listener.psubscribe if "*" in name else listener.subscribe)(name)
            confirmed = 0
            while not self._ended.is_set():
                message = listener.get_message(timeout=0.1)
                if message is None:
                    continue
                with self._changed:
                    confirmed += message["type"] in ("subscribe", "psubscribe")
                    if message["type"] in ("message", "pmessage"):
                        self.heard.append(Heard(message["channel"].decode(), message["data"]))
                    elif confirmed == len(self._names):
                        self.subscribed += 1
                    self._changed.notify_all()

    def wait_subscribed(self, times: int) -> None:
        self._until(lambda: self.subscribed >= times)

    def wait_for(self, found: Callable[[Sequence[Heard]], bool]) -> list[Heard]:
        self._until(lambda: found(self.heard))
        return list(self.heard)

    def _until(self, reached: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(reached, PATIENCE_S), f"it never came: {[one.channel for one in self.heard[-10:]]}"

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_subscribed(1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(PATIENCE_S)
