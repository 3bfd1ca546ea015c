"""
A server that is a node of several: connects to NATS, checks the stream, joins, and leaves in the end.

Imported only with CLUSTER_URL. A server that cannot be reached does not stop the start: the node waits for it, and `/health` says
`catching_up`. A stream of another configuration does stop it, and so does what only an operator can mend.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..cluster.access import BESIDES_BYTES, require_extra
from ..cluster.backplane import ClusterBackplane
from ..cluster.engine import StreamInfo
from ..cluster.nats_answers import limits_of
from ..cluster.nats_engine import NatsEngine
from ..cluster.nats_questions import NatsQuestions
from ..cluster.nats_session import NatsSession
from ..cluster.node import HANDED_ON_S, Node
from ..config import Settings
from ..core.hub import Hub
from ..errors import Misconfigured
from ..logs import fields, log
from ..vehicles.json_text import fleet_of_flat
from .cluster_reports import ClusterReports
from .cluster_start import StreamStart
from .node_reports import NodeReport
from .scopes import AskOthers
from .state_file import StateFile
from .waiting import wait_until

if TYPE_CHECKING:
    from ..outputs.moving import MovingOutputs
    from ..outputs.settings import OutputPlan


class ClusteredServer:
    """`on_misconfigured` is told of what only shows once the servers have been asked: then the process has to end."""

    def __init__(self, settings: Settings, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        """Raises Misconfigured."""
        require_extra()
        self._settings = settings
        self._hub = hub
        self._loop = loop
        self._session = NatsSession(settings)
        self._engine = NatsEngine(self._session, settings.cluster_stream, limits_of(settings))
        self.backplane = ClusterBackplane(hub, self._make_node, loop, time.monotonic, fleet_of_flat)
        self._reports: ClusterReports | None = None
        self._state_file: StateFile | None = None
        if settings.state_path is not None:
            self._state_file = StateFile(settings.state_path, settings.cluster_stream, hub, self.backplane, loop)
        self._questions = NatsQuestions(settings.cluster_stream, lambda: self.backplane.node.writer.run.hex())
        self._session.on_client.append(self._questions.begin)
        self.on_misconfigured: Callable[[Misconfigured], object] = lambda error: None
        self.on_the_disk = False  # known: the supervisor's own NATS server writes everything to the disk before it says so
        self._starting: asyncio.Task[None] | None = None
        hub.share_log(self.backplane)
        hub.turn.hold_replies_by(self.backplane.replies)

    def moving_outputs(self, plans: Sequence[OutputPlan]) -> MovingOutputs:
        """The outputs that this node works in turn with the others. Raises Misconfigured."""
        from .clustered_outputs import moving_outputs

        return moving_outputs(plans, self._settings, self._hub, self.backplane, self._engine, self._loop)

    def _make_node(self, application: ClusterBackplane) -> Node:
        return Node(
            self._engine,
            application,
            self._loop,
            time.monotonic,
            time.time_ns,
            lambda: secrets.token_bytes(8),
            self._settings.node_dead_seconds,
            self._settings.ring_bytes,
        )

    # ---- start

    def start(self) -> None:
        self._starting = self._loop.create_task(self._start())
        self._starting.add_done_callback(self._started)

    def _started(self, done: asyncio.Task[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Misconfigured):
            self.on_misconfigured(error)
        elif error is not None:
            log.error("fault", extra=fields(cause=type(error).__name__, what="joining the cluster"), exc_info=error)

    async def _start(self) -> None:
        await self._session.connect()
        self._check_payload()
        info = await StreamStart(self._settings, self._engine, self.backplane.trouble).found()
        self._tell(info)
        self._session.on_connected = self.backplane.node.on_connected
        self.backplane.node.start()

    def _check_payload(self) -> None:
        most = self._engine.max_payload
        if self._settings.max_frame_bytes + BESIDES_BYTES > most:
            fault = f"{self._settings.max_frame_bytes} is more than the NATS servers take (max_payload: {most} bytes)"
            raise Misconfigured(
                "MAX_FRAME_BYTES", fault, f"give {most - BESIDES_BYTES} at most, or raise the servers' max_payload"
            )
        self.backplane.most_bytes = most

    def _tell(self, info: StreamInfo) -> None:
        replicas = self._settings.cluster_replicas
        kept = "the NATS server has" if replicas == 1 else f"{replicas // 2 + 1} of {replicas} NATS servers have"
        in_a_file = "it in a file; a power cut spares it only with sync_interval: always"
        log.info(
            "cluster_log",
            extra=fields(
                stream=self._settings.cluster_stream,
                server=self._session.server,
                messages=info.last - info.first + 1,
                replicas=replicas,
                promise=f"acknowledged means: {kept} {'it on the disk' if self.on_the_disk else in_a_file}",
            ),
        )

    # ---- what holds now

    @property
    def catching_up(self) -> bool:
        return not self.backplane.node.joined

    @property
    def log_away(self) -> bool:
        """For longer than NODE_DEAD_SECONDS: others have told by then that our vehicles are gone."""
        return self.backplane.node.away_s > self._settings.node_dead_seconds

    def unhealthy(self) -> str:
        """Why `/health` is 503; "" if it is not."""
        if self.catching_up:
            return "catching_up"
        return "degraded" if self.log_away else ""

    @property
    def lets_nobody_in(self) -> bool:
        """It has nothing to show yet, or has just sent everybody to the other nodes."""
        return self.catching_up or self.backplane.node.away_s > HANDED_ON_S

    def reports_by(self, own: Callable[[], NodeReport]) -> AskOthers:
        """What asks all nodes how they are. `own`: what this one says."""
        reports = self._reports = ClusterReports(self._questions, lambda: self.backplane.node.runs, own)
        return lambda: reports.reports(self.backplane.node.writer.run.hex())

    # ---- the end

    async def settle(self, seconds: float) -> None:
        """Waits until everything that was submitted is in the log and has been shown."""
        until_s = time.monotonic() + seconds
        await wait_until(until_s, lambda: self.backplane.settled)

    async def leave(self, seconds: float) -> None:
        """Says that this run is over: the others need not wait for its silence."""
        node = self.backplane.node
        if not node.joined:
            return
        node.leave()
        until_s = time.monotonic() + seconds
        await wait_until(until_s, lambda: node.writer.left)

    def stop(self) -> None:
        self.backplane.node.stop()
        if self._starting is not None:
            self._starting.cancel()

    def check(self, now_s: float) -> None:
        """Now and then."""
        if self._reports is not None:
            self._reports.check(now_s, self.backplane.node.writer.run.hex())
        if self._state_file is not None:
            self._state_file.check(now_s)

    def finish(self) -> None:
        """After `stop`: nothing is applied any more."""
        if self._state_file is not None:
            self._state_file.finish()

    async def close(self) -> None:
        await self._session.close()
