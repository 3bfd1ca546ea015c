"""
How all nodes of the cluster are, as this one learns it: each is asked over NATS, and who has not answered is named.

A node is named after its host and port, which it says itself: each is asked for that as soon as the log knows of it, so that it
has a name when it is silent. Until it has answered once it is named by its run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import orjson

from ..cluster.nats_questions import NatsQuestions
from ..cluster.runs import Run
from .node_reports import NODE_SILENT, NodeReport, report_of

NAMES_EVERY_S = 1.0
NAME_ALONE = b"name"  # a question for nothing else
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
        self._looked_s = 0.0
        self._learning: asyncio.Task[None] | None = None
        questions.answer = self._answer

    def _answer(self, question: bytes) -> bytes:
        report = self._own()
        if question == NAME_ALONE:
            return orjson.dumps({"name": report.name})
        return orjson.dumps({"name": report.name} | report.packed())

    def check(self, now_s: float, own_run: str) -> None:
        """Now and then: asks those for their names that have none here."""
        if now_s - self._looked_s < NAMES_EVERY_S or (self._learning is not None and not self._learning.done()):
            return
        self._looked_s = now_s
        others = {run.name.hex() for run in self._runs()} - {own_run}
        self._names = {run: name for run, name in self._names.items() if run in others}
        nameless = others - self._names.keys()
        if nameless:
            self._learning = asyncio.get_running_loop().create_task(self._learn(nameless))

    async def _learn(self, nameless: Collection[str]) -> None:
        answers = await self._questions.ask(nameless, CLUSTER_REPORT_S, NAME_ALONE)
        self._names |= {run: name for run, answer in answers.items() if (name := _name_in(answer))}

    async def reports(self, own_run: str) -> Sequence[NodeReport]:
        """Of all nodes, this one first. `own_run`: as hex."""
        expected = {run.name.hex(): run.heard_s for run in self._runs() if run.name.hex() != own_run}
        answers = await self._questions.ask(expected, CLUSTER_REPORT_S)
        found = [self._own()]
        found += [self._report(run, answer) for run, answer in sorted(answers.items())]
        now_s = time.monotonic()
        for run in sorted(expected.keys() - answers.keys()):
            away_s = max(0.0, now_s - expected[run])  # since the log has heard of it
            found.append(NodeReport(name=self._names.get(run, run), state=NODE_SILENT, away_s=away_s))
        return _with_names_of_their_own(found)

    def _report(self, run: str, answer: bytes) -> NodeReport:
        name = _name_in(answer)
        if not name:
            return NodeReport(name=run, state=NODE_SILENT)
        self._names[run] = name
        return report_of(name, orjson.loads(answer))


def _name_in(answer: bytes) -> str:
    """ "" if it says none."""
    try:
        return str(orjson.loads(answer)["name"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""


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
