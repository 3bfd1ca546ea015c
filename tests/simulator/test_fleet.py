"""
The simulator against a server that shares nothing with ours: the `websockets` package for the connection, `flatbuffers` for
envelopes, `protobuf` for what is in them. TLS and certificates are real.
"""

import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from teslafast.certificates import folder
from teslafast.errors import Misconfigured
from teslafast.simulator import fleet
from teslafast.simulator.ack_tracker import LIMIT, Latencies, Ledger, Message, Tally
from teslafast.simulator.car import FIELDS
from teslafast.simulator.chaos import KINDS, Chaos, Copy, Drop, Overlap, Resend, Send, SendMalformed, chosen
from teslafast.simulator.fleet import simulate
from teslafast.simulator.simulated_vehicle import Fleet
from teslafast.simulator.summary import Summary
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.support import ROOT, oracle

TXID = re.compile(rb"[0-9a-f]{22}-\d{9}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


# ---- the other side


@dataclass
class Call:
    """One connection that came in: who called, when, and what was sent over it, in order."""

    vin: str
    path: str
    headers: dict[str, str]
    began: float
    ended: float | None = None
    close_code: int | None = None
    envelopes: list[dict[str, Any]] = field(default_factory=list)
    records: list[tuple[bytes, dict[str, Any]]] = field(default_factory=list)
    malformed: int = 0


Answers = Callable[[bytes, bytes], bytes | None]


def acknowledge(txid: bytes, topic: bytes) -> bytes | None:
    return oracle.build_envelope(topic, txid, None)


def error(txid: bytes) -> bytes:
    return oracle.build_envelope(b"", txid, {"payload": b"incorrect message format"})


@dataclass
class Peer:
    """A server of vehicles that answers as the reference does (tesla-protocol 2.1), or as `answers` says."""

    answers: Answers = acknowledge
    refuse: HTTPStatus | None = None
    calls: list[Call] = field(default_factory=list)
    url: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, connection: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        assert connection.request is not None
        headers = dict(connection.request.headers.raw_items())
        call = Call(certified(connection), connection.request.path, headers, loop.time())
        self.calls.append(call)
        self.news.set()
        try:
            async for message in connection:
                reply = self.reply(call, bytes(message) if not isinstance(message, str) else b"")
                if reply is not None:
                    await connection.send(reply)
        except ConnectionClosed:
            pass  # a drop is one of the things that are tried here
        finally:
            call.ended, call.close_code = loop.time(), connection.close_code
            self.news.set()

    def reply(self, call: Call, message: bytes) -> bytes | None:
        try:
            envelope = oracle.envelope(message)
        except oracle.Refused:
            call.malformed += 1
            return error(b"")
        try:
            if envelope.get("topic") not in oracle.TOPICS:
                raise oracle.Refused("no such topic")
            record = oracle.fleet(envelope["topic"], envelope["payload"], call.vin or envelope["device_id"].decode())
        except oracle.Refused:
            call.malformed += 1
            return error(envelope.get("txid", b""))
        call.envelopes.append(envelope)
        call.records.append((envelope["topic"], record))
        self.news.set()
        return self.answers(envelope["txid"], envelope["topic"])

    def before_upgrade(self, connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(self.refuse, "no, because\n") if self.refuse else None

    @property
    def records(self) -> list[tuple[bytes, dict[str, Any]]]:
        return [record for call in self.calls for record in call.records]

    @property
    def txids(self) -> list[bytes]:
        return [envelope["txid"] for call in self.calls for envelope in call.envelopes]


def certified(connection: ServerConnection) -> str:
    tls = connection.transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls else None
    if der is None:
        return ""
    name = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return str(name)


@asynccontextmanager
async def listening(peer: Peer, context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Peer]:
    server = serve(peer.handle, "127.0.0.1", port, ssl=context, process_request=peer.before_upgrade, close_timeout=1)
    async with server as bound:
        port = next(iter(bound.sockets)).getsockname()[1]
        peer.url = f"{'wss' if context else 'ws'}://localhost:{port}/"
        yield peer


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> folder.Installation:
    return folder.init(tmp_path_factory.mktemp("certs") / "made", "localhost", vehicles=2)


@pytest.fixture
def mutual(installation: folder.Installation) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(installation.directory / "server.pem", installation.directory / "server.key")
    context.load_verify_locations(installation.directory / "vehicle_ca.pem")
    return context


def run(test: Coroutine[Any, Any, Any], timeout_s: float = 30) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(timeout_s):
            return await test

    return asyncio.run(bounded())


async def reached(peer: Peer, condition: Callable[[], object]) -> None:
    """Returns when the condition holds; the test's own time limit is the bound."""
    while not condition():
        peer.news.clear()
        await peer.news.wait()


# ---- what a vehicle says


def test_vehicles_come_in_over_mutual_tls_with_real_headers_and_everything_is_acknowledged(
    installation: folder.Installation, mutual: ssl.SSLContext
) -> None:
    async def test() -> tuple[Peer, Summary]:
        async with listening(Peer(), mutual) as peer:
            directory = installation.directory
            summary = await simulate(peer.url, vehicles=4, interval_s=0.2, duration_s=1.2, certs_dir=directory, seed=3)
        return peer, summary

    peer, summary = run(test())
    assert summary.ok
    assert (summary.vehicles, summary.connected, summary.connections) == (4, 4, 4)
    assert summary.sent == summary.acked == len(peer.txids) > 4
    assert 0 < summary.p50_ms <= summary.p99_ms <= summary.max_ms
    assert len({call.vin for call in peer.calls}) == 4
    assert set(installation.vins) < {call.vin for call in peer.calls}
    for call in peer.calls:
        assert call.path == "/"
        assert call.headers["X-Network-Interface"] in ("wifi", "cellular")
        assert re.fullmatch(r"\d+\.\d+\.\d+", call.headers["Version"])
        assert UUID.fullmatch(call.headers["X-TXID"])
        assert call.close_code == 1000


def test_messages_have_the_form_that_real_cars_give_them(installation: folder.Installation, mutual: ssl.SSLContext) -> None:
    async def test() -> Peer:
        async with listening(Peer(), mutual) as peer:
            await simulate(peer.url, vehicles=2, interval_s=0.1, duration_s=1.1, certs_dir=installation.directory)
        return peer

    for call in run(test()).calls:
        counters = [int(envelope["txid"][-9:]) for envelope in call.envelopes]
        assert counters == list(range(1, len(counters) + 1))
        assert len({envelope["txid"][:22] for envelope in call.envelopes}) == 1
        for envelope, (topic, record) in zip(call.envelopes, call.records, strict=True):
            assert TXID.fullmatch(envelope["txid"])
            assert envelope["device_id"].decode() == call.vin == record["vin"]
            assert (envelope["device_type"], envelope["sender_id"]) == (b"vehicle_device", f"vehicle_device.{call.vin}".encode())
            assert abs(envelope["created_at"] - datetime.fromisoformat(record["createdAt"]).timestamp()) < 1.5
            assert topic in (b"V", b"alerts", b"errors")
        first = call.records[0][1]["data"]
        assert sorted(datum["key"] for datum in first) == sorted(field.key for field in FIELDS)
        times = [datetime.fromisoformat(record["createdAt"]) for topic, record in call.records if topic == b"V"]
        assert all((after - before).total_seconds() > 0.49 for before, after in pairwise(times))


def test_without_tls_a_vehicle_names_itself_in_the_address() -> None:
    async def test() -> tuple[Peer, Peer]:
        async with listening(Peer()) as peer, listening(Peer()) as named:
            await simulate(peer.url, vehicles=3, interval_s=0.1, duration_s=0.3)
            await simulate(named.url.replace("ws:", "http:") + "?vin=MYCAR", duration_s=0.1)
        return peer, named

    peer, named = run(test())
    assert {call.path for call in peer.calls} == {f"/?vin={call.records[0][1]['vin']}" for call in peer.calls}
    assert len({call.path for call in peer.calls}) == 3
    assert [call.path for call in named.calls] == ["/?vin=MYCAR"]


def test_vehicles_are_started_one_after_the_other() -> None:
    async def test() -> Peer:
        async with listening(Peer()) as peer:
            await simulate(peer.url, vehicles=8, interval_s=0.4, duration_s=0.1)
        return peer

    began = sorted(call.began for call in run(test()).calls)
    assert len(began) == 8
    assert sum(after - before > 0.005 for before, after in pairwise(began)) >= 4


def test_the_duration_begins_when_all_have_called_and_progress_is_told_meanwhile() -> None:
    told: list[Summary] = []

    async def test() -> tuple[float, float]:
        async with listening(Peer()) as peer:
            await simulate(peer.url, vehicles=3, interval_s=0.3, duration_s=0.7, on_progress=told.append)
        return max(call.began for call in peer.calls), min(call.ended or 0 for call in peer.calls)

    last_began, first_ended = run(test())
    assert first_ended - last_began > 0.5
    assert told
    assert told[-1].sent > 0
    assert [summary.sent for summary in told] == sorted(summary.sent for summary in told)


# ---- how it counts


def test_what_is_never_acknowledged_is_counted_and_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "SETTLE_S", 0.2)
    every_third = Counter[bytes]()

    def forgetful(txid: bytes, topic: bytes) -> bytes | None:
        every_third[b"seen"] += 1
        return None if every_third[b"seen"] % 3 == 0 else acknowledge(txid, topic)

    async def test() -> Summary:
        async with listening(Peer(forgetful)) as peer:
            return await simulate(peer.url, vehicles=6, interval_s=0.1, duration_s=0.5)

    summary = run(test())
    assert summary.unacknowledged == every_third[b"seen"] // 3 > 0
    assert summary.sent == summary.acked + summary.unacknowledged
    assert not summary.ok
    assert f"{summary.unacknowledged} unacknowledged" in "\n".join(summary.lines())


def test_an_error_reply_to_a_good_message_is_an_error() -> None:
    async def test() -> Summary:
        async with listening(Peer(lambda txid, topic: error(txid) if topic == b"V" else acknowledge(txid, topic))) as peer:
            return await simulate(peer.url, vehicles=2, interval_s=0.1, duration_s=0.2)

    summary = run(test())
    assert summary.refused == summary.errors > 0
    assert summary.unacknowledged == 0
    assert not summary.ok


@pytest.mark.parametrize(
    "answer",
    [
        lambda txid, topic: acknowledge(b"another", topic),
        lambda txid, topic: acknowledge(txid, b"alerts"),
        lambda txid, topic: b"\xff\xff\xff\xff",
        lambda txid, topic: error(b""),
    ],
    ids=["another txid", "another topic", "not readable", "an error reply to nothing"],
)
def test_an_answer_to_nothing_is_an_error(answer: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "SETTLE_S", 0.1)

    async def test() -> Summary:
        async with listening(Peer(answer)) as peer:
            return await simulate(peer.url, interval_s=0.1, duration_s=0.1)

    summary = run(test())
    assert summary.strays == summary.errors == summary.unacknowledged == summary.sent > 0
    assert not summary.ok


def test_a_server_that_answers_twice_is_noticed() -> None:
    async def twice(connection: ServerConnection) -> None:
        async for message in connection:
            envelope = oracle.envelope(bytes(message) if not isinstance(message, str) else b"")
            for _ in range(2):
                await connection.send(oracle.build_envelope(envelope["topic"], envelope["txid"], None))

    async def test() -> Summary:
        peer = Peer()
        async with serve(twice, "127.0.0.1", 0) as bound:
            peer.url = f"ws://127.0.0.1:{next(iter(bound.sockets)).getsockname()[1]}/"
            return await simulate(peer.url, interval_s=0.1, duration_s=0.2)

    summary = run(test())
    assert summary.acked == summary.sent == summary.strays > 0


# ---- when the road is bad


@cache
def chaotic(kinds: str, answers: Answers = acknowledge) -> tuple[Peer, Summary]:
    """Four hundred messages of six vehicles on a bad road, with clocks that run eighty times as fast."""
    real = Fleet.now

    async def test() -> tuple[Peer, Summary]:
        async with listening(Peer(answers)) as peer:
            stop = asyncio.Event()
            driving = asyncio.create_task(simulate(peer.url, vehicles=6, interval_s=0.01, chaos=kinds, seed=11, stop=stop))
            await reached(peer, lambda: sum(len(call.envelopes) for call in peer.calls) >= 400)
            stop.set()
            return peer, await driving

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Fleet, "now", lambda fleet: fleet.started_at + (real(fleet) - fleet.started_at) * 80)
        patched.setattr(fleet, "SETTLE_S", 3.0)
        return cast(tuple[Peer, Summary], run(test()))


