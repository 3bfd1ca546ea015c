"""A node that joins is told the last values by another one: whole, in parts, and not fooled by what comes."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
from teslafast.cluster.peer_values import (
    PART_ANSWER_S,
    PEERS_AT_MOST,
    QUESTION_BYTES_AT_MOST,
    QUESTIONS_AT_MOST,
    PeerAnswers,
    PeerQuestions,
)
from teslafast.cluster.shared_values import STATE_LINES, SharedValues, StateHead
from teslafast.core.last_values import LastValues
from teslafast.core.value_lines import head_line, opened, read_vehicle, sealed, vehicle_line

from tests.cluster.world import Host, HostTimer, World

EPOCH = b"epoch  1"
MS = 1_000_000
VEHICLES = 20


class Log:
    """Of a node that has come to `seq`, with what it has in its ring."""

    def __init__(self, seq: int, oldest: int) -> None:
        self.seq, self.oldest = seq, oldest
        self.events: list[tuple[int, int, str, bytes, int]] = []

    def events_after(self, seq: int, limit: int) -> list[tuple[int, int, str, bytes, int]]:
        return [one for one in self.events if one[0] > seq][:limit]


class ANode:
    def __init__(self, seq: int, oldest: int, since: int) -> None:
        self.log = Log(seq, oldest)
        self.last = LastValues()
        self.values = SharedValues(self.last, self.log, "TF", lambda: 9)
        self.values.epoch = EPOCH
        self.values.says_all_since = since


def knowing(vehicles: int = VEHICLES, seq: int = 100, since: int = 1) -> ANode:
    node = ANode(seq, 1, since)
    for number in range(vehicles):
        node.last.merge(f"VIN{number}", {"Soc": number, "Version": "x" * 100}, 5 * MS, 5 * MS)
    return node


class Peers:
    """The link of a node that joins, and what its peers do with a question: answer it, be silent (None), or be gone."""

    def __init__(self, world: World | None = None, part_bytes: int = 1500) -> None:
        self.world = world or World(1)
        self.timer = HostTimer(self.world, Host())
        self.here = ANode(100, 91, 91)
        self.part_bytes = part_bytes
        self.peers: dict[bytes, Callable[[bytes, Callable[[bytes], object]], object]] = {}
        self.asked: list[bytes] = []
        self.refused: list[str] = []
        self.idle = 0
        self.questions = PeerQuestions(self, self.here.values, self.timer, self.world.clock, self.refused.append, self._be_idle)
        self.questions.begin()

    def _be_idle(self) -> None:
        self.idle += 1

    def ask_peer(self, run: bytes, question: bytes, answer: Callable[[bytes | None], object]) -> None:
        self.asked.append(run)
        peer = self.peers.get(run)
        self.timer.call_later(0.0, lambda: answer(None) if peer is None else peer(question, answer))

    def answer_peers(self, run: bytes, take: Callable[[bytes, Callable[[bytes], object]], object]) -> None:
        self.peers[run] = take

    def add(self, run: bytes, node: ANode, serves: bool = True) -> PeerAnswers:
        answers = PeerAnswers(node.values, self.timer, self.world.clock, lambda: serves, self.part_bytes)
        self.peers[run] = answers.take
        return answers

    def offer(self, *runs: bytes) -> None:
        self.questions.offer(runs)
        self.pass_time(1.0)

    def pass_time(self, seconds: float) -> None:
        self.world.run(seconds)

    @property
    def known(self) -> dict[str, int]:
        return {vin: one.values["Soc"] for vin in self.here.last.vins() if (one := self.here.last.get(vin)) is not None}


ALL = {f"VIN{number}": number for number in range(VEHICLES)}


def test_values_come_in_parts_until_all_have_been_told() -> None:
    peers = Peers()
    peers.add(b"peer", knowing())
    peers.offer(b"peer")
    assert peers.known == ALL
    assert len(peers.asked) == 3
    assert peers.here.values.says_all_since == 1
    assert (peers.idle, peers.refused) == (1, [])


def test_a_line_waits_until_the_log_has_come_to_its_seq_and_later_events_are_put_on_top() -> None:
    peers = Peers()
    peers.add(b"peer", knowing(1, seq=105))
    peers.offer(b"peer")
    assert peers.known == {}
    assert peers.here.values.waiting == 1
    event = orjson.dumps({"vin": "VIN0", "createdAt": None, "data": {"Soc": 77}, "isResend": False})
    before = orjson.dumps({"vin": "VIN0", "createdAt": None, "data": {"Soc": 1, "Gear": "P"}, "isResend": False})
    peers.here.log.events = [(104, 0, "VIN0", before, 6), (106, 0, "VIN0", event, 7)]
    peers.here.log.seq = 106
    peers.here.values.applied()
    vehicle = peers.here.last.get("VIN0")
    assert vehicle is not None
    assert vehicle.values == {"Soc": 77, "Version": "x" * 100}


@pytest.mark.parametrize("serves", [False, True])
def test_a_peer_that_is_catching_up_or_knows_no_more_refuses(serves: bool) -> None:
    peers = Peers()
    peers.add(b"peer", knowing(since=1 if not serves else 91), serves)
    peers.offer(b"peer")
    assert peers.known == {}
    assert (peers.idle, peers.asked) == (1, [b"peer"])


def test_two_that_join_at_once_refuse_each_other_and_neither_waits() -> None:
    one, other = Peers(), Peers()
    one.add(b"other", other.here, serves=False)
    other.add(b"one", one.here, serves=False)
    one.offer(b"other")
    other.offer(b"one")
    assert (one.idle, other.idle) == (1, 1)


def test_two_that_join_at_once_are_both_told_by_a_third() -> None:
    first = Peers()
    second = Peers(first.world)
    answers = first.add(b"peer", knowing())
    second.peers[b"peer"] = answers.take
    second.questions.offer([b"peer"])
    first.offer(b"peer")
    assert first.known == second.known == ALL


def test_the_next_one_is_asked_if_a_peer_is_gone_or_silent() -> None:
    peers = Peers()
    peers.peers[b"silent"] = lambda question, answer: None
    peers.add(b"peer", knowing())
    peers.questions.offer([b"gone", b"silent", b"peer"])
    peers.pass_time(2 * PART_ANSWER_S + 1)
    assert peers.known == ALL
    assert peers.asked[:4] == [b"gone", b"silent", b"silent", b"peer"]


def test_the_next_one_is_asked_from_the_beginning_if_a_peer_dies_midway() -> None:
    peers = Peers()
    dying = PeerAnswers(knowing().values, peers.timer, peers.world.clock, lambda: True, 1500)
    told = 0

    def answer_twice(question: bytes, answer: Callable[[bytes], object]) -> None:
        nonlocal told
        told += 1
        if told <= 2:
            dying.take(question, answer)

    peers.peers[b"dying"] = answer_twice
    peers.questions.offer([b"dying"])
    peers.pass_time(0.5)
    assert 0 < len(peers.known) < VEHICLES
    assert peers.here.values.says_all_since == 91
    peers.add(b"peer", knowing(seq=101))
    peers.questions.offer([b"peer"])
    peers.pass_time(2 * PART_ANSWER_S + 1)
    peers.here.log.seq = 101
    peers.here.values.applied()
    assert peers.known == ALL
    assert peers.here.values.says_all_since == 1


def test_worse_values_never_take_the_place_of_better_ones() -> None:
    peers = Peers()
    peers.add(b"knows all", knowing(3))
    peers.offer(b"knows all")
    peers.here.values.take([], 50)
    poor = knowing(1, since=50)
    poor.last.merge("VIN0", {"Soc": 1000}, 6 * MS, 6 * MS)
    head, raw = opened(poor.values.part(0, 10_000, lambda: False), STATE_LINES)
    peers.here.values.take([read_vehicle(line) for line in raw], 50)
    assert head["says_all_since"] == 50
    assert peers.known["VIN0"] == 0


def part(*lines: bytes, **changed: object) -> bytes:
    head = StateHead("TF", EPOCH, 100, 9, 1)._asdict() | {"epoch": EPOCH.hex()} | changed
    return b"".join(sealed([head_line(STATE_LINES, head), *lines]))


LINE = vehicle_line("VIN0", next(vehicle for _, vehicle in knowing(1).last.after(0)), 100)
NONSENSE = {
    "nothing": b"",
    "no lines": b"\x00" * 1000,
    "a torn part": part(LINE)[:-20],
    "another epoch": part(LINE, epoch="00"),
    "an epoch that is none": part(LINE, epoch="x"),
    "no more than is known": part(LINE, says_all_since=91),
    "a count below 0": part(LINE, after=-1),
    "a part that does not go on": part(LINE, more=True, after=0),
    "a bad line": part(b'{"vin":"VIN0"}\n'),
    "a time before what has been read": part(LINE.replace(b'"seq":100', b'"seq":20')),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused_in_words_and_another_one_asked(name: str) -> None:
    peers = Peers()
    peers.peers[b"bad"] = lambda question, answer: answer(NONSENSE[name])
    peers.add(b"peer", knowing())
    peers.offer(b"bad", b"peer")
    assert len(peers.refused) == 1
    assert b"bad".hex() in peers.refused[0]
    assert peers.known == ALL


def test_a_peer_that_never_comes_to_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teslafast.cluster.peer_values.TOLD_BYTES_AT_MOST", 10_000)
    peers = Peers()
    count = 0

    def go_on(question: bytes, answer: Callable[[bytes], object]) -> None:
        nonlocal count
        count += 1
        answer(part(LINE.replace(b"VIN0", b"VIN%d" % count), more=True, after=count))

    peers.peers[b"endless"] = go_on
    peers.offer(b"endless")
    assert peers.idle == 1
    assert count * len(part(LINE)) < 12_000
    assert peers.here.values.says_all_since == 91


def test_so_many_peers_are_asked_and_no_more() -> None:
    peers = Peers()
    peers.offer(*(b"%d" % number for number in range(100)))
    assert len(peers.asked) == PEERS_AT_MOST


@pytest.mark.parametrize(
    "question", [b"", b"[]", b"{}", b"7", b'{"epoch":"","says_all_since":-1,"after":0}', b" " * (QUESTION_BYTES_AT_MOST + 1)]
)
def test_what_is_no_question_is_not_answered(question: bytes) -> None:
    peers, answers = Peers(), list[bytes]()
    peers.add(b"peer", knowing()).take(question, answers.append)
    peers.pass_time(0.1)
    assert answers == []


def test_a_peer_answers_one_after_the_other_and_refuses_too_many() -> None:
    peers, answers = Peers(), list[bytes]()
    peer = peers.add(b"peer", knowing())
    question = orjson.dumps({"epoch": EPOCH.hex(), "says_all_since": 91, "after": 0})
    for _ in range(QUESTIONS_AT_MOST + 3):
        peer.take(question, answers.append)
    assert sum(one == b'{"refused":"busy"}' for one in answers) == 2
    assert len(answers) == 3
    peers.pass_time(1.0)
    assert len(answers) == QUESTIONS_AT_MOST + 3


def test_a_vehicle_whose_line_fits_no_message_is_left_out() -> None:
    node = knowing(3)
    node.last.merge("VIN1", {"Version": "x" * 5000}, 6 * MS, 6 * MS)
    told, after, more = list[str](), 0, True
    while more:
        members, lines = opened(node.values.part(after, 2000, lambda: False), STATE_LINES)
        after, more = members["after"], members["more"]
        told += [orjson.loads(line)["vin"] for line in lines]
    assert told == ["VIN0", "VIN2"]
