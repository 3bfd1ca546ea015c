"""
Several processes as one server: starts them, starts again what dies, and ends them in order.

    start    own NATS server, if there is to be one ──▶ all nodes at once; they listen on the same ports
    ask      any node asks how all are; the answer is there after REPORT_S at the latest, and names those that are silent
    end      nodes drain, then NATS ends. A node that the settings keep from starting ends the whole, with its one line

A node ends when its supervisor has gone, and so does NATS: nothing is left behind by a kill.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable, Mapping
from typing import Any

from ..config import Settings
from ..errors import Misconfigured
from ..logs import fields, log
from ..server.terminal import StartingTerminal
from .node_process import NodeProcess
from .own_nats import OwnNats
from .shared_ports import SharedPorts

REPORT_S = 1.0  # a node that does not answer for so long is not well
NATS_END_S = 5.0
WATCH_TICK_S = 1.0
HANGS_AFTER = 4  # × NODE_DEAD_SECONDS without a sign of life: the kernel still gives it every Nth connection


class Supervisor:
    """
    environment    for the nodes, besides ports and NATS
    own_nats       that has been prepared; None with CLUSTER_URL
    on_listening   called once, with the ports, as `running.serve` calls it
    """

    def __init__(
        self,
        settings: Settings,
        count: int,
        environment: Mapping[str, str],
        ports: SharedPorts,
        own_nats: OwnNats | None,
        on_listening: Callable[[list[int]], object] = lambda ports: None,
    ) -> None:
        self._settings = settings
        self._own_nats = own_nats
        numbers = {variable: str(port) for variable, port in ports.numbers.items()}
        nats = own_nats.environment() if own_nats is not None else {}
        self.environment: Mapping[str, str] = {**environment, "HOST": settings.host, "REUSE_PORT": "true", **numbers, **nats}
        self.jwt_secret = settings.jwt_secret
        self.ticket_secret = secrets.token_bytes(32)
        self.own_log = own_nats is not None
        self._tell_listening: Callable[[list[int]], object] | None = on_listening
        self._nodes = [NodeProcess(number, self) for number in range(1, count + 1)]
        self._has_joined = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._fault: Misconfigured | None = None
        self._ending = asyncio.Event()

    # ---- its life

    async def run(self) -> None:
        """Until a signal, and the end of all processes after it. Raises Misconfigured."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        terminal = StartingTerminal()
        loop.add_signal_handler(signal.SIGHUP, lambda: self._on_signal() if terminal.has_gone() else self._reload())
        nats = self._own_nats
        if nats is not None:
            log.info("own_nats", extra=fields(folder=str(nats.folder), meaning="the log of all nodes; nats.log is its own log"))
            nats_life = loop.create_task(nats.live())
        lives = [loop.create_task(node.live()) for node in self._nodes]
        watching = loop.create_task(self._watch())
        await self._ending.wait()
        watching.cancel()
        await asyncio.gather(*(node.ended(self._settings.drain_seconds) for node in self._nodes))
        await asyncio.gather(*lives)
        if nats is not None:
            nats.begin_end()
            nats.tell(signal.SIGTERM)
            await nats.ended(NATS_END_S)
            await nats_life
        if self._fault is not None:
            raise self._fault
        log.info("all_stopped", extra=fields(restarts=sum(node.restarts for node in self._nodes)))

    async def _watch(self) -> None:
        """A node that hangs is killed, and so started again. If it was us who hung, nobody is blamed for it."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + WATCH_TICK_S
            for node in self._nodes:
                node.say({"ping": True})
            await asyncio.sleep(WATCH_TICK_S)
            was_late = loop.time() - due_s > WATCH_TICK_S
            for node in self._nodes:
                if was_late:
                    node.heard()
                elif node.silent_s > HANGS_AFTER * self._settings.node_dead_seconds:
                    log.error(
                        "process_killed", extra=fields(process=node.what, cause="it hangs", silent_s=round(node.silent_s, 1))
                    )
                    node.heard()
                    node.tell(signal.SIGKILL)

    def _on_signal(self) -> None:
        """The second one ends the nodes at once."""
        if self._ending.is_set():
            for node in self._nodes:
                node.tell(signal.SIGTERM)
        else:
            self._end()

    def _end(self) -> None:
        log.info("stopping", extra=fields(nodes=len(self._nodes)))
        for node in self._nodes:
            node.begin_end()
            node.say({"drain": True})
        self._ending.set()

    def _reload(self) -> None:
        for node in self._nodes:
            node.tell(signal.SIGHUP)

    # ---- what a node needs

    @property
    def anybody_listens(self) -> bool:
        return any(node.listening for node in self._nodes)

    def on_fault(self, error: Misconfigured) -> None:
        """One that only shows now that others run is not the end of these: the node is tried again."""
        if not self._has_joined and not self._ending.is_set():
            self._fault = error
            self._end()

    def on_listening(self, ports: list[int]) -> None:
        if self._tell_listening is not None:
            tell, self._tell_listening = self._tell_listening, None
            tell(ports)

    def on_joined(self) -> None:
        self._has_joined = True

    def on_settled(self) -> None:
        """While all of them end: who still has vehicles holds up the others' dashboards, and nothing else."""
        settled = [node.settled for node in self._nodes]
        if self._ending.is_set() and None not in settled:
            last = max(seq for seq in settled if seq is not None)
            for node in self._nodes:
                node.say({"all_settled": last})

    def on_wanted(self, node: NodeProcess) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(node))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asking: NodeProcess) -> None:
        asking.say({"whole": await asyncio.gather(*(self._report(node) for node in self._nodes))})

    async def _report(self, node: NodeProcess) -> dict[str, Any]:
        told: dict[str, Any] = {"node": str(node.number), "restarts": node.restarts, "away_s": node.away_s}
        if not node.listening:
            return told | {"state": "down"}
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        asked = node.ask(lambda said: None if answered.done() else answered.set_result(said))
        try:
            said = await asyncio.wait_for(answered, REPORT_S)
        except TimeoutError:
            node.forget(asked)
            return told | {"state": "silent", "away_s": REPORT_S}
        return told | ({"state": "up", "report": said} if said else {"state": "down"})