@pytest.mark.parametrize("kinds", [*KINDS, "all", "drops,duplicates,reordering", "overlap,resend,malformed"])
def test_whatever_goes_wrong_on_the_road_every_message_is_confirmed_once_and_only_what_is_malformed_is_rejected(
    kinds: str,
) -> None:
    peer, summary = chaotic(kinds)
    assert summary.ok, summary
    assert summary.sent == summary.acked > 50
    assert len(set(peer.txids)) <= summary.sent
    if "drops" not in kinds and kinds != "all":
        assert len(set(peer.txids)) == summary.sent
        assert sum(call.malformed for call in peer.calls) == summary.malformed == summary.rejected


def test_duplicates_are_the_same_bytes_with_the_same_txid() -> None:
    peer, summary = chaotic("duplicates")
    times = Counter(peer.txids)
    assert summary.copies == sum(count - 1 for count in times.values()) > 5


def test_reordering_overtakes_and_loses_nothing() -> None:
    peer, _ = chaotic("reordering")
    overtaken = 0
    for call in peer.calls:
        counters = [int(envelope["txid"][-9:]) for envelope in call.envelopes]
        overtaken += sum(after < before for before, after in pairwise(counters))
        assert sorted(counters) == list(range(1, len(counters) + 1))
    assert overtaken > 5


