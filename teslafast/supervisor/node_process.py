"""
One node of `serve --nodes`: a process `teslafast serve --as-node FD` that has its end of a socket pair open as FD.

    spawned ──▶ hello ──▶ listening, asked how it is ──▶ joined
                             │ a fault of the settings: told, and the process ends with status 2
"""

from __future__ import annotations

import asyncio
import base64
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..errors import Misconfigured
from ..logs import fields, log
from ..server.node_link import NodeLink, line_of
from .child import Child, bound_to_us


class NodeOwner(Protocol):
    """What a node needs of the supervisor."""

    environment: Mapping[str, str]
    jwt_secret: bytes
    ticket_secret: bytes
    own_log: bool

    @property
    def anybody_listens(self) -> bool: ...
    def on_fault(self, error: Misconfigured) -> None: ...
    def on_listening(self, ports: list[int]) -> None: ...
    def on_joined(self) -> None: ...
    def on_settled(self) -> None: ...
    def on_wanted(self, node: NodeProcess) -> None:
        """It asks how all of them are."""


class NodeProcess(Child):
    """`number`: from 1."""

    def __init__(self, number: int, site: NodeOwner) -> None:
        super().__init__(f"node {number}")
        self.number = number
        self._site = site
        self._link: NodeLink | None = None
        self._fault: Misconfigured | None = None
        self._asked = 0
        self._answers: dict[int, Callable[[dict[str, Any]], object]] = {}
        self.listening = False
        self._heard_s = 0.0
        self.settled: int | None = None  # the seq of what its vehicles left last, once they are gone

    def _hello(self) -> dict[str, Any]:
        site = self._site
        return {
            "node": self.number,
            "jwt_secret": base64.b64encode(site.jwt_secret).decode(),
            "ticket_secret": base64.b64encode(site.ticket_secret).decode(),
            "listens_at_once": not site.anybody_listens,
            "own_log": site.own_log,
        }

    async def spawn(self) -> Process:
        ours, its = socket.socketpair()
        self._fault = self.settled = None
        self.heard()
        with its:
            ours.sendall(line_of(self._hello()))
            ours.setblocking(False)
            loop = asyncio.get_running_loop()
            _, self._link = await loop.create_unix_connection(lambda: NodeLink(self._take, lambda: None), sock=ours)
            options = [f"-W{option}" for option in sys.warnoptions]
            command = [sys.executable, "-P", *options, "-m", "teslafast", "serve", "--as-node", str(its.fileno())]
            environment = self._environment()
            # Without us it has nothing to do if the log ends with us, too; else it drains, and must not be stopped for that.
            at_our_end = signal.SIGKILL if self._site.own_log else signal.SIGCONT
            # a session of its own: Ctrl-C is for the supervisor
            process = await asyncio.create_subprocess_exec(
                *bound_to_us(at_our_end, command),
                stdin=DEVNULL,
                pass_fds=(its.fileno(),),
                start_new_session=True,
                env=environment,
            )
        log.info("node_started", extra=fields(node=self.number, pid=process.pid))
        return process

    def _environment(self) -> dict[str, str]:
        """Each has a checkpoint of its own."""
        environment = dict(self._site.environment)
        if environment.get("STATE_PATH"):
            environment["STATE_PATH"] += f".{self.number}"
        return environment

    def has_ended(self) -> None:
        self.listening = False
        self.settled = 0 if self.settled is None else self.settled
        if self._link is not None:
            self._link.close()
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            answer({})
        self._site.on_settled()

    def why(self) -> str:
        return str(self._fault) if self._fault is not None else ""

    # ---- what it says

    def heard(self) -> None:
        self._heard_s = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Since its last word, or its start."""
        return time.monotonic() - self._heard_s if self.process is not None else 0.0

    def _take(self, message: dict[str, Any]) -> None:
        self.heard()
        if "fault" in message:
            self._fault = Misconfigured(*message["fault"])
            self._site.on_fault(self._fault)
        elif "report" in message:
            answer = self._answers.pop(message["report"], None)
            if answer is not None:
                answer(message)
        elif "want" in message:
            self._site.on_wanted(self)
        elif message.get("state") == "listening":
            self.listening = True
            self._site.on_listening(message["ports"])
        elif message.get("state") == "joined":
            self._site.on_joined()
        elif message.get("state") == "settled":
            self.settled = message["seq"]
            self._site.on_settled()

    # ---- what it is told

    def ask(self, answer: Callable[[dict[str, Any]], object]) -> int:
        """`answer(report)`: {} if the node ends meanwhile. Returns what `forget` wants."""
        self._asked += 1
        self._answers[self._asked] = answer
        self.say({"ask": self._asked})
        return self._asked

    def forget(self, asked: int) -> None:
        self._answers.pop(asked, None)

    def say(self, message: Mapping[str, Any]) -> None:
        if self._link is not None:
            self._link.tell(message)

    @property
    def away_s(self) -> float:
        return 0.0 if self.listening else time.monotonic() - self.away_since_s
