"""
What InfluxDB 1, 2 and 3 are asked, and what their answers mean: as their documents say it, at a receiver of requests.

No registry here has InfluxDB 2 or 3; test_influx.py has a real one of version 1.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from base64 import b64decode
from collections import Counter
from typing import Any

import pytest
from teslafast.errors import Misconfigured, Undelivered
from teslafast.outputs import Context
from teslafast.outputs.influx import LINES_SLICE, InfluxOutput
from teslafast.outputs.influx_lines import LineEncoder
from teslafast.outputs.settings import planned

from tests.support.influx_stage import SERVER, output_for, run, store
from tests.support.output_events import EPOCH, data, most_in_one_turn
from tests.support.webhook_receiver import Answer, Posted, Receiver

TOKEN = "s3cr3t-t0k3n=="
V2 = {"INFLUX_TOKEN": TOKEN, "INFLUX_ORG": "my home"}
V3 = {"INFLUX_TOKEN": TOKEN}


def lines(posted: Posted) -> list[str]:
    """What was written with a request, without its probe's comment."""
    assert posted.headers["content-encoding"] == "gzip"
    return [line for line in gzip.decompress(posted.body).decode().splitlines() if not line.startswith("#")]


def written(receiver: Receiver) -> list[str]:
    return [line for posted in receiver.posted for line in lines(posted)]


def base(receiver: Receiver) -> str:
    return receiver.url.removesuffix("/hook")


# ---- what is asked


@pytest.mark.parametrize(
    ("variables", "path", "authorization"),
    [
        ({}, "/write?db=tele%20metry&precision=ns", None),
        (V2, "/api/v2/write?org=my%20home&bucket=tele%20metry&precision=ns", f"Token {TOKEN}"),
        (V3, "/api/v3/write_lp?db=tele%20metry&precision=nanosecond&accept_partial=true&no_sync=false", f"Bearer {TOKEN}"),
    ],
)
def test_each_version_is_asked_in_its_own_words(variables: dict[str, str], path: str, authorization: str | None) -> None:
    with Receiver() as receiver:
        run(output_for(base(receiver), bucket="tele metry", more=variables), lambda output: output.send([data(1, {"Soc": 64.5})]))
    probe, write = receiver.posted
    assert (probe.path, write.path) == (path, path)
    assert write.headers.get("authorization") == authorization
    assert lines(probe) == []
    assert lines(write) == ["telemetry,vin=5YJ3E1EA7KF000001 Soc=64.5 1795420800123000001"]


def test_a_login_and_a_proxy_s_path_are_kept() -> None:
    with Receiver() as receiver:
        store(f"{base(receiver).replace('//', '//me:p%40ss@')}/influx/", [data(1, {"Soc": 1})])
    assert receiver.posted[0].path.startswith("/influx/write?db=telemetry")
    assert b64decode(receiver.posted[0].headers["authorization"].removeprefix("Basic ")) == b"me:p@ss"


def test_one_connection_is_used_again_and_again() -> None:
    with Receiver() as receiver:
        store(base(receiver), *([data(seq, {"Soc": seq})] for seq in range(1, 20)))
    assert receiver.connections == 1


def test_a_batch_of_a_thousand_values_is_a_tenth_of_its_size() -> None:
    with Receiver() as receiver:
        store(base(receiver), [data(seq, {"Odometer": seq, "Gear": "ShiftStateD"}) for seq in range(1, 513)])
    [_, write] = receiver.posted
    assert len(write.body) * 5 < len(gzip.decompress(write.body))


def test_a_batch_is_made_in_many_most_in_one_turn_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    lines_of = LineEncoder.lines
    monkeypatch.setattr(LineEncoder, "lines", lambda self, event: made.append(event) or lines_of(self, event))  # type: ignore[func-returns-value]

    async def scene(output: InfluxOutput) -> None:
        events = [data(seq, {"Odometer": seq}) for seq in range(1, 513)]
        assert await most_in_one_turn(output.send(events), made) == LINES_SLICE
        assert len(made) == 512

    with Receiver() as receiver:
        run(output_for(base(receiver)), scene)


# ---- what is answered


def conflict(field: str) -> dict[str, tuple[dict[str, str], Answer]]:
    said = f'input field "{field}" on measurement "telemetry" is type float, already exists as type string'
    one = {"error": f"partial write: field type conflict: {said} dropped=1"}
    two = {
        "code": "unprocessable entity",
        "message": f"failure writing points to database: partial write: field type conflict: {said} dropped=1",
    }
    three = {
        "error": "partial write of line protocol occurred",
        "data": [
            {
                "original_line": "telemetry,vin=…",
                "line_number": 1,
                "error_message": f"invalid column type for column '{field}', expected iox::column_type::field::string, "
                "got iox::column_type::field::float",
            }
        ],
    }
    return {
        "1": ({}, Answer(400, body=json.dumps(one).encode())),
        "2": (V2, Answer(422, body=json.dumps(two).encode())),
        "3": (V3, Answer(400, body=json.dumps(three).encode())),
    }


@pytest.mark.parametrize("version", ["1", "2", "3"])
def test_a_field_of_another_type_goes_by_another_name_and_nothing_is_dropped(version: str) -> None:
    variables, refusal = conflict("Soc")[version]

    def judge(posted: Posted) -> Answer:
        return refusal if any("Soc=" in line for line in lines(posted)) else Answer()

    context = Context(EPOCH, Counter())
    with Receiver(judge=judge) as receiver:
        first = [data(1, {"Soc": 1.5, "Odometer": 2}), data(2, {"Odometer": 3})]
        store(base(receiver), first, [data(3, {"Soc": 2})], context=context, more=variables)
    sent = [lines(posted) for posted in receiver.posted][1:]
    assert [[line.split(" ")[1] for line in batch] for batch in sent] == [
        ["Soc=1.5,Odometer=2.0", "Odometer=3.0"],
        ["Soc_number=1.5,Odometer=2.0", "Odometer=3.0"],
        ["Soc_number=2.0"],
    ]
    assert context.given_up == []