def test_overlap_opens_the_next_connection_before_the_last_is_closed() -> None:
    peer, summary = chaotic("overlap")
    assert summary.connections == len(peer.calls) > 8
    by_vehicle: dict[str, list[Call]] = {}
    for call in peer.calls:
        by_vehicle.setdefault(call.path, []).append(call)
    overlapping = sum(after.began < (before.ended or 0) for calls in by_vehicle.values() for before, after in pairwise(calls))
    assert overlapping > 2
    assert len({envelope["txid"][:22] for call in peer.calls for envelope in call.envelopes}) <= len(peer.calls)


def test_resends_say_so_and_hold_only_fields_that_were_told_before() -> None:
    peer, _ = chaotic("resend")
    resends = [record for _, record in peer.records if record.get("isResend")]
    assert len(resends) > 5
    assert all(0 < len(record["data"]) <= len(FIELDS) for record in resends)


def test_drops_come_without_a_close_and_what_was_lost_is_told_again() -> None:
    answered = Counter[bytes]()

    def lossy(txid: bytes, topic: bytes) -> bytes | None:
        answered[topic] += 1
        return None if answered[topic] % 4 == 0 else acknowledge(txid, topic)

    peer, summary = chaotic("drops", lossy)
    assert 1006 in {call.close_code for call in peer.calls}
    assert summary.resent > 0
    told_again = [record for _, record in peer.records if record.get("isResend")]
    assert told_again
    # What the server forgot to acknowledge and no drop took away stays open; nothing is counted twice.
    assert summary.sent == summary.acked + summary.unacknowledged


