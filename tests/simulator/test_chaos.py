"""What goes wrong between vehicle and server: as a pure function of a seed, and on real connections."""

import asyncio
from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.errors import Misconfigured
from teslafast.simulator import fleet
from teslafast.simulator.ack_tracker import OutgoingMessage
from teslafast.simulator.chaos import CHAOS_KINDS, Chaos, Copy, Drop, Overlap, Resend, Send, SendMalformed, parse_chaos
from teslafast.simulator.fleet import simulate
from teslafast.simulator.simulation import Simulation
from teslafast.simulator.summary import Summary

from tests.support.fake_vehicle_server import Answers, FakeVehicleServer, ReceivedConnection, ack, error_reply, run


@cache
def chaotic(kinds: str, answers: Answers = ack, settle_s: float = 3.0) -> tuple[FakeVehicleServer, Summary]:
    """What the server saw of six vehicles and 400 messages, and their summary; clocks run at eighty times their speed."""
    real = Simulation.now

    async def test() -> tuple[FakeVehicleServer, Summary]:
        async with FakeVehicleServer(answers).listening() as server:
            stop = asyncio.Event()
            driving = asyncio.create_task(simulate(server.url, vehicles=6, interval_s=0.01, chaos=kinds, seed=11, stop=stop))
            await server.until(lambda: sum(len(connection.envelopes) for connection in server.connections) >= 400)
            stop.set()
            return server, await driving

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Simulation, "now", lambda shared: shared.started_at + (real(shared) - shared.started_at) * 80)
        patched.setattr(fleet, "SETTLE_S", settle_s)
        return cast(tuple[FakeVehicleServer, Summary], run(test()))


@pytest.mark.parametrize("kinds", [*CHAOS_KINDS, "all", "drops,duplicates,reordering", "overlap,resend,malformed"])
def test_under_any_chaos_every_message_is_acknowledged_once_and_only_malformed_ones_are_rejected(
    kinds: str,
) -> None:
    server, summary = chaotic(kinds)
    assert summary.ok, summary
    assert summary.sent == summary.acked > 50
    assert len(set(server.txids)) <= summary.sent
    if "drops" not in kinds and kinds != "all":
        assert len(set(server.txids)) == summary.sent
        assert sum(connection.malformed for connection in server.connections) == summary.malformed == summary.rejected


def test_duplicates_are_the_same_bytes_with_the_same_txid() -> None:
    server, summary = chaotic("duplicates")
    times = Counter(server.txids)
    assert summary.copies == sum(count - 1 for count in times.values()) > 5


def test_reordering_lets_messages_overtake_each_other_and_loses_none() -> None:
    server, _ = chaotic("reordering")
    overtaken = 0
    for connection in server.connections:
        counters = [int(envelope["txid"][-9:]) for envelope in connection.envelopes]
        overtaken += sum(after < before for before, after in pairwise(counters))
        assert sorted(counters) == list(range(1, len(counters) + 1))
    assert overtaken > 5


def test_overlap_opens_the_next_connection_before_it_closes_the_last() -> None:
    server, summary = chaotic("overlap")
    assert summary.connections == len(server.connections) > 8
    by_vehicle: dict[str, list[ReceivedConnection]] = {}
    for connection in server.connections:
        by_vehicle.setdefault(connection.path, []).append(connection)
    overlapping = sum(
        after.began < (before.ended or 0) for connections in by_vehicle.values() for before, after in pairwise(connections)
    )
    assert overlapping > 2
    prefixes = {txid[:22] for txid in server.txids}
    assert len(prefixes) <= len(server.connections)


def test_a_resend_is_marked_and_holds_only_fields_that_were_sent_before() -> None:
    server, _ = chaotic("resend")
    resends, sent = 0, defaultdict[str, set[str]](set)
    for _, record in server.records:
        keys = {datum["key"] for datum in record.get("data", ())}
        if record.get("isResend"):
            resends += 1
            assert keys
            assert keys <= sent[record["vin"]]
        sent[record["vin"]] |= keys
    assert resends > 5


