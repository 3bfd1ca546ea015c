"""The node that works an output is killed, stopped or ended, or the log is away: nothing lost or out of order."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.scene import Scene, scene
from tests.cluster.sinks import BATCH_AT_MOST, Sinks, nodes_of, sinks, worker_of
from tests.support.peers import PATIENCE_S

pytestmark = pytest.mark.cluster

DEAD_S = "3"


@contextmanager
def all_of_it(folder: Path, nodes: int = 2, **settings: str) -> Iterator[tuple[Scene, Sinks]]:
    """A scene with sinks; at the end everything has arrived."""
    settings["NODE_DEAD_SECONDS"] = DEAD_S
    with sinks(folder) as made, scene(folder, 1, nodes, False, **settings, **made.settings) as stage:
        wait_until_spread(stage)
        yield stage, made
        stage.road.settle()
        made.wait_until_even(stage.nodes[-1])


def wait_until_spread(stage: Scene) -> None:
    """Until every node works an output, if there are enough: then none moves without a reason."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        works = [sum(bool(one["here"]) for one in nodes_of(node).values()) for node in stage.nodes]
        if sum(works) == 2 and (len(works) == 1 or max(works) - min(works) < 2):
            return
        assert time.monotonic() < until_s, f"the nodes work {works} outputs"
        time.sleep(0.05)


def head_of(stage: Scene) -> int:
    return int(stage.nodes[-1].place.get("/health").json["seq"])


def kill_worker(stage: Scene, made: Sinks) -> None:
    """Of the webhook; the other node has taken over, and everything has arrived."""
    doomed = worker_of(stage, "webhook")
    stage.avoid(doomed)
    stage.nodes.remove(doomed)
    doomed.kill()
    assert worker_of(stage, "webhook") is stage.nodes[0]
    stage.road.until_acked(300)
    stage.road.settle()
    made.wait_until_even(stage.nodes[0])
    made.judge(stage.road, head_of(stage), doubtful=BATCH_AT_MOST)


def test_the_working_node_is_killed(tmp_path: Path) -> None:
    with all_of_it(tmp_path) as (stage, made):
        kill_worker(stage, made)


def test_the_working_node_is_killed_while_acks_wait_for_its_output(tmp_path: Path) -> None:
    with all_of_it(tmp_path, RELIABLE_ACKS="webhook") as (stage, made):
        kill_worker(stage, made)
        made.judge_acks(stage.road)


def test_the_working_node_is_stopped_for_so_long_that_another_takes_over(tmp_path: Path) -> None:
    with all_of_it(tmp_path) as (stage, made):
        sleeper = worker_of(stage, "webhook")
        (other,) = [node for node in stage.nodes if node is not sleeper]
        sleeper.process.send_signal(signal.SIGSTOP)
        stage.nodes = [other]
        assert worker_of(stage, "webhook") is other
        stage.road.until_acked(200)
        sleeper.process.send_signal(signal.SIGCONT)
        sleeper.lines.wait_for("cluster_fenced")
        stage.nodes = [sleeper, other]
        stage.road.until_acked(500)
        stage.road.settle()
        made.wait_until_even(other)
        made.judge(stage.road, head_of(stage), doubtful=BATCH_AT_MOST)


def test_the_working_node_is_stopped_for_a_moment(tmp_path: Path) -> None:
    with all_of_it(tmp_path) as (stage, made):
        sleeper = worker_of(stage, "webhook")
        sleeper.process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        sleeper.process.send_signal(signal.SIGCONT)
        stage.road.until_acked(300)
        assert worker_of(stage, "webhook") is sleeper
        stage.road.settle()
        made.wait_until_even(sleeper)
        made.judge(stage.road, head_of(stage))


def test_the_working_node_is_ended_and_another_goes_on_at_once(tmp_path: Path) -> None:
    with all_of_it(tmp_path) as (stage, made):
        leaving = worker_of(stage, "webhook")
        stage.avoid(leaving)
        stage.nodes.remove(leaving)
        leaving.process.send_signal(signal.SIGTERM)
        assert leaving.process.wait(PATIENCE_S) == 0
        assert worker_of(stage, "webhook") is stage.nodes[0]
        stage.road.until_acked(300)
        stage.road.settle()
        made.wait_until_even(stage.nodes[0])
        made.judge(stage.road, head_of(stage))


def test_the_log_is_away_for_longer_than_it_takes_to_be_declared_dead(tmp_path: Path) -> None:
    with all_of_it(tmp_path) as (stage, made):
        before = nodes_of(stage.nodes[0])
        stage.nats.kill(0)
        time.sleep(6.0)
        stage.nats.start(0)
        stage.road.until_acked(300)
        after = nodes_of(stage.nodes[0])
        assert {name: one["run"] for name, one in before.items()} == {name: one["run"] for name, one in after.items()}
        stage.road.settle()
        made.wait_until_even(stage.nodes[0])
        made.judge(stage.road, head_of(stage))


def test_a_node_that_joins_takes_one_of_two_outputs_over(tmp_path: Path) -> None:
    with all_of_it(tmp_path, nodes=1) as (stage, made):
        assert all(one["here"] for one in nodes_of(stage.nodes[0]).values())
        second = stage.start()
        stage.nodes.append(second)
        stage.road.ports.append(second.port)
        wait_until_spread(stage)
        stage.road.until_acked(300)
        stage.road.settle()
        made.wait_until_even(second)
        made.judge(stage.road, head_of(stage))


def test_the_log_is_wiped_and_outputs_go_on_in_the_new_epoch(tmp_path: Path) -> None:
    with all_of_it(tmp_path) as (stage, made):
        stage.nats.kill(0)
        stage.nats.wipe(0)
        stage.nats.start(0)
        stage.road.until_acked(300)
        stage.road.settle()
        made.wait_until_even(stage.nodes[0])
        made.judge(stage.road, head_of(stage), epochs=2)