def test_a_skewed_clock_is_off_by_the_same_for_the_whole_drive() -> None:
    peer, _ = chaotic("skew")
    plain, _ = chaotic("reordering")

    def offsets(seen: Peer) -> list[float]:
        firsts = [call.envelopes[0]["created_at"] for call in seen.calls]
        return [first - min(firsts) for first in firsts]

    assert max(offsets(peer)) > 60
    assert max(offsets(plain)) < 60


def test_a_server_that_restarts_is_called_again_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teslafast.backoff.FIRST_S", 0.05)
    mute = [False]

    async def test() -> tuple[Peer, Summary]:
        peer, stop = Peer(lambda txid, topic: None if mute[0] else acknowledge(txid, topic)), asyncio.Event()
        async with listening(peer):
            port = int(peer.url.rpartition(":")[2].strip("/"))
            running = asyncio.create_task(simulate(peer.url, vehicles=3, interval_s=0.1, stop=stop))
            await reached(peer, lambda: len(peer.txids) >= 6)
            mute[0] = True
            await reached(peer, lambda: len(peer.txids) >= 9)
        mute[0] = False
        async with listening(peer, port=port):
            await reached(peer, lambda: len({call.path for call in peer.calls if call.ended is None}) == 3)
            stop.set()
            summary = await running
        return peer, summary

    peer, summary = run(test())
    assert summary.ok
    assert summary.connections >= 6
    assert summary.resent > 0
    assert any(record.get("isResend") for call in peer.calls[3:] for _, record in call.records)
    assert [call.close_code for call in peer.calls[:3]] == [1001] * 3  # what the peer's CLOSE was answered with


