"""
A server that is killed, or told to end, while all are at it: nothing acknowledged is lost, and whoever comes back goes on.

Those marked `faults` take their time: `make test-faults`.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
from pathlib import Path

import pytest
from websockets.frames import Opcode

from tests.support.certificates import World
from tests.support.faults import WINDOW, Crowd, Follower, Load, Victim, events_since, numbers_in
from tests.support.peers import Place
from tests.support.servers import Inside, Process

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("TESLAFAST_KILLS", "100"))
VINS = ["one", "two", "three", "four"]


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


# ---- kills


def kill_and_recover(journal: str, lives: int, world: World | None = None, **environment: str) -> None:
    """Kills at random moments under load; each time all come back, and in the end nobody has lost what was acknowledged."""
    chance = random.Random(lives)
    load, follower, epochs = None, Follower(), set()
    for life in range(lives + 1):
        with Victim(world, JOURNAL_PATH=journal, **environment) as victim:
            found = victim.lines.wait_for("journal_recovered")[0]
            assert found["lost"] <= 1
            epochs.add(found["epoch"])
            since = len(follower.events)
            recovered = events_since(victim.place, since)
            follower.follow(victim.place)
            follower.wait_for(since + len(recovered))
            assert follower.events[since:] == recovered
            if life < lives:
                load = Load(victim.place, VINS, 1) if load is None else load.resumed(victim.place)
                with load:
                    if not life:
                        load.wait_for_each(1)
                    load.wait_for(load.total + chance.randint(1, 400))
                    victim.kill()
        follower.join()
    assert load is not None
    check(load, follower, lives)
    assert len(epochs) == 1, "a kill loses nothing, so the epoch goes on"


def check(load: Load, follower: Follower, ends: int) -> None:
    """All that was acknowledged has been seen, in the order in which it was sent; only after an end was anything sent again."""
    seen = numbers_in(follower.events)
    assert seen.keys() == load.acked.keys()
    for vin, numbers in seen.items():
        assert set(load.acked[vin]) <= set(numbers), "acknowledged, and not there"
        steps = [later - earlier for earlier, later in itertools.pairwise(numbers) if later != earlier + 1]
        assert len(steps) <= ends
        assert all(-WINDOW < step <= 0 for step in steps), "sent again because it was not acknowledged, and nothing left out"
    print(f"{ends} ends, {sum(map(len, load.acked.values()))} acknowledged, {len(follower.events)} events")


def test_a_kill_under_load_loses_nothing_that_was_acknowledged(journal: str) -> None:
    kill_and_recover(journal, 2)


def test_a_kill_under_load_over_mutual_tls_loses_nothing_either(journal: str, world: World) -> None:
    kill_and_recover(journal, 2, world, VEHICLE_PORT="0")


def test_with_syncs_too_a_kill_loses_nothing(journal: str) -> None:
    kill_and_recover(journal, 1, JOURNAL_SYNC_MS="5")


@pytest.mark.faults
def test_many_kills_at_random_moments_lose_nothing(journal: str) -> None:
    kill_and_recover(journal, KILLS)


@pytest.mark.faults
def test_many_kills_over_mutual_tls_lose_nothing_either(journal: str, world: World) -> None:
    kill_and_recover(journal, KILLS // 5, world, VEHICLE_PORT="0")


def test_after_a_kill_snapshots_are_what_they_were(journal: str) -> None:
    with Victim(JOURNAL_PATH=journal) as victim:
        for vin in VINS:
            with victim.place.vehicle(vin) as vehicle:
                for number in range(20):
                    vehicle.tell({"Odometer": {"doubleValue": float(number)}})
                vehicle.tell({"Gear": {"shiftStateValue": "ShiftStateD"}})
        before = snapshots(victim.place)
        victim.kill()
    with Process(JOURNAL_PATH=journal) as process:
        after = snapshots(process.place)
    assert {vin: data for vin, (_, data) in after.items()} == {vin: {"Odometer": 19.0, "Gear": "ShiftStateD"} for vin in VINS}
    assert after == before


def snapshots(place: Place) -> dict[str, tuple[str, object]]:
    with place.dashboard() as dashboard:
        read = [dashboard.until("snapshot") for _ in VINS]
    return {one["vin"]: (one["createdAt"], one["data"]) for one in read}


# ---- the end


def end_under_load(process: Process, load: Load, vehicles: int, dashboards: int) -> None:
    """SIGTERM while all are at it. What every dashboard got ends with 1012 and holds all; nothing is broken off."""
    with Crowd(process.place, dashboards) as crowd, load:
        load.wait_for_each(3)
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(30) == 0
    assert process.lines.wait_for("drained")[0]["left"] == 0
    streams = [member.frames_read() for member in crowd.members]
    for frames in streams:
        assert frames[-1][0] is Opcode.CLOSE
        assert int.from_bytes(frames[-1][1][:2], "big") == 1012
    for frames in streams[:3]:
        texts = b"".join(text for opcode, text in frames if opcode is Opcode.TEXT)
        for vin, acked in load.acked.items():
            for number in acked:
                assert b'"vin":"%s"' % vin.encode() in texts
                assert b'"Odometer":%d.0}' % number in texts
        assert texts.count(b'"DISCONNECTED"') == vehicles
    assert {frame for frames in streams for frame in frames if frame[0] is Opcode.TEXT and b'"data"' in frame[1]} == {
        frame for frame in streams[0] if frame[0] is Opcode.TEXT and b'"data"' in frame[1]
    }
    assert set(load.close_codes.values()) == {1001}


def end_and_come_back(journal: str, vehicles: int, dashboards: int, world: World | None = None, **environment: str) -> None:
    """One server ends under load, another goes on over the same journal: who was there comes back and has lost nothing."""
    follower = Follower()
    with Process(world, JOURNAL_PATH=journal, **environment) as process:
        follower.follow(process.place)
        load = Load(process.place, [f"V{number}" for number in range(vehicles)], 1, pause_s=0.01)
        end_under_load(process, load, vehicles, dashboards)
        follower.join()
        assert process.lines.wait_for("stopped")[0]["cleanly"] is True
    with Process(world, JOURNAL_PATH=journal, **environment) as process:
        found = process.lines.wait_for("journal_recovered")[0]
        assert (found["lost"], found["read_again"], found["new_epoch"]) == (0, 0, False)
        follower.follow(process.place)
        with load.resumed(process.place) as more:
            more.wait_for_each(1 + max(map(len, more.acked.values())))
        follower.wait_for(process.place.get("/health").json["seq"])
    follower.join()
    check(more, follower, 1)


def test_a_server_that_ends_says_good_bye_to_everyone_after_their_last_frame(journal: str) -> None:
    end_and_come_back(journal, vehicles=4, dashboards=5)


def test_over_mutual_tls_it_does_so_too(journal: str, world: World) -> None:
    end_and_come_back(journal, vehicles=4, dashboards=5, world=world, REQUEST_CLIENT_CERT="true")


def test_with_syncs_the_last_acks_leave_before_the_good_bye(journal: str) -> None:
    end_and_come_back(journal, vehicles=2, dashboards=1, JOURNAL_SYNC_MS="20")


@pytest.mark.faults
@pytest.mark.parametrize("mutual", [False, True], ids=["plain", "tls"])
def test_many_are_all_told_good_bye_when_the_server_ends(journal: str, world: World, mutual: bool) -> None:
    environment = {"REQUEST_CLIENT_CERT": "true"} if mutual else {}
    with Process(world if mutual else None, JOURNAL_PATH=journal, RING_BYTES="32MiB", **environment) as process:
        load = Load(process.place, [f"V{number}" for number in range(60)], 1, pause_s=0.2)
        end_under_load(process, load, vehicles=60, dashboards=200)


def test_while_it_drains_nobody_new_is_let_in() -> None:
    with Inside(DRAIN_SECONDS="20") as server, server.place.raw_dashboard() as stalled:
        server.ask(lambda inside: setattr(inside.hub, "draining", True))
        health = server.place.get("/health")
        assert (health.status, health.json["status"]) == (503, "draining")
        with server.place.raw() as late:
            head = late.upgrade("/?vin=late")
            assert b" 503 " in head
            assert b"Retry-After: " in head
        assert stalled.read_frame()[0] is Opcode.TEXT


def test_a_second_signal_ends_it_at_once() -> None:
    with Process(DRAIN_SECONDS="600") as process, process.place.raw_vehicle("stubborn"):
        process.process.send_signal(signal.SIGTERM)
        process.lines.wait_for("draining")
        process.process.send_signal(signal.SIGTERM)
        assert process.process.wait(60) == 0, "and not when the drain is over"
