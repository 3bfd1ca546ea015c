"""
A real MQTT broker, Debian's mosquitto: started, killed, and started again on the same port; and an independent client.

    Mosquitto    the process, with the lines of configuration that a test needs
    Gate         a port that leads to it while it is open: who comes first after a restart is the test's choice
    Subscriber   paho in a thread of its own: what a consumer sees, in order

Both wait for what they see, never for time to pass.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from tests.support.peers import PATIENCE_S
from tests.support.started import Started


class Mosquitto(Started):
    """`options`: further lines of its configuration. It remembers what is retained as long as it runs, and no longer."""

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__()
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        # started by root it would become another user, who may not read a test's files
        lines = ["user root", f"listener {self.port} 127.0.0.1", "log_dest none", *options]
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines.append("allow_anonymous true")
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return self._command


class Listening(Protocol):
    port: int


class Gate:
    """Passes bytes on to a broker. Closed, it ends every connection at once; `cut` ends those that are there."""

    def __init__(self, broker: Listening) -> None:
        self._broker = broker
        self._server = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[socket.socket] = []
        self.is_open = True
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.url = f"mqtt://{self.address}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self._is_closed():
                client.close()
                continue
            try:
                behind = socket.create_connection(("127.0.0.1", self._broker.port))
            except OSError:
                client.close()
                continue
            self._pairs += [client, behind]
            if self._is_closed():  # since it came
                self.cut()
            for ends in ((client, behind), (behind, client)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _is_closed(self) -> bool:
        return not self.is_open

    def cut(self) -> None:
        for one in self._pairs:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        self._thread.join(PATIENCE_S)


class Received(NamedTuple):
    topic: str
    payload: bytes
    retained: bool


class Subscriber:
    """Everything below `topic`, in the order in which it came. It comes back by itself when the broker does."""

    def __init__(self, broker: Mosquitto, topic: str = "#") -> None:
        import paho.mqtt.client as paho

        self.messages: list[Received] = []
        self._changed = threading.Condition()
        self._topic = topic
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)  # type: ignore[attr-defined]
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._is_subscribed()
        self._client.on_message = lambda client, data, message: self._take(message)
        self._subscribed = 0
        self._broker = broker

    def _is_subscribed(self) -> None:
        with self._changed:
            self._subscribed += 1
            self._changed.notify_all()

    def _take(self, message: Any) -> None:
        with self._changed:
            self.messages.append(Received(message.topic, message.payload, message.retain))
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._broker.port)
        self._client.loop_start()
        self.wait_subscribed(1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_subscribed(self, times: int) -> None:
        self._until(lambda: self._subscribed >= times, f"not subscribed {times} times")

    def wait_for(self, found: Callable[[list[Received]], bool]) -> list[Received]:
        self._until(lambda: found(self.messages), "it never came")
        return self.messages

    def _until(self, reached: Callable[[], bool], otherwise: str) -> None:
        with self._changed:
            assert self._changed.wait_for(reached, PATIENCE_S), f"{otherwise}: {[one.topic for one in self.messages][-20:]}"

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def of(self, topic: str) -> list[bytes]:
        """The payloads of one topic, as they came."""
        return [one.payload for one in list(self.messages) if one.topic == topic]

    def value(self, topic: str) -> bytes:
        """The next, or the last, payload of a topic: waits until there is one."""
        self.wait_for(lambda messages: any(one.topic == topic for one in messages))
        return self.of(topic)[-1]