def test_a_drop_sends_no_close_and_the_vehicle_sends_again_what_was_lost() -> None:
    answered = Counter[bytes]()

    def lossy(txid: bytes, topic: bytes) -> bytes | None:
        answered[topic] += 1
        return None if answered[topic] % 4 == 0 else ack(txid, topic)

    server, summary = chaotic("drops", lossy, settle_s=0.3)  # some acks never come: waiting for them is no use
    assert 1006 in {connection.close_code for connection in server.connections}
    assert summary.resent > 0
    assert any(record.get("isResend") for _, record in server.records)
    # A message that the server never acknowledged stays open unless a drop ended its connection; none is counted twice.
    assert summary.sent == summary.acked + summary.unacknowledged


def test_a_skewed_clock_is_wrong_by_the_same_amount_for_the_whole_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the true time standing still, every message of a vehicle has the same time: the true one plus the vehicle's error."""
    monkeypatch.setattr(Simulation, "now", lambda shared: 1_790_000_000.0)

    async def test() -> FakeVehicleServer:
        async with FakeVehicleServer().listening() as server:
            stop = asyncio.Event()
            driving = asyncio.create_task(simulate(server.url, vehicles=6, interval_s=0.01, chaos="skew,resend", stop=stop))
            await server.until(
                lambda: len(server.connections) == 6 and all(len(one.envelopes) >= 3 for one in server.connections)
            )
            stop.set()
            await driving
        return server

    times = [{envelope["created_at"] for envelope in one.envelopes} for one in run(test()).connections]
    assert [len(of_one) for of_one in times] == [1] * 6
    errors = {of_one.pop() - 1_790_000_000 for of_one in times}
    assert len(errors) > 1
    assert all(-60 <= error <= 300 for error in errors)


def message(number: int, topic: bytes = b"V") -> OutgoingMessage:
    return OutgoingMessage(b"%022x-%09d" % (7, number), topic, b"frame %d" % number, ("Soc",))


@given(st.sets(st.sampled_from(sorted(CHAOS_KINDS))), st.integers(0, 1000), st.lists(st.integers(0, 3), max_size=40))
def test_chaos_neither_loses_nor_invents_a_message(kinds: set[str], seed: int, sizes: list[int]) -> None:
    chaos = Chaos(kinds, seed)
    numbers = iter(range(1000))
    meant = [[message(next(numbers)) for _ in range(size)] for size in sizes]
    steps = [step for messages in meant for step in chaos.disturb(messages)] + chaos.release()
    sent = [step.message for step in steps if isinstance(step, Send)]
    assert sorted(sent, key=lambda one: one.txid) == [one for messages in meant for one in messages]
    allowed = {"duplicates": Copy, "malformed": SendMalformed, "resend": Resend, "overlap": Overlap, "drops": Drop}
    assert all(isinstance(step, (Send, *(allowed[kind] for kind in kinds & allowed.keys()))) for step in steps)
    if "reordering" not in kinds:
        assert sent == [one for messages in meant for one in messages]
    assert (chaos.skew_s != 0) == ("skew" in kinds)


def test_a_copy_follows_its_message_and_the_oracle_refuses_every_malformed_frame() -> None:
    chaos, txids = Chaos(["duplicates", "malformed"], 1), set()
    for number in range(3000):
        gone: list[OutgoingMessage] = []
        for step in chaos.disturb([message(number)]):
            if isinstance(step, Send):
                gone.append(step.message)
            elif isinstance(step, Copy):
                assert step.message in gone
            elif isinstance(step, SendMalformed):
                server, connection = FakeVehicleServer(), ReceivedConnection("5YJ3", "/", {}, 0.0)
                assert server.reply(connection, step.frame) == error_reply(step.txid)
                txids.add(bool(step.txid))
    assert txids == {True, False}


def test_a_list_of_chaos_kinds_is_parsed_and_an_unknown_kind_is_refused() -> None:
    assert parse_chaos("") == frozenset()
    assert parse_chaos("drops, skew") == {"drops", "skew"}
    assert parse_chaos("all") == set(CHAOS_KINDS)
    with pytest.raises(Misconfigured, match=r"'rain' is not known.*reordering"):
        parse_chaos("drops,rain")
