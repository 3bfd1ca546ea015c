"""Kinesis: settings, and what becomes of records that a shard throttles, refuses or loses."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import botocore.exceptions
import pytest
from teslafast.config import Settings
from teslafast.errors import Misconfigured, Undelivered, Unreachable
from teslafast.outputs import Context, Event, SharedSettings
from teslafast.outputs.kinesis import RECORDS_AT_MOST, KinesisOutput, KinesisSettings
from teslafast.outputs.settings import planned

from tests.support.output_events import EPOCH, alert, connectivity, data

SERVER = Settings.from_env({"NODE_ENV": "development"})


class FakeKinesis:
    """Takes records as PutRecords does; `fails(body)` says which of them a shard throttles."""

    def __init__(self, fails: Callable[[bytes], bool] = lambda body: False) -> None:
        self.fails = fails
        self.requests: list[list[tuple[str, bytes]]] = []
        self.stored: list[tuple[str, str, bytes]] = []
        self.refuses = ""  # a body: of a request that holds it nothing is taken
        self.errors: list[Exception] = []
        self.streams: set[str] = set()
        self.looks_refused = False
        self.meta = SimpleNamespace(endpoint_url="https://kinesis")

    def list_streams(self, **words: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)

    def describe_stream_summary(self, StreamName: str) -> None:  # noqa: N803 — boto3's words
        if self.looks_refused:
            raise refusal("AccessDeniedException")
        if StreamName not in self.streams:
            raise refusal("ResourceNotFoundException")

    def put_records(self, StreamName: str, Records: Sequence[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 — boto3's words
        if self.errors:
            raise self.errors.pop(0)
        self.requests.append([(one["PartitionKey"], one["Data"]) for one in Records])
        if self.refuses and any(self.refuses.encode() in one["Data"] for one in Records):
            raise refusal("ValidationException")
        answers = []
        for one in Records:
            if self.fails(one["Data"]):
                answers.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"})
            else:
                answers.append({"SequenceNumber": "1", "ShardId": "0"})
                self.stored.append((StreamName, one["PartitionKey"], one["Data"]))
        return {"Records": answers}

    def close(self) -> None:
        pass


def check_of(fake: FakeKinesis, shared: SharedSettings | None = None, **settings: str) -> str:
    context = Context(EPOCH, Counter(), shared or SharedSettings())
    chosen = KinesisSettings(**{"stream": "cars_{type}", **settings})
    return asyncio.run(KinesisOutput(chosen, context, make_client=lambda: fake).check())


def refusal(code: str) -> Exception:
    error: Exception = botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, "PutRecords")
    return error


def run(fake: FakeKinesis, *batches: Sequence[Event], **settings: str) -> tuple[Context, list[float]]:
    context, pauses = Context(EPOCH, Counter()), []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def scene() -> None:
        chosen = KinesisSettings(**{"stream": "cars", **settings})
        output = KinesisOutput(chosen, context, make_client=lambda: fake, pause=pause)
        await output.connect()
        for batch in batches:
            if batch is batches[-1]:
                await output.send(batch)
            else:
                with pytest.raises(Undelivered, match="takes nothing"):
                    await output.send(batch)
        await output.close()

    asyncio.run(scene())
    return context, pauses


def numbered(count: int, vehicles: int) -> list[Event]:
    return [data(seq, {"Odometer": seq}, f"5YJ3E1EA7KF{seq % vehicles:06}") for seq in range(1, count + 1)]


# ---- order


def test_no_request_holds_two_records_of_one_vehicle_nor_more_than_kinesis_takes() -> None:
    fake = FakeKinesis()
    run(fake, numbered(1300, RECORDS_AT_MOST + 100))
    for request in fake.requests:
        assert len({vin for vin, _ in request}) == len(request) <= RECORDS_AT_MOST
    assert len(fake.stored) == 1300


def test_records_that_are_throttled_at_random_arrive_once_each_and_in_order_per_vehicle() -> None:
    chance = random.Random(5)
    fake, events = FakeKinesis(lambda body: chance.random() < 0.3), numbered(500, 20)
    _, pauses = run(fake, events)
    for vin in {event.vin for event in events}:
        assert [body for _, key, body in fake.stored if key == vin] == [one.body for one in events if one.vin == vin]
    assert pauses


def test_a_vehicle_whose_shard_takes_nothing_holds_up_its_own_records_alone_and_fails_the_batch() -> None:
    events = numbered(40, 4)
    full = [True]
    fake = FakeKinesis(lambda body: full[0] and body in {one.body for one in events if one.vin.endswith("1")})
    with pytest.raises(Undelivered, match="the stream cars takes nothing: ProvisionedThroughputExceededException Rate exceeded"):
        run(fake, events)
    assert len(fake.stored) == 30


def test_of_a_batch_that_failed_halfway_only_what_is_missing_is_sent_again() -> None:
    events, full = numbered(40, 4), [True]

    def fails(body: bytes) -> bool:
        full[0] = full[0] and len(fake.requests) < 20
        return full[0] and body == events[0].body

    fake = FakeKinesis(fails)
    run(fake, events, list(events))
    assert sorted(body for *_, body in fake.stored) == sorted(event.body for event in events)


# ---- streams, refusals


def test_a_type_of_record_goes_to_its_own_stream_or_to_the_one_for_all() -> None:
    fake = FakeKinesis()
    run(fake, [data(1, {"Soc": 1}), alert(2), connectivity(3)], of_alerts="warnings")
    assert {stream for stream, _, body in fake.stored if b'"alerts"' in body} == {"warnings"}
    assert sum(stream == "cars" for stream, *_ in fake.stored) == 2
    fake = FakeKinesis()
    run(fake, [data(1, {"Soc": 1}), alert(2)], stream="tesla_telemetry_{type}")
    assert [stream for stream, *_ in fake.stored] == ["tesla_telemetry_V", "tesla_telemetry_alerts"]


def test_a_record_that_kinesis_will_never_take_is_given_up_alone() -> None:
    events = numbered(40, 40)
    fake = FakeKinesis()
    fake.refuses = '"Odometer":7}'
    context, _ = run(fake, events)
    assert (context.given_up, context.dropped) == ([7], {"refused": 1})
    assert len(fake.stored) == 39


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (refusal("ResourceNotFoundException"), Undelivered, "the stream cars does not exist"),
        (refusal("InternalFailure"), Unreachable, "Kinesis says"),
        (botocore.exceptions.NoCredentialsError(), Undelivered, "give AWS_ACCESS_KEY_ID"),
        (botocore.exceptions.NoRegionError(), Undelivered, "give AWS_REGION"),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="http://x"), Unreachable, "cannot be reached"),
        (refusal("AccessDeniedException"), Undelivered, "AccessDenied"),
    ],
)
def test_what_goes_wrong_is_said_with_what_would_help(error: Exception, kind: type[Exception], words: str) -> None:
    fake = FakeKinesis()

    async def scene() -> None:
        output = KinesisOutput(KinesisSettings(stream="cars"), Context(EPOCH, Counter()), make_client=lambda: fake)
        await output.connect()
        fake.errors = [error]
        await output.send(numbered(1, 1))

    with pytest.raises(kind, match=words) as caught:
        asyncio.run(scene())
    assert type(caught.value) is kind


def test_the_right_to_list_streams_is_not_needed() -> None:
    fake = FakeKinesis()
    fake.errors = [refusal("AccessDeniedException")]
    run(fake, numbered(1, 1))
    assert len(fake.stored) == 1


# ---- settings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KINESIS_STREAM", "a b"),
        ("KINESIS_STREAM", "{kind}"),
        ("KINESIS_STREAM_V", "{type}"),
        ("KINESIS_ENDPOINT", "ftp://x"),
        ("KINESIS_ENDPOINT", "http://me:pw@x"),
        ("AWS_REGION", "Mars!"),
    ],
)
def test_a_value_that_amazon_would_not_take_stops_the_start(variable: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=variable):
        planned({"KINESIS_STREAM": "cars", variable: value}, SERVER)


# ---- the check


def test_the_check_says_which_of_the_streams_there_is_not() -> None:
    fake = FakeKinesis()
    fake.streams = {"cars_V", "cars_alerts", "cars_errors"}
    with pytest.raises(Undelivered, match="the stream cars_connectivity does not exist"):
        check_of(fake)
    with pytest.raises(Undelivered, match="the stream other does not exist"):
        check_of(fake, of_data="other")
    assert check_of(fake, of_connectivity="cars_V") == "logged in to https://kinesis"


def test_the_check_looks_for_no_stream_that_gets_nothing() -> None:
    fake = FakeKinesis()
    fake.streams = {"cars_V"}
    assert check_of(fake, SharedSettings(types=("data",))) == "logged in to https://kinesis"


def test_who_may_not_look_for_streams_is_told_so_and_not_that_they_are_missing() -> None:
    fake = FakeKinesis()
    fake.looks_refused = True
    shared = SharedSettings(types=("data", "alerts"))
    assert check_of(fake, shared) == "logged in to https://kinesis, without the right to look for cars_V, cars_alerts"
