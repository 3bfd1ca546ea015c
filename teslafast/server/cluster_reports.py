"""
How all nodes of the cluster are, as this one learns it: each is asked over NATS, and who has not answered is named.

A node is named after its host and port, which it says itself; one that has never answered here by its run, which the log knows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import orjson

from ..cluster.nats_questions import NatsQuestions
from ..cluster.runs import Run
from .node_reports import NODE_SILENT, NodeReport, report_of

CLUSTER_REPORT_S = 1.0  # a node that does not answer for so long is not well, or out of reach


class ClusterReports:
    """
    runs    the lives of nodes that the log knows of, this one's among them
    own     what this node says of itself
    """

    def __init__(self, questions: NatsQuestions, runs: Callable[[], Iterable[Run]], own: Callable[[], NodeReport]) -> None:
        self._questions = questions
        self._runs = runs
        self._own = own
        self._names: dict[str, str] = {}  # run → name, of those that have answered
        questions.answer = self._answer

    def _answer(self) -> bytes:
        report = self._own()
        return orjson.dumps({"name": report.name} | report.packed())

    async def reports(self, own_run: str) -> Sequence[NodeReport]:
        """Of all nodes, this one first. `own_run`: as hex."""
        expected = {run.name.hex(): run.heard_s for run in self._runs() if run.name.hex() != own_run}
        answers = await self._questions.ask(expected, CLUSTER_REPORT_S)
        self._names = {run: name for run, name in self._names.items() if run in expected}
        found = [self._own()]
        found += [self._report(run, answer) for run, answer in sorted(answers.items())]
        now_s = time.monotonic()
        for run in sorted(expected.keys() - answers.keys()):
            away_s = max(0.0, now_s - expected[run])  # since the log has heard of it
            found.append(NodeReport(name=self._names.get(run, run), state=NODE_SILENT, away_s=away_s))
        return _with_names_of_their_own(found)

    def _report(self, run: str, answer: bytes) -> NodeReport:
        try:
            said = orjson.loads(answer)
            name = str(said["name"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return NodeReport(name=run, state=NODE_SILENT)
        self._names[run] = name
        return report_of(name, said)


def _with_names_of_their_own(reports: Sequence[NodeReport]) -> list[NodeReport]:
    """Two may say the same of themselves: in metrics one would hide the other."""
    found: dict[str, NodeReport] = {}
    for report in reports:
        name, number = report.name, 1
        while name in found:
            number += 1
            name = f"{report.name}#{number}"
        found[name] = replace(report, name=name)
    return list(found.values())
