"""What servers answer, and what it means."""

from types import SimpleNamespace
from typing import Any

import pytest
from teslafast.cluster.engine import Failed, Later, NoStream, Stored, StreamInfo, StreamMessage, WrongLast
from teslafast.cluster.nats_answers import COMPARED, differences, got, looked, published, stream_config


def answer(data: bytes = b"", **headers: str) -> Any:
    return SimpleNamespace(data=data, headers={name.replace("_", "-"): value for name, value in headers.items()} or None)


def refused(code: int, text: str = "no") -> Any:
    return answer(b'{"error":{"code":400,"err_code":%d,"description":"%s"}}' % (code, text.encode()))


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        (answer(b'{"stream":"TF","seq":57}'), Stored(57)),
        (refused(10071, "wrong last sequence: 41"), WrongLast(41)),
        (refused(10164), Later(0.001)),
        (refused(10163), Later(0.05)),
        (refused(10008), Later(0.25, "no (10008)")),
        (refused(10059), NoStream()),
        (refused(10077, "maximum bytes exceeded"), Failed("maximum bytes exceeded (10077)", 10077)),
        (answer(Status="503"), Later(0.1)),
    ],
)
def test_a_publication_is_answered(message: Any, meaning: object) -> None:
    assert published(message) == meaning


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"seq":0}', b'{"seq":"1"}'])
def test_what_is_no_answer_proves_nothing(data: bytes) -> None:
    assert isinstance(published(answer(data)), Failed)
    assert isinstance(looked(answer(data)), Failed)


def test_a_look_tells_which_messages_there_are() -> None:
    state = b'"created":"2026-11-26T00:00:00Z","state":{"messages":3,"bytes":300,"first_seq":5,"last_seq":7}'
    assert looked(answer(b"{%s}" % state)) == StreamInfo("2026-11-26T00:00:00Z", 5, 7, 300)


def test_a_stream_that_never_had_a_message_is_empty() -> None:
    state = b'"created":"x","state":{"messages":0,"bytes":0,"first_seq":0,"last_seq":0}'
    assert looked(answer(b"{%s}" % state)) == StreamInfo("x", 1, 0, 0)


def test_a_message_is_got_with_its_number_and_time() -> None:
    found = answer(b"text", Nats_Sequence="7", Nats_Subject="tf.a", Nats_Time_Stamp="2026-11-26T00:00:01.123456789Z")
    assert got(found) == StreamMessage(7, "tf.a", 1795651201000, b"text")
    assert got(answer(Status="404")) is None


def test_another_configuration_is_told_by_what_differs() -> None:
    wanted = stream_config("TF", "tf", {"num_replicas": 3, "max_bytes": 1, "max_age": 2})
    assert differences(wanted, wanted) == []
    assert differences(wanted, {**wanted, "num_replicas": 1}) == ["num_replicas is 1, not 3 (CLUSTER_REPLICAS)"]
    assert set(COMPARED) <= wanted.keys()
