"""Questions to all nodes over real NATS: who is there answers, who leaves just now does not, and nobody waits for him."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from teslafast.cluster.nats_questions import NatsQuestions

from tests.support.nats_servers import NatsServers

ONE, OTHER = "1" * 16, "2" * 16


async def _node(nats: NatsServers, name: str, connected: list[Any]) -> NatsQuestions:
    import nats as nats_py

    client = await nats_py.connect(nats.url)
    connected.append(client)
    questions = NatsQuestions("TF", lambda: name)
    questions.answer = lambda question: question.upper()
    await questions.begin(client)
    await client.flush()
    return questions


def test_another_node_answers_and_one_that_leaves_does_not(nats: NatsServers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def play() -> None:
        clients: list[Any] = []
        one, other = [await _node(nats, name, clients) for name in (ONE, OTHER)]
        assert await one.ask([ONE, OTHER], 10.0, b"who") == {OTHER: b"WHO"}
        other.answer = lambda question: b"x" * (1 << 20)  # too long to be sent
        assert await one.ask([ONE, OTHER], 0.05) == {}
        asked = SimpleNamespace(reply="tfc.answer.somebody.1", data=b"who")
        other.answer = lambda question: b"here"
        await clients[1].close()
        await other._on_question(asked)  # had come before the connection ended
        await clients[0].close()
        assert await one.ask([ONE, OTHER], 10.0) == {}

    asyncio.run(play())
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_report_that_cannot_be_made_is_a_fault_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    questions = NatsQuestions("TF", lambda: ONE)

    def fail(question: bytes) -> bytes:
        raise LookupError

    questions.answer = fail
    asyncio.run(questions._on_question(SimpleNamespace(reply="tfc.answer.somebody.1", data=b"")))
    (line,) = caplog.records
    assert line.getMessage() == "fault"
    assert line.exc_info is not None