# ---- when it cannot begin


def failing(url: str, **options: Any) -> Misconfigured:
    with pytest.raises(Misconfigured) as failure:
        run(simulate(url, duration_s=0.1, **options))
    assert "\n" not in str(failure.value)
    return failure.value


def test_a_port_where_nothing_listens_is_named() -> None:
    async def free_url() -> str:
        async with listening(Peer()) as peer:
            return peer.url

    url = run(free_url())
    assert "nothing listens" in failing(url).fault


@pytest.mark.parametrize(
    ("status", "remedy"), [(403, "TESLA_VIN"), (404, "path /"), (426, "upgrade"), (503, "later"), (500, "later"), (400, "log")]
)
def test_an_http_refusal_is_named_with_its_reason_and_the_remedy(status: int, remedy: str) -> None:
    async def test() -> None:
        async with listening(Peer(refuse=HTTPStatus(status))) as peer:
            await simulate(peer.url, duration_s=0.1)

    with pytest.raises(Misconfigured, match=f"{status} .*no, because") as failure:
        run(test())
    assert remedy in failure.value.remedy


def test_a_server_certificate_of_another_ca_is_named(mutual: ssl.SSLContext, tmp_path: Path) -> None:
    other = folder.init(tmp_path / "other", "localhost", vehicles=1)

    async def test() -> None:
        async with listening(Peer(), mutual) as peer:
            await simulate(peer.url, duration_s=0.1, certs_dir=other.directory)

    with pytest.raises(Misconfigured, match="does not verify"):
        run(test())