@pytest.mark.parametrize(("variables", "status"), [({}, 400), (V2, 422), (V3, 400)])
def test_a_line_that_is_bad_for_another_reason_is_dropped_alone(variables: dict[str, str], status: int) -> None:
    def judge(posted: Posted) -> Answer:
        bad = any("Odometer=5.0" in line for line in lines(posted))
        return Answer(status, body=b'{"error":"partial write: points beyond retention policy dropped=1"}') if bad else Answer()

    context = Context(EPOCH, Counter())
    with Receiver(judge=judge) as receiver:
        store(base(receiver), [data(seq, {"Odometer": seq}) for seq in range(1, 33)], context=context, more=variables)
        assert len(receiver.posted) < 16
    assert {line.split(" ")[1] for line in written(receiver)} == {f"Odometer={seq}.0" for seq in range(1, 33)}
    assert (context.given_up, context.dropped["refused"]) == ([5], 1)


def test_what_is_too_large_is_written_in_parts() -> None:
    def judge(posted: Posted) -> Answer:
        return Answer(413) if len(lines(posted)) > 8 else Answer()

    context = Context(EPOCH, Counter())
    with Receiver(judge=judge) as receiver:
        store(base(receiver), [data(seq, {"Odometer": seq}) for seq in range(1, 33)], context=context)
    arrived = [line for posted in receiver.posted if len(lines(posted)) <= 8 for line in lines(posted)]
    assert len(arrived) == 32
    assert context.given_up == []


def test_after_a_failure_what_was_refused_is_not_counted_twice() -> None:
    failed: list[int] = []

    def judge(posted: Posted) -> Answer:
        found = lines(posted)
        if any("Odometer=1.0" in line for line in found):
            return Answer(400)
        if not failed and any("Odometer=2.0" in line for line in found):
            failed.append(1)
            return Answer(500)
        return Answer()

    context = Context(EPOCH, Counter())

    async def scene(output: Any) -> None:
        events = [data(1, {"Odometer": 1}), data(2, {"Odometer": 2})]
        with pytest.raises(Undelivered):
            await output.send(events)
        await output.send(events)

    with Receiver(judge=judge) as receiver:
        run(output_for(base(receiver), context), scene)
    assert (context.given_up, context.dropped["refused"]) == ([1], 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_wants_time_gets_it(status: int) -> None:
    def judge(posted: Posted) -> Answer:
        return Answer(status, {"retry-after": "77"}) if lines(posted) else Answer()

    with Receiver(judge=judge) as receiver, pytest.raises(Undelivered) as caught:
        store(base(receiver), [data(1, {"Soc": 1})])
    assert caught.value.retry_after_s == 77


@pytest.mark.parametrize("status", [401, 403, 404, 500, 502])
@pytest.mark.parametrize("variables", [{}, V2, V3])
def test_a_refusal_is_repeated_without_the_token(status: int, variables: dict[str, str]) -> None:
    with (
        Receiver(judge=lambda posted: Answer(status, body=b'{"message":"no such\\nthing"}')) as receiver,
        pytest.raises(Undelivered, match=f"127.0.0.1 answers {status} .*no such") as caught,
    ):
        asyncio.run(output_for(base(receiver), more=variables).check())
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("answer", [Answer(204), Answer(200), Answer(400, body=b'{"error":"no data written"}')])
def test_a_probe_that_has_no_point_is_well_whatever_the_server_says_of_that(answer: Answer) -> None:
    with Receiver(answer) as receiver:
        assert "takes writes to telemetry" in asyncio.run(output_for(base(receiver), more=V2).check())


def test_a_connection_that_the_server_has_closed_meanwhile_costs_nothing() -> None:
    with Receiver(judge=lambda posted: Answer(204, {"connection": "close"})) as receiver:
        store(base(receiver), *([data(seq, {"Soc": seq})] for seq in range(1, 4)))
    assert len(written(receiver)) == 3


# ---- settings


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"INFLUX_BUCKET": ""}, "INFLUX_BUCKET: is not set"),
        ({"INFLUX_URL": "ftp://secret@x"}, "INFLUX_URL: its value is not usable — give http://host:8086"),
        ({"INFLUX_URL": "http://x?db=y"}, "INFLUX_URL: its value is not usable"),
        ({"INFLUX_TOKEN": "secret one"}, "INFLUX_TOKEN: its value is not usable — give a token without blanks"),
        ({"INFLUX_TOKEN": "secret", "INFLUX_URL": "http://me:secret@x"}, "INFLUX_TOKEN: is set, but INFLUX_URL has a login"),
    ],
)
def test_what_cannot_be_is_said_without_a_secret(variables: dict[str, str], expected: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        planned({"INFLUX_URL": "http://x", "INFLUX_BUCKET": "b"} | variables, SERVER)
    assert str(caught.value).startswith(expected)
    assert "secret" not in str(caught.value)


def test_a_server_that_does_not_speak_http_is_undelivered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        async def scene() -> None:
            connecting = asyncio.ensure_future(output_for(f"http://127.0.0.1:{port}").connect())
            peer, _ = await asyncio.to_thread(listener.accept)
            await asyncio.to_thread(peer.recv, 100)
            peer.sendall(b"SSH-2.0-OpenSSH\r\n")
            with pytest.raises(Undelivered, match="does not answer in HTTP"):
                await connecting
            peer.close()

        asyncio.run(scene())
