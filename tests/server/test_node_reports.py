"""The health of several nodes as one."""

from __future__ import annotations

from typing import Any

import pytest
from teslafast.server.node_reports import NODE_DOWN, NODE_SILENT, NodeReport, report_of, whole_health

DEAD_S = 10.0


def node(name: str = "1", status: int = 200, said: str = "ok", **health: Any) -> NodeReport:
    return NodeReport(name=name, status=status, health={"status": said, "vehicles": 1, "seq": 5} | health)


def told(*nodes: NodeReport) -> tuple[int, dict[str, Any]]:
    return whole_health(nodes, DEAD_S, "machine")


def test_all_well_is_well() -> None:
    status, report = told(node("1", seq=5), node("2", seq=7))
    assert (status, report["status"], report["vehicles"], report["seq"]) == (200, "ok", 2, 7)


@pytest.mark.parametrize("word", ["draining", "catching_up", "degraded"])
def test_one_that_is_not_well_makes_the_whole_so(word: str) -> None:
    status, report = told(node("1"), node("2", 503, word))
    assert (status, report["status"]) == (503, word)
    assert [entry["status"] for entry in report["nodes"]] == ["ok", word]


@pytest.mark.parametrize("state", [NODE_DOWN, NODE_SILENT])
def test_one_that_is_away_counts_after_a_while(state: str) -> None:
    assert told(node(), NodeReport(name="2", state=state, away_s=1.0))[1]["status"] == "ok"
    status, report = told(node(), NodeReport(name="2", state=state, away_s=DEAD_S))
    assert (status, report["status"], report["nodes"][1]) == (503, "degraded", {"node": "2", "status": state, "away_s": DEAD_S})


def test_nobody_is_well_if_nobody_answers() -> None:
    assert told(NodeReport(name="1", state=NODE_DOWN))[0] == 503


def test_the_worst_of_the_log_is_told() -> None:
    well = {"state": "ok", "behind": 0, "unstored": 5, "oldest_unstored_s": 0.0, "runs": 2, "stream_seq": 9}
    bad = {"state": "degraded", "behind": 0, "unstored": 7, "oldest_unstored_s": 3.5, "runs": 2, "stream_seq": 8}
    found = told(node("1", cluster=well), node("2", cluster=bad))[1]["cluster"]
    assert found == {"state": "degraded", "behind": 0, "unstored": 12, "oldest_unstored_s": 3.5, "runs": 2, "stream_seq": 9}


def test_an_output_is_up_if_one_node_works_at_it() -> None:
    found = told(node("1", outputs={"mqtt": "elsewhere"}), node("2", outputs={"mqtt": "up"}))[1]["outputs"]
    assert found == {"mqtt": "up"}


@pytest.mark.parametrize("said", [None, [], {"health": 1}, {"health": {}, "status": "200"}])
def test_a_node_that_says_nothing_useful_has_not_answered(said: object) -> None:
    assert report_of("2", said).state == NODE_SILENT


def test_what_another_version_says_otherwise_is_passed_over() -> None:
    status, report = told(node("1"), node("2", vehicles="many", cluster={"state": "new"}, outputs=[]))
    assert (status, report["vehicles"], report["cluster"]) == (200, 1, {"state": "ok"})
