"""
The engine over NATS JetStream: with session and parser what uses nats-py, and only a server with CLUSTER_URL imports it.

    requests   published with a reply subject of their own below one inbox; answers are told apart by its last word
    reading    see nats_reader
    connection see nats_session; a server that hangs is noticed after two pings

What a server answers becomes one of engine.py's values (`nats_answers`). Nothing here decides.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from ..logs import fields, log
from .engine import Got, Later, Looked, Published, Take, TakeSeveral
from .nats_answers import NO_RESPONDERS, config_of, got, looked, published, stream_config
from .nats_reader import NatsReader, unsubscribe
from .nats_session import NatsSession

if TYPE_CHECKING:
    from .nats_parser import DeliveryParser

EXPECTED_OF_SUBJECT = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_OF_STREAM = "Nats-Expected-Last-Sequence"
FORGET_S = 30.0  # an answer that has not come by then is not waited for
UNTAKEN_S = 15.0  # longer than an election: then the server that we are connected to has no way to the stream


class NatsEngine:
    """
    session     connected by `connect`
    limits      the stream's configuration, as it is made
    on_connected is called with each new connection after the first
    """

    def __init__(self, session: NatsSession, stream: str, limits: Mapping[str, Any]) -> None:
        self._session = session
        self._stream = stream
        self._prefix = stream.lower()
        self.config = stream_config(stream, self._prefix, limits)
        self._inbox = ""
        self._tokens = itertools.count(1)
        self._answers: dict[str, tuple[Callable[[Any], object], float]] = {}  # in the order of their making
        self._peers = f"{self._prefix}c"
        self._peer_answers = ""
        self._answering: Any = None
        self._answering_as = b""
        self._take_question: Callable[[bytes, Callable[[bytes], object]], object] = lambda question, answer: None
        self.reader = NatsReader(stream, self)
        self._untaken_since_s = 0.0
        self.found_config: dict[str, Any] = {}  # of the stream, as a server told it last
        session.on_client.append(self._begin)

    # ---- the connection

    async def _begin(self, client: Any) -> None:
        self._inbox = client.new_inbox()
        await client.subscribe(f"{self._inbox}.*", cb=self._on_answer, pending_msgs_limit=0)
        self._peer_answers = f"{self._peers}.answer.{self._inbox.rpartition('.')[2]}"
        await client.subscribe(f"{self._peer_answers}.*", cb=self._on_answer)
        self._answering = None
        if self._answering_as:
            self.answer_peers(self._answering_as, self._take_question)

    @property
    def client(self) -> Any:
        """nats-py's."""
        return self._session.client

    @property
    def parser(self) -> DeliveryParser | None:
        return self._session.parser

    @property
    def connected(self) -> bool:
        return self._session.connected

    @property
    def max_payload(self) -> int:
        return int(self.client.max_payload)

    @property
    def keeps_streams(self) -> bool:
        """Whether the server that we are connected to has JetStream, as its greeting says."""
        return bool(self.client._server_info.get("jetstream"))  # nats-py tells nobody else

    @property
    def last_error(self) -> str:
        return self._session.last_error

    async def on_error(self, error: Exception) -> None:
        await self._session.on_error(error)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._session.spawn(coroutine)

    # ---- requests

    def request(
        self,
        subject: str,
        payload: bytes,
        answer: Callable[[Any], object],
        headers: dict[str, str] | None = None,
        inbox: str = "",
    ) -> None:
        """`answer(message)`: nats-py's, which may say that nobody was there to answer."""
        now_s = time.monotonic()
        while self._answers and next(iter(self._answers.values()))[1] < now_s - FORGET_S:
            del self._answers[next(iter(self._answers))]
        token = str(next(self._tokens))
        self._answers[token] = (answer, now_s)
        self.spawn(self.send(subject, payload, f"{inbox or self._inbox}.{token}", headers))

    async def send(self, subject: str, payload: bytes, reply: str = "", headers: dict[str, str] | None = None) -> None:
        try:
            await self.client.publish(subject, payload, reply=reply, headers=headers)
        except Exception as error:
            # Too much is buffered while it is away, or it is being closed: no answer, so it is tried again.
            await self.on_error(error)

    async def _on_answer(self, message: Any) -> None:
        waiting = self._answers.pop(message.subject.rpartition(".")[2], None)
        if waiting is not None:
            try:
                waiting[0](message)
            except Exception as error:
                log.error(
                    "fault", extra=fields(cause=type(error).__name__, what="an answer of the cluster's log"), exc_info=error
                )

    def publish(
        self, subject: str, payload: bytes, expected: int, answer: Callable[[Published], object], *, of_stream: bool = False
    ) -> None:
        headers = {EXPECTED_OF_STREAM if of_stream else EXPECTED_OF_SUBJECT: str(expected)}
        whole = f"{self._prefix}.{subject}"
        self.request(whole, payload, lambda message: answer(self._published(whole, message)), headers)

    def _published(self, subject: str, message: Any) -> Published:
        now_s = time.monotonic()
        if (message.headers or {}).get("Status") != NO_RESPONDERS:
            self._untaken_since_s = 0.0
        elif not self._untaken_since_s:
            self._untaken_since_s = now_s
        elif now_s - self._untaken_since_s >= UNTAKEN_S:
            self._untaken_since_s = 0.0
            self.spawn(self._go_elsewhere(subject))
        return published(message)

    async def _go_elsewhere(self, subject: str) -> None:
        """A server that lacks a route to the stream's leader answers for ever that nobody is there, and looks well otherwise."""
        where = self.client.connected_url.netloc
        await self.on_error(ConnectionError(f"nobody takes what is published to {subject} at {where}: another server is tried"))
        await self.client.force_reconnect()

    def look(self, answer: Callable[[Looked], object]) -> None:
        def heard(message: Any) -> None:
            self.found_config = config_of(message) or self.found_config
            answer(looked(message))

        self.request(f"$JS.API.STREAM.INFO.{self._stream}", b"", heard)

    def make_stream(self, answer: Callable[[Looked], object]) -> None:
        subject = f"$JS.API.STREAM.CREATE.{self._stream}"
        self.request(subject, orjson.dumps(self.config), lambda message: answer(looked(message)))

    def get(self, number: int, answer: Callable[[Got], object]) -> None:
        self._get({"seq": number}, answer)

    def get_last(self, subject: str, answer: Callable[[Got], object]) -> None:
        self._get({"last_by_subj": f"{self._prefix}.{subject}"}, answer)

    def _get(self, what: Mapping[str, Any], answer: Callable[[Got], object]) -> None:
        self.request(f"$JS.API.DIRECT.GET.{self._stream}", orjson.dumps(what), lambda message: answer(got(message)))

    async def ask(self, make: Callable[[Callable[[Any], object]], None], patience_s: float) -> Any:
        """One of the requests above as a coroutine; Later if it was not answered in time."""
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        make(lambda value: None if answered.done() else answered.set_result(value))
        try:
            return await asyncio.wait_for(answered, patience_s)
        except TimeoutError:
            return Later(0.0)

    # ---- from node to node

    def ask_peer(self, run: bytes, question: bytes, answer: Callable[[bytes | None], object]) -> None:
        def heard(message: Any) -> None:
            answer(None if (message.headers or {}).get("Status") == NO_RESPONDERS else bytes(message.data))

        self.request(f"{self._peers}.state.{run.hex()}", question, heard, inbox=self._peer_answers)

    def answer_peers(self, run: bytes, take: Callable[[bytes, Callable[[bytes], object]], object]) -> None:
        self._answering_as, self._take_question = run, take
        self.spawn(self._begin_answering(run, take))

    async def _begin_answering(self, run: bytes, take: Callable[[bytes, Callable[[bytes], object]], object]) -> None:
        async def on_question(message: Any) -> None:
            if message.reply.startswith(f"{self._peers}.answer."):
                take(bytes(message.data), lambda answer: self.spawn(self.send(message.reply, answer)))

        before, self._answering = self._answering, None
        try:
            await unsubscribe(before)
            subscription = await self.client.subscribe(f"{self._peers}.state.{run.hex()}", cb=on_question)
            if run == self._answering_as:
                self._answering = subscription
            else:
                await subscription.unsubscribe()
        except Exception as error:  # it is being closed: nobody will ask
            await self.on_error(error)

    # ---- reading

    def heard_s(self) -> float:
        return self.reader.heard_s

    def read(self, start: int, take: Take, take_several: TakeSeveral) -> None:
        self.reader.read(start, take, take_several)
