"""Webhooks against a receiver that is none of ours; the signature is verified by the specification's own library."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event
from standardwebhooks import Webhook
from teslafast.errors import Undelivered, Unreachable, Unwanted
from teslafast.outputs import Context, Event
from teslafast.outputs.http_client import ANSWER_AT_MOST, HttpAnswer, retry_after_s
from teslafast.outputs.webhook import BAD_EVENT_TRIES, LANES, WebhookOutput, WebhookSettings
from teslafast.rfc3339 import rfc3339

from tests.support.peers import PATIENCE_S
from tests.support.ports import free_port
from tests.support.webhook_receiver import Answer, Posted, Receiver

EPOCH = "0123456789abcdef"
SECRET = "whsec_" + "c2VjcmV0" * 4
KEY = b"secret" * 4


def event(seq: int, vin: str = "5YJ3E1EA7KF000001") -> Event:
    text = b'{"type":"alerts","seq":%d,"vin":"%s","alerts":[]}' % (seq, vin.encode())
    return Event(seq, 1, vin, text, 1_795_420_800_201)


def run(
    receiver: Receiver,
    scene: Callable[[WebhookOutput], Awaitable[object]],
    context: Context | None = None,
    secrets: tuple[bytes, ...] = (KEY,),
) -> None:
    async def played() -> None:
        settings = WebhookSettings(urls=(receiver.url,), secrets=secrets, private=True)
        output = WebhookOutput(settings, context or Context(EPOCH, Counter()))
        await output.connect()
        try:
            await scene(output)
        finally:
            await output.close()

    asyncio.run(played())


def sent(receiver: Receiver, *events: Event, secrets: tuple[bytes, ...] = (KEY,)) -> list[Posted]:
    run(receiver, lambda output: output.send(events), secrets=secrets)
    return receiver.posted


# ---- what is posted


def test_an_event_is_a_cloud_event_in_binary_mode_with_the_event_as_its_body() -> None:
    with Receiver() as receiver:
        (posted,) = sent(receiver, event(7))
    assert posted.path == "/hook"
    assert posted.body == event(7).text
    read = from_binary_event(HTTPMessage(dict(posted.headers), posted.body))
    assert (read.get_id(), read.get_source(), read.get_specversion()) == (f"{EPOCH}-7", "urn:teslafast", "1.0")
    assert (read.get_type(), read.get_subject()) == ("com.github.teslafast.alerts", event(7).vin)
    moment = read.get_time()
    assert moment is not None
    assert moment.isoformat() == "2026-11-23T08:00:00.201000+00:00"
    assert read.get_datacontenttype() == "application/json"
    assert read.get_data() == posted.json


def test_the_signature_verifies_by_the_standard_s_own_library() -> None:
    with Receiver() as receiver:
        (posted,) = sent(receiver, event(7))
    assert Webhook(SECRET).verify(posted.body, dict(posted.headers)) == posted.json
    assert posted.headers["webhook-id"] == posted.headers["ce-id"]


def test_while_a_secret_is_changed_both_verify() -> None:
    with Receiver() as receiver:
        (posted,) = sent(receiver, event(7), secrets=(b"another" * 4, KEY))
    assert Webhook(SECRET).verify(posted.body, dict(posted.headers))
    assert Webhook(b"another" * 4).verify(posted.body, dict(posted.headers))


def test_without_a_secret_nothing_is_signed() -> None:
    with Receiver() as receiver:
        (posted,) = sent(receiver, event(7), secrets=())
    assert "webhook-signature" not in posted.headers


def test_a_gap_is_posted_under_the_id_of_its_last_event() -> None:
    with Receiver() as receiver:
        run(receiver, lambda output: output.gap(3, 9))
    (posted,) = receiver.posted
    assert (posted.headers["ce-type"], posted.headers["ce-id"]) == ("com.github.teslafast.gap", f"{EPOCH}-9")
    assert posted.json == {"type": "gap", "from": 3, "to": 9}
    assert Webhook(SECRET).verify(posted.body, dict(posted.headers))


def test_the_time_of_each_event_is_its_own() -> None:
    times_ms = [1_795_420_800_201, 1_795_420_800_999, 1_795_420_801_000, 1_795_420_800_005]
    with Receiver() as receiver:
        sent(receiver, *(event(seq)._replace(time_ms=time_ms) for seq, time_ms in enumerate(times_ms, 1)))
    assert [one.headers["ce-time"] for one in receiver.posted] == [rfc3339(time_ms * 1_000_000) for time_ms in times_ms]


# ---- order


def test_events_of_a_vehicle_arrive_in_order_over_one_connection() -> None:
    with Receiver() as receiver:
        sent(receiver, *map(event, range(1, 33)))
    assert receiver.seqs == list(range(1, 33))
    assert receiver.connections == 1


def test_vehicles_are_posted_for_at_once_and_a_slow_one_holds_up_no_other() -> None:
    slow = threading.Event()

    def judge(posted: Posted) -> Answer:
        if posted.headers["ce-subject"] == "slow":
            slow.wait(PATIENCE_S)
        return Answer()

    async def scene(output: WebhookOutput) -> None:
        events = [event(number, "slow" if number == 1 else f"fast{number}") for number in range(1, 20)]
        sending = asyncio.ensure_future(output.send(events))
        await asyncio.to_thread(receiver.wait_for, lambda posted: len(posted) == 19)
        assert not sending.done()
        slow.set()
        await sending

    with Receiver(judge=judge) as receiver:
        run(receiver, scene)
    assert 1 < receiver.connections <= LANES + 1


def test_after_a_failure_only_what_has_not_arrived_is_posted_again() -> None:
    async def scene(output: WebhookOutput) -> None:
        events = [event(number) for number in (1, 2, 3)]
        with pytest.raises(Undelivered, match=r"127\.0\.0\.1 answers 500 out of order"):
            await output.send(events)
        await output.close()
        await output.connect()
        await output.send(events)

    with Receiver(Answer(), Answer(500, body=b"out\nof order")) as receiver:
        run(receiver, scene)
    assert receiver.seqs == [1, 2, 2, 3]


# ---- answers


def test_an_answer_that_repeats_the_address_does_not_bring_it_into_the_log() -> None:
    with Receiver(Answer(404, body=b"Cannot POST /hook (secret)")) as receiver, pytest.raises(Undelivered) as caught:
        sent(receiver, event(1))
    assert str(caught.value) == "127.0.0.1 answers 404 Cannot POST … (secret)"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(status: int) -> None:
    with Receiver(judge=lambda posted: Answer(status, {"location": "/elsewhere"})) as receiver:
        with pytest.raises(Undelivered, match="a redirect"):
            sent(receiver, event(1))
        assert [posted.path for posted in receiver.posted] == ["/hook"]


def test_410_says_that_nothing_more_is_wanted_whatever_else_failed() -> None:
    def judge(posted: Posted) -> Answer:
        return Answer(410) if posted.headers["ce-subject"] == "gone" else Answer(503, {"retry-after": "99"})

    both = threading.Barrier(2)

    def together(posted: Posted) -> Answer:
        both.wait(PATIENCE_S)
        return judge(posted)

    with Receiver(judge=together) as receiver, pytest.raises(Unwanted):
        sent(receiver, event(1, "gone"), event(2, "busy"))


def test_an_event_that_the_receiver_calls_bad_is_dropped_after_some_tries_and_the_next_follows() -> None:
    context = Context(EPOCH, Counter())

    async def scene(output: WebhookOutput) -> None:
        for _ in range(BAD_EVENT_TRIES - 1):
            with pytest.raises(Undelivered):
                await output.send([event(1), event(2)])
        assert context.given_up == []
        await output.send([event(1), event(2)])

    with Receiver(judge=lambda posted: Answer(422 if posted.seq == 1 else 204)) as receiver:
        run(receiver, scene, context)
    assert receiver.seqs == [1] * BAD_EVENT_TRIES + [2]
    assert (context.given_up, context.dropped) == ([1], {"refused": 1})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (HttpAnswer(503, "120", b""), 120),
        (HttpAnswer(503, "Thu, 01 Jan 1970 00:18:40 GMT", b""), 120),
        (HttpAnswer(503, "Thu, 01 Jan 1970 00:00:40 GMT", b""), 0),
        (HttpAnswer(503, "soon", b""), 0),
        (HttpAnswer(503, "-5", b""), 0),
        (HttpAnswer(429, "", b'{"ok":false,"parameters":{"retry_after":31}}'), 31),
        (HttpAnswer(429, "", b'{"parameters":[]}'), 0),
        (HttpAnswer(500, "", b'{"parameters":{"retry_after":31}}'), 0),
        (HttpAnswer(429, "", b"not JSON"), 0),
    ],
)
def test_how_long_to_wait_is_read_from_the_header_or_as_telegram_says_it(answer: HttpAnswer, expected: float) -> None:
    assert retry_after_s(answer, now_s=1000.0) == expected


def test_retry_after_is_handed_to_the_runner() -> None:
    with Receiver(Answer(429, {"retry-after": "77"})) as receiver, pytest.raises(Undelivered) as caught:
        sent(receiver, event(1))
    assert caught.value.retry_after_s == 77


def test_an_answer_without_end_is_cut_off() -> None:
    with Receiver(Answer(200, body=b"x" * (ANSWER_AT_MOST + 1))) as receiver, pytest.raises(Unreachable, match="longer than"):
        sent(receiver, event(1))


def test_a_receiver_that_closes_after_each_answer_gets_everything_once() -> None:
    with Receiver(judge=lambda posted: Answer(204, {"connection": "close"})) as receiver:
        sent(receiver, *map(event, range(1, 6)))
    assert receiver.seqs == [1, 2, 3, 4, 5]


def test_a_receiver_that_is_down_is_unreachable() -> None:
    with Receiver() as receiver:
        receiver.url = f"http://127.0.0.1:{free_port()}/hook"
    with pytest.raises(Unreachable, match="cannot be reached"):
        run(receiver, lambda output: output.send([event(1)]))


# ---- the loop is never blocked


def test_a_resolver_that_takes_long_does_not_block_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    asked, go_on = threading.Event(), threading.Event()
    looked_up = socket.getaddrinfo

    def slow(*arguments: object, **options: object) -> object:
        asked.set()
        go_on.wait(PATIENCE_S)
        return looked_up(*arguments, **options)  # type: ignore[arg-type]

    async def scene() -> None:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        settings = WebhookSettings(urls=(f"http://localhost:{receiver.port}/",), private=True)
        output = WebhookOutput(settings, Context(EPOCH, Counter()))
        connecting = asyncio.ensure_future(output.connect())
        while not asked.is_set():  # noqa: ASYNC110 — that this loop turns is what is tested
            await asyncio.sleep(0.001)
        assert not connecting.done()
        go_on.set()
        await connecting
        await output.close()

    with Receiver() as receiver:
        asyncio.run(scene())


def test_the_time_in_the_signature_is_that_of_the_try() -> None:
    with Receiver() as receiver:
        before = int(time.time())
        (posted,) = sent(receiver, event(1))
    assert before <= int(posted.headers["webhook-timestamp"]) <= time.time()
