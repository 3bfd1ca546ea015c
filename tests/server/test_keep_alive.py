"""Many requests on one connection: the page's files, within bounds."""

from __future__ import annotations

import asyncio

import pytest
from teslafast.server.http_connection import MOST_REQUESTS, REQUEST_HEAD_LIMIT

from tests.support.http_stage import GET, PAGE, Stage, answer, sent


@pytest.mark.parametrize("step", [1, 5, len(PAGE), REQUEST_HEAD_LIMIT])
def test_a_file_of_the_page_keeps_the_connection_open(step: int) -> None:
    stage = sent(PAGE * 3, step)
    assert [request.path for request in stage.asked] == ["/page"] * 3
    assert stage.transport.written.count(b"Connection: keep-alive\r\n") == 3
    assert not stage.transport.ended


def test_any_other_answer_closes_a_kept_connection() -> None:
    stage = sent(PAGE + GET + PAGE)
    assert [request.path for request in stage.asked] == ["/page", "/health"]
    assert stage.transport.written.count(b"Connection: close\r\n") == 1
    assert stage.transport.ended


@pytest.mark.parametrize(
    "head",
    [
        PAGE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PAGE.replace(b"Host: x", b"Connection: Close"),
        PAGE.replace(b"Host: x", b"Connection: te, close"),
    ],
)
def test_a_client_that_asks_to_close_is_obeyed(head: bytes) -> None:
    stage = sent(head + PAGE)
    assert (len(stage.asked), stage.transport.ended) == (1, True)
    assert answer(stage)[1]["Connection"] == "close"


def test_the_connection_closes_after_its_last_allowed_request() -> None:
    stage = sent(PAGE * (MOST_REQUESTS + 1))
    assert len(stage.asked) == MOST_REQUESTS
    assert stage.transport.written.count(b"Connection: close\r\n") == 1
    assert stage.transport.ended


def test_a_client_that_leaves_an_answer_waiting_gets_no_third_one() -> None:
    async def run() -> Stage:
        stage = Stage()
        stage.connection.connection_made(stage.transport)
        stage.feed(PAGE, REQUEST_HEAD_LIMIT)
        stage.transport.waiting = 1
        stage.feed(PAGE * 5, REQUEST_HEAD_LIMIT)
        return stage

    stage = asyncio.run(run())
    assert (len(stage.asked), stage.transport.ended) == (2, True)


@pytest.mark.parametrize("data", [PAGE, PAGE + b"GET / HT"])
def test_a_kept_connection_is_aborted_without_an_answer_when_its_time_is_over(data: bytes) -> None:
    stage = sent(data, expire=True)
    assert stage.transport.aborted
    assert stage.transport.written.count(b"HTTP/1.1") == 1


def test_an_idle_kept_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teslafast.server.http_connection.KEPT_S", 0.0)

    async def run() -> Stage:
        stage = Stage()
        stage.connection.connection_made(stage.transport)
        stage.feed(PAGE, REQUEST_HEAD_LIMIT)
        for _ in range(3):  # turns of the loop, in which what is due is done
            await asyncio.sleep(0)
        assert stage.transport.ended
        stage.feed(PAGE, REQUEST_HEAD_LIMIT)
        return stage

    stage = asyncio.run(run())
    assert (len(stage.asked), stage.transport.aborted) == (1, False)
