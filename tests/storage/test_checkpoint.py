"""The last known values after a restart: what a reader of the whole log would have, whenever the checkpoint was made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from teslafast.core import records
from teslafast.core.last_values import LastValues
from teslafast.core.value_lines import chained
from teslafast.rfc3339 import rfc3339
from teslafast.storage import checkpoint
from teslafast.storage.journal import Life

from tests.support.journals import Kept
from tests.support.servers import Process

MS = 1_000_000
NOW_MS = 1_795_000_000_000
LIFE = Life("epoch")
JOURNAL = "the journal's name"


class Server:
    """A log and its values, fed as the hub feeds them; `clock_ms` goes on by one with each event."""

    def __init__(self, path: Path) -> None:
        self.kept = Kept(path)
        self.log = self.kept.log
        self.state = LastValues()
        self.clock_ms = NOW_MS

    def take(self, vin: str, data: dict[str, Any], created_ms: int | None) -> None:
        self.clock_ms += 1
        created = None if created_ms is None else rfc3339(created_ms * MS)
        body = {"vin": vin, "createdAt": created, "data": data, "isResend": False}
        self.log.publish(records.DATA, vin, orjson.dumps(body), self.clock_ms)
        self.state.merge(vin, data, None if created_ms is None else created_ms * MS, self.clock_ms * MS)

    def lines(self, epoch: str = LIFE.epoch) -> Iterator[bytes]:
        return checkpoint.lines(self.state, self.log, JOURNAL, epoch)

    def restored(self, content: bytes, life: Life = LIFE) -> tuple[dict[str, Any], int]:
        state = LastValues()
        read = checkpoint.restore(state, self.log, content, JOURNAL, life)
        return known(state), read


def known(state: LastValues) -> dict[str, Any]:
    """Everything that later merges can depend on."""
    vehicles = {vin: state.get(vin) for vin in state.vins()}
    return {vin: (one.values, one.times, one.newest_ns) for vin, one in vehicles.items() if one is not None}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "journal")
    with made.kept:
        yield made


# an event (which vehicle, which field, when it says it was made: as of now, late, far ahead or not at all), or a line of the file
AN_EVENT = st.tuples(
    st.sampled_from("ABC"), st.sampled_from(["Soc", "Gear", "Odometer"]), st.sampled_from([0, -5, -1, 3, 400_000, 10**9, None])
)
WHAT_HAPPENS = st.lists(st.one_of(AN_EVENT, st.just("a line")), max_size=80)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(AN_EVENT, max_size=30), during=WHAT_HAPPENS, after=st.lists(AN_EVENT, max_size=20))
def test_values_are_those_of_the_whole_log_whenever_each_line_was_made(
    tmp_path_factory: pytest.TempPathFactory, before: list[Any], during: list[Any], after: list[Any]
) -> None:
    server = Server(tmp_path_factory.mktemp("values") / "journal")
    with server.kept:
        lines, made, count = server.lines(), list[bytes](), 0

        def happen(events_and_lines: list[Any]) -> None:
            nonlocal count
            for one in events_and_lines:
                if one == "a line":
                    made.extend(line for line in [next(lines, None)] if line is not None)
                else:
                    vin, name, offset = one
                    count += 1
                    server.take(vin, {name: count}, None if offset is None else server.clock_ms + offset)

        happen(before)
        happen(during)
        made.extend(lines)
        happen(after)
        restored, _ = server.restored(b"".join(made))
        assert restored == known(server.state)
        assert server.restored(b"")[0] == restored


def test_only_what_came_after_the_checkpoint_is_read_again(server: Server) -> None:
    for number in range(100):
        server.take("A", {"Soc": number}, NOW_MS)
    content = b"".join(server.lines())
    server.take("A", {"Soc": 100}, NOW_MS)
    restored, read = server.restored(content)
    assert read == 1
    assert restored["A"][0] == {"Soc": 100}


def test_values_whose_events_have_left_the_ring_are_still_known(server: Server) -> None:
    server.take("OLD", {"Odometer": 1}, NOW_MS)
    content = b"".join(server.lines())
    while server.log.oldest <= 1:
        server.take("NEW", {"Version": "x" * 10_000}, NOW_MS)
    assert "OLD" in server.restored(content)[0]
    assert "OLD" not in server.restored(b"")[0]


def test_other_kinds_change_no_value(server: Server) -> None:
    server.log.publish(records.ALERTS, "A", b'{"vin":"A","createdAt":null,"alerts":[]}', NOW_MS)
    assert server.restored(b"") == ({}, 0)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_torn_file_is_as_good_as_none(server: Server, data: st.DataObject) -> None:
    if not server.log.seq:  # one server for all examples
        server.take("A", {"Soc": 1, "Gear": "ShiftStateD"}, NOW_MS)
    content = b"".join(server.lines())
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = content[:place] + bytes([content[place] ^ 1 << data.draw(st.integers(0, 7))]) + content[place + 1 :]
    for torn in (cut, flipped):
        restored, read = server.restored(torn)
        assert restored == known(server.state)
        assert read <= server.log.seq


@pytest.mark.parametrize(
    ("member", "value"), [("journal", "another journal's"), ("version", 2), ("epoch", "an epoch before the last")]
)
def test_a_file_of_something_else_is_not_used(server: Server, member: str, value: object) -> None:
    server.take("A", {"Soc": 1}, NOW_MS)
    head, *rest = list(server.lines())[:-1]
    lines = [orjson.dumps(orjson.loads(head) | {member: value}, option=orjson.OPT_APPEND_NEWLINE), *rest]
    crc = 0
    for line in lines:
        crc = chained(crc, line)
    assert server.restored(b"".join([*lines, b"%08x\n" % crc]))[1] == 1


def test_what_the_log_has_lost_does_not_hide_the_events_that_have_its_seqs_now(server: Server) -> None:
    """The file knows of seq 1 to 3; the log lost 2 and 3, and gave these numbers again in a new epoch."""
    elsewhere = Server(server.kept.journal.path.with_name("elsewhere"))
    with elsewhere.kept:
        for number in (1, 2, 3):
            elsewhere.take("A", {"Soc": number}, NOW_MS)
        content = b"".join(elsewhere.lines("the epoch before"))
    server.take("A", {"Soc": 1}, NOW_MS)
    server.take("A", {"Gear": "ShiftStateP"}, NOW_MS + 1)
    server.take("A", {"Soc": 9}, NOW_MS + 2)
    restored, read = server.restored(content, Life("epoch", previous="the epoch before", base_seq=1))
    assert read == 2
    assert restored["A"][0] == {"Soc": 9, "Gear": "ShiftStateP"}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content: b"", "it is empty"),
        (lambda content: content[:-1], "it is torn"),
        (lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:], "it is torn"),
        (lambda content: os.urandom(500), "it is torn"),
    ],
)
def test_a_server_says_that_it_does_not_use_a_damaged_checkpoint(
    tmp_path: Path, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / "journal"
    with Process(JOURNAL_PATH=str(path)) as process, process.place.vehicle("one") as vehicle:
        vehicle.tell({"Odometer": {"doubleValue": 1.0}})
    state = checkpoint.path_of(path)
    state.write_bytes(spoil(state.read_bytes()))
    with Process(JOURNAL_PATH=str(path)) as process:
        [line] = process.lines.wait_for("checkpoint_not_used")
        assert (line["level"], line["path"]) == ("warning", str(state))
        assert line["reason"].startswith(reason)
        assert process.lines.wait_for("journal_recovered", vehicles=1)
    with Process(JOURNAL_PATH=str(path)) as process:
        assert "checkpoint_not_used" not in process.lines.text
