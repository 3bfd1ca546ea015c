"""Pub/Sub: settings, topics that are made, and what becomes of messages that are refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from teslafast.config import Settings
from teslafast.errors import Misconfigured, Undelivered, Unreachable
from teslafast.outputs import Context, Event, SharedSettings
from teslafast.outputs.pubsub import MESSAGES_AT_MOST, PubsubOutput, PubsubSettings
from teslafast.outputs.settings import planned

from tests.support.google import FakeGoogle
from tests.support.output_events import EPOCH, VIN, alert, data

SERVER = Settings.from_env({"NODE_ENV": "development"})
SHARED = SharedSettings(types=("data",))
TOPIC = "/v1/projects/my-project/topics/tesla_telemetry_V"
THERE = [(200, {"name": "the topic"})]


def run(google: FakeGoogle, *batches: Sequence[Event], shared: SharedSettings = SHARED, ordering: bool = False) -> Context:
    context = Context(EPOCH, Counter(), shared)

    async def scene() -> None:
        settings = PubsubSettings(project="my-project", emulator=f"http://{google.address}", ordering=ordering)
        output = PubsubOutput(settings, context)
        try:
            await output.connect()
            for batch in batches:
                await output.send(batch)
        finally:
            await output.close()

    asyncio.run(scene())
    return context


def published(google: FakeGoogle) -> list[str]:
    """The event ids, in order, of what was sent."""
    posts = [one.body["messages"] for one in google.requests if one.method == "POST"]
    return [message["attributes"]["event_id"] for messages in posts for message in messages]


def test_topics_of_the_wanted_types_are_made_if_they_are_missing() -> None:
    with FakeGoogle() as google:
        google.answers = [(404, {}), (200, {}), *THERE]
        run(google, shared=SharedSettings(types=("data", "alerts")))
    alerts = TOPIC.replace("_V", "_alerts")
    assert [(one.method, one.path) for one in google.requests] == [("GET", TOPIC), ("PUT", TOPIC), ("GET", alerts)]


def test_a_topic_that_we_may_not_make_is_named_and_one_that_we_may_not_see_is_tried() -> None:
    with FakeGoogle() as google:
        google.answers = [(404, {}), (403, {"error": {"message": "denied"}})]
        with pytest.raises(Undelivered, match="the topic tesla_telemetry_V does not exist, and we may not make it: 403 denied"):
            run(google)
        google.answers = [(403, {})]
        run(google, [data(1, {"Soc": 1})])
    assert published(google) == [f"{EPOCH}-1"]


@pytest.mark.parametrize("ordering", [False, True])
def test_messages_go_in_order_and_have_an_ordering_key_if_that_is_wanted(ordering: bool) -> None:
    events = [data(seq, {"Odometer": seq}) for seq in range(1, MESSAGES_AT_MOST + 6)]
    with FakeGoogle() as google:
        run(google, events, ordering=ordering)
    assert published(google) == [f"{EPOCH}-{event.seq}" for event in events]
    sizes = [len(one.body["messages"]) for one in google.requests if one.method == "POST"]
    assert sizes == [MESSAGES_AT_MOST, 5]
    assert google.requests[-1].body["messages"][0].get("orderingKey") == (VIN if ordering else None)


def test_a_message_that_is_never_taken_is_given_up_alone() -> None:
    with FakeGoogle() as google:
        google.refuses = f'"{EPOCH}-7"'
        context = run(google, [data(seq, {"Odometer": seq}) for seq in range(1, 21)])
    assert (context.given_up, context.dropped) == ([7], {"refused": 1})


def test_of_a_batch_that_failed_halfway_only_what_is_missing_is_sent_again() -> None:
    context = Context(EPOCH, Counter(), SHARED)
    events = [data(1, {"Soc": 1}), alert(2)]

    async def scene(google: FakeGoogle) -> None:
        output = PubsubOutput(PubsubSettings(project="my-project", emulator=f"http://{google.address}"), context)
        google.answers = [(200, {}), (503, {"error": {"message": "later"}})]
        with pytest.raises(Unreachable, match="answers 503 later"):
            await output.send(events)
        await output.send(events)
        await output.close()

    with FakeGoogle() as google:
        asyncio.run(scene(google))
    assert published(google) == [f"{EPOCH}-1", f"{EPOCH}-2", f"{EPOCH}-2"]


def test_a_txid_of_any_bytes_and_length_costs_no_record() -> None:
    odd = data(1, {"Soc": 1})._replace(own=(b"\xff" * 2000, b"1.2.0"))
    with FakeGoogle() as google:
        run(google, [odd])
    txid = google.requests[-1].body["messages"][0]["attributes"]["txid"]
    assert len(txid.encode()) in range(1000, 1025)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PUBSUB_PROJECT_ID": "no/such"}, "PUBSUB_PROJECT_ID"),
        ({"PUBSUB_EMULATOR_HOST": "h:1", "GOOGLE_APPLICATION_CREDENTIALS": "/x"}, "PUBSUB_EMULATOR_HOST: and GOOGLE_APP"),
        ({"PUBSUB_EMULATOR_HOST": "h:1/path"}, "PUBSUB_EMULATOR_HOST"),
        ({"PUBSUB_ENDPOINT": "http://example.com"}, "PUBSUB_ENDPOINT"),
    ],
)
def test_a_value_that_cannot_be_stops_the_start(variables: dict[str, str], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        planned({"PUBSUB_PROJECT_ID": "my-project"} | variables, SERVER)


def test_the_emulator_needs_no_login_and_a_key_file_that_is_missing_is_named(tmp_path: Path) -> None:
    [plan] = planned({"PUBSUB_PROJECT_ID": "my-project", "PUBSUB_EMULATOR_HOST": "localhost:8085"}, SERVER)
    plan.make(Context(EPOCH, Counter()))
    given = {"PUBSUB_PROJECT_ID": "my-project", "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none")}
    with pytest.raises(Misconfigured, match=r"GOOGLE_APPLICATION_CREDENTIALS: .* cannot be read"):
        planned(given, SERVER)[0].make(Context(EPOCH, Counter()))
