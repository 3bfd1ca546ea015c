"""
What the codec costs: a vehicle's `real` message (14 datums of mixed types) to JSON, its acknowledgement, and writing one.

Beside it, in the same run, the well-kept packages that a Python server would use instead: flatbuffers, protobuf (upb) with its
MessageToDict, orjson. The ratio is made of interleaved rounds, since a shared machine drifts by a third.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from pytest_benchmark.fixture import BenchmarkFixture
from teslafast.protocol import _wire

from bench.peers import vehicle_baseline
from bench.support import events
from bench.support.payload import Payload

FRAME = events.envelope(events.REAL).message
ENVELOPE = _wire.read_envelope(FRAME)
FLEET = _wire.read_record(b"V", ENVELOPE.payload, events.VIN, _wire.FLEET).body
BAR = 15  # how many times faster than the packages decoding has to be


def ours() -> bytes:
    envelope = _wire.read_envelope(FRAME)
    return orjson.dumps(_wire.read_record(envelope.topic, envelope.payload, events.VIN).body)


def packages() -> bytes:
    _, _, payload = vehicle_baseline.read_envelope(FRAME)
    record = Payload.FromString(payload)
    record.vin = events.VIN
    return orjson.dumps(MessageToDict(record))


def our_record() -> bytes:
    return orjson.dumps(_wire.read_record(b"V", ENVELOPE.payload, events.VIN).body)


def our_record_in_fleet_shape() -> bytes:
    return orjson.dumps(_wire.read_record(b"V", ENVELOPE.payload, events.VIN, _wire.FLEET).body)


def packages_record() -> bytes:
    return orjson.dumps(MessageToDict(Payload.FromString(ENVELOPE.payload)))


def our_ack() -> bytes:
    return _wire.ack(ENVELOPE.txid, b"V")


def packages_ack() -> bytes:
    return events.ack(ENVELOPE.txid, b"V")


def our_writing() -> bytes:
    return _wire.write_envelope(b"V", ENVELOPE.txid, _wire.write_record(b"V", FLEET))


CASES: dict[str, tuple[Callable[[], bytes], ...]] = {
    "message to JSON": (ours, packages),
    "record to JSON": (our_record, our_record_in_fleet_shape, packages_record),
    "acknowledgement": (our_ack, packages_ack),
    "record and envelope written": (our_writing,),
}


@pytest.mark.parametrize(("group", "case"), [(group, case) for group, cases in CASES.items() for case in cases])
def test_cost(benchmark: BenchmarkFixture, group: str, case: Callable[[], bytes]) -> None:
    benchmark.group = group
    assert benchmark(case)


def mean_us(case: Callable[[], Any], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        case()
    return (time.perf_counter() - started) / calls * 1e6


def test_ratio(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> None:
    def rounds() -> list[tuple[float, float]]:
        return [(mean_us(ours, 2000), mean_us(packages, 200)) for _ in range(15)]

    benchmark.group = "ratio"
    pairs = benchmark.pedantic(rounds, rounds=1)  # type: ignore[no-untyped-call]  # pytest-benchmark left it untyped
    ratio = statistics.median(theirs / own for own, theirs in pairs)
    own, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    with capsys.disabled():
        print(f"\n{len(events.REAL)} datums to JSON: {own:.2f} µs, packages {theirs:.1f} µs: {ratio:.0f} times faster")
    assert ratio >= BAR