def test_a_vehicle_certificate_that_the_server_refuses_is_named(installation: folder.Installation, tmp_path: Path) -> None:
    stranger = folder.init(tmp_path / "other", "localhost", vehicles=1)
    (stranger.directory / "ca.pem").write_bytes(installation.ca.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(installation.directory / "server.pem", installation.directory / "server.key")
    context.load_verify_locations(installation.directory / "vehicle_ca.pem")

    async def test() -> None:
        async with listening(Peer(), context) as peer:
            await simulate(peer.url, duration_s=0.1, certs_dir=stranger.directory)

    with pytest.raises(Misconfigured, match=r"CA_PATH|TLS"):
        run(test())


@pytest.mark.parametrize(
    ("url", "options", "subject"),
    [
        ("ftp://localhost/", {}, "URL"),
        ("ws://", {}, "URL"),
        ("ws://localhost:99999/", {}, "URL"),
        ("ws://localhost:3000/stream", {}, "URL"),
        ("wss://localhost:4443/", {}, "--certs"),
        ("ws://localhost/", {"vehicles": 0}, "--vehicles"),
        ("ws://localhost/?vin=A", {"vehicles": 2}, "--vehicles"),
        ("ws://localhost/", {"interval_s": 0}, "--interval"),
        ("ws://localhost/", {"chaos": "rain"}, "--chaos"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_sent(url: str, options: dict[str, Any], subject: str) -> None:
    assert failing(url, **options).subject == subject


def test_a_certificate_that_cannot_be_used_is_named(installation: folder.Installation, tmp_path: Path) -> None:
    (tmp_path / "vehicles").mkdir()
    (tmp_path / "vehicles/X.pem").write_text("nonsense")
    (tmp_path / "vehicles/X.key").write_text("nonsense")
    assert failing("wss://localhost:4443/", certs_dir=tmp_path).subject.endswith("X.pem")


def test_one_vehicle_that_is_refused_for_good_does_not_stop_the_others() -> None:
    peer = Peer()

    def only_the_first(connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(HTTPStatus.FORBIDDEN, "not in TESLA_VIN\n") if peer.calls else None

    async def test() -> Summary:
        async with serve(peer.handle, "127.0.0.1", 0, process_request=only_the_first) as bound:
            port = next(iter(bound.sockets)).getsockname()[1]
            return await simulate(f"ws://127.0.0.1:{port}", vehicles=3, interval_s=0.1, duration_s=0.5)

    summary = run(test())
    assert (summary.connected, summary.vehicles, summary.unacknowledged) == (1, 3, 0)
    assert not summary.ok
    assert list(summary.failures.values()) == [2]
    assert "403 Forbidden: not in TESLA_VIN" in "\n".join(summary.lines())


def test_ctrl_c_ends_a_run_with_its_summary() -> None:
    program = (
        "import sys; from teslafast.simulator.fleet import run\n"
        "summary = run(sys.argv[1], interval_s=0.1, on_progress=lambda s: print(s.sent, flush=True))\n"
        "print('ok' if summary.ok and summary.sent else summary)"
    )

    async def test() -> tuple[str, int | None]:
        async with listening(Peer()) as peer:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, peer.url, stdout=subprocess.PIPE, env=environment
            )
            assert process.stdout is not None
            await process.stdout.readline()
            process.send_signal(signal.SIGINT)
            output, _ = await process.communicate()
            return output.decode(), process.returncode

    output, code = run(test())
    assert output.rstrip().endswith("ok")
    assert code == 0


def test_a_cancelled_run_hangs_up() -> None:
    async def test() -> Peer:
        async with listening(Peer()) as peer:
            running = asyncio.create_task(simulate(peer.url, vehicles=2, interval_s=0.1))
            await reached(peer, lambda: len(peer.txids) >= 2)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await reached(peer, lambda: all(call.ended for call in peer.calls))
            return peer

    assert {call.close_code for call in run(test()).calls} == {1000}


# ---- the pure parts


def message(number: int, topic: bytes = b"V") -> Message:
    return Message(b"%022x-%09d" % (7, number), topic, b"frame %d" % number, ("Soc",))


@given(st.sets(st.sampled_from(sorted(KINDS))), st.integers(0, 1000), st.lists(st.integers(0, 3), max_size=40))
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


def test_a_copy_follows_its_message_and_every_kind_of_malformed_frame_is_refused_by_the_oracle() -> None:
    chaos, txids = Chaos(["duplicates", "malformed"], 1), set()
    for number in range(3000):
        gone: list[Message] = []
        for step in chaos.disturb([message(number)]):
            if isinstance(step, Send):
                gone.append(step.message)
            elif isinstance(step, Copy):
                assert step.message in gone
            elif isinstance(step, SendMalformed):
                peer, call = Peer(), Call("5YJ3", "/", {}, 0.0)
                assert peer.reply(call, step.frame) == error(step.txid)
                txids.add(bool(step.txid))
    assert txids == {True, False}


def test_the_words_of_chaos() -> None:
    assert chosen("") == frozenset()
    assert chosen("drops, skew") == {"drops", "skew"}
    assert chosen("all") == set(KINDS)
    with pytest.raises(Misconfigured, match=r"'rain' is not known.*reordering"):
        chosen("drops,rain")


def test_a_ledger_that_is_full_says_so_and_hands_back_what_was_never_confirmed() -> None:
    tally = Tally()
    ledger = Ledger(tally)
    messages = [message(number) for number in range(LIMIT)]
    for one in messages:
        ledger.send(one, 1.0)
    ledger.copy(messages[0])
    ledger.send_malformed(b"")
    assert (ledger.full, len(ledger)) == (True, LIMIT + 2)
    ledger.acked(messages[0].txid, b"V", 1.5)
    assert (ledger.full, len(ledger)) == (False, LIMIT + 1)
    assert ledger.keys == ("Soc",) * (LIMIT - 1)
    assert ledger.close() == messages[1:]
    assert len(ledger) == 0
    assert (tally.sent, tally.acked, tally.unacknowledged, tally.malformed) == (LIMIT, 1, LIMIT - 1, 0)


def test_an_ack_settles_all_that_its_message_stands_for() -> None:
    tally = Tally()
    lost, later = Ledger(tally), Ledger(tally)
    for number in range(3):
        lost.send(message(number), 0.0)
    left = lost.close()
    later.send(Message(b"again", b"V", b"", ("Soc",), 1 + len(left)), 1.0)
    later.acked(b"again", b"V", 2.0)
    assert (tally.sent, tally.acked, tally.unacknowledged) == (4, 4, 0)


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=300), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_within_four_percent_of_the_sorted_samples(samples: list[float], share: float) -> None:
    latencies = Latencies()
    for sample in samples:
        latencies.add(sample)
    exact = sorted(samples)[max(0, -int(-share * len(samples) // 1) - 1)]
    assert exact * 0.999 <= latencies.quantile_s(share) <= exact * 1.041
    assert latencies.max_s == max(samples)


def test_without_samples_latency_is_nought() -> None:
    assert Latencies().quantile_s(0.99) == 0.0
