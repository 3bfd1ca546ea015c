"""
`/health` and `/metrics`, of this node or of several: `?scope=node`, `machine` or `cluster`.

    node      this process alone: what is answered without the parameter, but under `serve --nodes`
    machine   all processes of this machine that one `serve --nodes` has started: any of them answers for all
    cluster   every node that shares the log, asked over NATS; those that do not answer are named

Others are asked at most once at a time, however many requests wait for it; each way of asking has its own time limit.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, Task
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from ..dashboards.tokens import Grant
from ..errors import BadQuery, Refused
from ..http_messages import Answer, Request
from . import exposition
from .node_reports import NodeReport, whole_health
from .prometheus import Gauges
from .routes import WaitingPage
from .samples import samples

SCOPES = ("node", "machine", "cluster")

OwnHealth = Callable[[], tuple[HTTPStatus, dict[str, Any]]]
AskOthers = Callable[[], Coroutine[None, None, Sequence[NodeReport]]]


class Scopes:
    """
    own      what this node says of itself: the status and the body of `/health`
    gauges   what it counts
    others   scope → what asks all the nodes in it, this one included; without an entry this node is all there is
    usual    the scope of a request that names none
    dead_s   NODE_DEAD_SECONDS
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        own: OwnHealth,
        gauges: Callable[[], Gauges],
        dead_s: float,
    ) -> None:
        self._loop = loop
        self._own = own
        self._gauges = gauges
        self._dead_s = dead_s
        self._asking: dict[str, Task[Sequence[NodeReport]]] = {}
        self.others: dict[str, AskOthers] = {}
        self.usual = "node"

    def own_report(self, name: str) -> NodeReport:
        """As others get it."""
        status, health = self._own()
        return NodeReport(name=name, status=status, health=health, samples=samples(self._gauges()) | exposition.process_samples())

    # ---- the pages

    @property
    def health(self) -> WaitingPage:
        return self._page(self._own_health, lambda request, scope, nodes: _json(*whole_health(nodes, self._dead_s, scope)))

    @property
    def metrics(self) -> WaitingPage:
        return self._page(self._own_metrics, lambda request, scope, nodes: _whole_metrics(request, nodes))

    def _page(
        self, own: Callable[[Request], Answer], whole: Callable[[Request, str, Sequence[NodeReport]], Answer]
    ) -> WaitingPage:
        def page(request: Request, grant: Grant | None) -> Answer | Future[Answer]:
            try:
                scope = self._scope(request)
            except Refused as error:
                return Answer.of(error)
            if scope not in self.others:
                return own(request)
            return self._loop.create_task(self._asked(scope, lambda nodes: whole(request, scope, nodes)))

        return page

    def _scope(self, request: Request) -> str:
        """Raises Refused (400)."""
        named = dict(request.query).get("scope", self.usual)
        if named not in SCOPES:
            raise BadQuery(f"scope is one of {', '.join(SCOPES)}")
        return named

    async def _asked(self, scope: str, answer: Callable[[Sequence[NodeReport]], Answer]) -> Answer:
        asking = self._asking.get(scope)
        if asking is None or asking.done():
            asking = self._asking[scope] = self._loop.create_task(self.others[scope]())
        return answer(await asking)

    def _own_health(self, _: Request) -> Answer:
        return _json(*self._own())

    def _own_metrics(self, request: Request) -> Answer:
        form = _form(request)
        written = exposition.openmetrics if form == exposition.OPENMETRICS_TYPE else exposition.text
        return Answer(HTTPStatus.OK, written(self._gauges()), form)


def _form(request: Request) -> str:
    openmetrics = exposition.wants_openmetrics(request.tokens("accept"))
    return exposition.OPENMETRICS_TYPE if openmetrics else exposition.CONTENT_TYPE


def _whole_metrics(request: Request, nodes: Sequence[NodeReport]) -> Answer:
    form = _form(request)
    return Answer(HTTPStatus.OK, exposition.together(nodes, form), form)


def _json(status: HTTPStatus, value: Mapping[str, object]) -> Answer:
    return Answer(status, orjson.dumps(value), "application/json")
