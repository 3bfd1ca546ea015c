"""
A question to all nodes at once, past the log: over core NATS, below a prefix that nodes alone may use.

    ask ──PUB tfc.report──▶ every node ──PUB tfc.answer.ASKER.QUESTION──▶ ask: until all have answered who are expected

What is asked may be lost, and so may an answer. Bounds: MOST_ANSWERS, and LONGEST_REPORT bytes each; a longer one is not sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from ..logs import fields, log

MOST_ANSWERS = 1000  # nodes of one cluster
LONGEST_REPORT = 256 * 1024  # a report has some 20 KB
KEEP_NAME = 16  # characters: a run's name as hex


class _Question:
    """`answers`: by the name of who gave it."""

    def __init__(self, expected: Iterable[str]) -> None:
        self.answers: dict[str, bytes] = {}
        self._missing = set(expected)
        self.complete = asyncio.Event()

    def take(self, data: bytes) -> None:
        name, answer = data[:KEEP_NAME].decode("ascii", "replace"), data[KEEP_NAME:]
        if len(self.answers) < MOST_ANSWERS and len(answer) <= LONGEST_REPORT:
            self.answers[name] = answer
            self._missing.discard(name)
        if not self._missing:
            self.complete.set()


class NatsQuestions:
    """`name`: of this node, KEEP_NAME characters; `answer(question)`: what it has to say now."""

    def __init__(self, stream: str, name: Callable[[], str]) -> None:
        prefix = f"{stream.lower()}c"
        self._subject = f"{prefix}.report"
        self._answers = f"{prefix}.answer."
        self._name = name
        self._client: Any = None
        self._inbox = ""
        self._numbers = itertools.count(1)
        self._open: dict[str, _Question] = {}
        self.answer: Callable[[bytes], bytes] = lambda question: b""

    async def begin(self, client: Any) -> None:
        """`client`: nats-py's, which is connected; it subscribes again by itself after a break. Once for each client."""
        self._client = client
        self._inbox = f"{self._answers}{client.new_inbox().rpartition('.')[2]}"
        await client.subscribe(f"{self._inbox}.*", cb=self._on_answer)
        await client.subscribe(self._subject, cb=self._on_question)

    async def ask(self, expected: Iterable[str], patience_s: float, about: bytes = b"") -> dict[str, bytes]:
        """The answers of all nodes but this one, by name, as far as they have come by then."""
        others = set(expected) - {self._name()}
        if not others or self._client is None or not self._client.is_connected:
            return {}
        number = str(next(self._numbers))
        question = self._open[number] = _Question(others)
        try:
            if await self._sent(self._subject, about, reply=f"{self._inbox}.{number}"):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(question.complete.wait(), patience_s)
        finally:
            del self._open[number]
        question.answers.pop(self._name(), None)
        return question.answers

    async def _on_answer(self, message: Any) -> None:
        question = self._open.get(message.subject.rpartition(".")[2])
        if question is not None:
            question.take(bytes(message.data))

    async def _on_question(self, message: Any) -> None:
        if not message.reply.startswith(self._answers) or message.reply.startswith(f"{self._inbox}."):
            return
        try:
            answer = self.answer(bytes(message.data))
        except Exception as error:
            log.error("fault", extra=fields(cause=type(error).__name__, what="an answer to another node"), exc_info=error)
            return
        if len(answer) <= LONGEST_REPORT:
            await self._sent(message.reply, self._name().encode() + answer)

    async def _sent(self, subject: str, data: bytes, reply: str = "") -> bool:
        """A question may come while the node leaves: it goes unanswered, as one to a node that has left."""
        try:
            await self._client.publish(subject, data, reply=reply)
        except Exception as error:  # nats-py's, of a connection that breaks just now: nobody hears of it then
            if not self._client.is_closed:
                log.warning("cluster_connection_error", extra=fields(reason=str(error)[:300]))
            return False
        return True
