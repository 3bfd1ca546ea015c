"""
What a node asks about its stream before it reads it: is it there, as the settings want it; else it is made.

A server that does not answer is waited for, and every TELL_S a line says so. What only a person can mend ends the start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..cluster.engine import Failed, Later, Looked, NoStream, StreamInfo
from ..cluster.nats_answers import NOBODY_FOR_STREAMS, differences
from ..cluster.nats_engine import NatsEngine
from ..cluster.nats_refusals import DOCTOR, NO_CLUSTERED_SERVERS, NO_STREAMS_CODES
from ..config import Settings
from ..errors import Misconfigured

ASK_S = 2.0  # for an answer about the stream
PAUSE_BEFORE_S = 0.5  # before it is asked again
TELL_S = 3.0  # without a stream: there is a line that says what is waited for
NO_STREAMS_S = 10.0  # so long a server may say that it keeps no streams, and nobody else does: routes may still be made
REFUSALS_TO_END = 3  # of one kind, one after the other, to a stream that is to be made


class StreamStart:
    """`tell`: of what is waited for."""

    def __init__(self, settings: Settings, engine: NatsEngine, tell: Callable[[str], object]) -> None:
        self._settings = settings
        self._engine = engine
        self._tell = tell
        self._began_s = time.monotonic()
        self._refusals: list[str] = []

    async def found(self) -> StreamInfo:
        """Raises Misconfigured."""
        while True:
            found: Looked = await self._engine.ask(self._engine.look, ASK_S)
            if isinstance(found, NoStream):
                found = await self._engine.ask(self._engine.make_stream, ASK_S)
                if isinstance(found, StreamInfo):
                    continue  # what has been made is told by the next look
                if isinstance(found, Failed):
                    self._refuse_to_make(found)
            if isinstance(found, StreamInfo):
                self._compare()
                return found
            self._wait_for(found)
            await asyncio.sleep(PAUSE_BEFORE_S)

    def _compare(self) -> None:
        different = differences(self._engine.config, self._engine.found_config)
        if different:
            fault = f"names a stream of another configuration: {'; '.join(different)}"
            raise Misconfigured("CLUSTER_STREAM", fault, "set CLUSTER_REPLICAS, CLUSTER_MAX_BYTES and CLUSTER_MAX_AGE as it is")

    def _refuse_to_make(self, made: Failed) -> None:
        if made.code == NO_CLUSTERED_SERVERS:
            fault = f"is {self._settings.cluster_replicas}, but CLUSTER_URL leads to a NATS server that stands alone"
            raise Misconfigured("CLUSTER_REPLICAS", fault, "set 1, or run three NATS servers as a cluster")
        self._refusals = [one for one in self._refusals if one == made.reason] + [made.reason]
        if len(self._refusals) >= REFUSALS_TO_END:
            fault = f"{self._settings.cluster_stream} cannot be made: {made.reason}"
            raise Misconfigured("CLUSTER_STREAM", fault, f"look at the NATS servers' logs and limits; {DOCTOR}")

    def _wait_for(self, found: Looked) -> None:
        waited_s = time.monotonic() - self._began_s
        if isinstance(found, Failed) and found.code in NO_STREAMS_CODES:
            fault = f"leads to NATS servers that keep no streams: {NO_STREAMS_CODES[found.code]}"
            raise Misconfigured("CLUSTER_URL", fault, f"enable JetStream there: jetstream {{ store_dir: /data }}; {DOCTOR}")
        reason = found.reason if isinstance(found, Failed | Later) else ""
        if reason == NOBODY_FOR_STREAMS and waited_s > NO_STREAMS_S and not self._engine.keeps_streams:
            fault = "leads to a NATS server without JetStream, and no other one there has it"
            raise Misconfigured("CLUSTER_URL", fault, f"give the servers a jetstream section with a store_dir; {DOCTOR}")
        if waited_s > TELL_S or isinstance(found, Failed):
            replicas = f" (CLUSTER_REPLICAS is {self._settings.cluster_replicas})" if "peers" in reason else ""
            self._tell(f"the stream {self._settings.cluster_stream}: {reason or 'no answer'}{replicas}")
