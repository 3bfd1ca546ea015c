"""
What one node says of itself when another is asked for the whole, and the whole of several as `/health` tells it.

    worst of      `status`, `cluster`: as bad as the node that is worst
    sum of        vehicles, dashboards, what is unstored
    newest of     seq, oldest, uptime
    nodes         one entry a node, also for those that have not answered

A node that is down takes no connections, so it is not counted as a fault before NODE_DEAD_SECONDS. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from .samples import Samples, packed, unpacked

NODE_UP, NODE_DOWN, NODE_SILENT = "up", "down", "silent"
LONGEST_NODE_NAME = 100
WORST_FIRST = ("draining", "catching_up", "degraded")  # what /health may say besides `ok`
CLUSTER_STATES = ("ok", "degraded", "catching_up")  # the worst one last
OUTPUTS_BEST_FIRST = ("up", "connecting", "failing", "waiting", "elsewhere")  # the last two: of nodes that do not work it


@dataclass(frozen=True, kw_only=True)
class NodeReport:
    """
    name      of the node; among those of one supervisor its number
    state     `up`; `down`: it has not come up (again) yet; `silent`: it has not answered in time
    away_s    since when it is not up, in seconds
    restarts  by its supervisor; None without one
    """

    name: str
    state: str = NODE_UP
    away_s: float = 0.0
    restarts: int | None = None
    status: int = HTTPStatus.OK
    health: Mapping[str, Any] = field(default_factory=dict)
    samples: Samples = field(default_factory=dict)

    def packed(self) -> dict[str, Any]:
        """For JSON: what the node itself knows."""
        return {"status": int(self.status), "health": self.health, "samples": packed(self.samples)}


def report_of(name: str, said: object, restarts: int | None = None) -> NodeReport:
    """What `packed` gave, of another node: it may be of another version, or anything."""
    told = said if isinstance(said, dict) else {}
    health, status = told.get("health"), told.get("status")
    if not isinstance(health, dict) or not isinstance(status, int):
        return NodeReport(name=name[:LONGEST_NODE_NAME], state=NODE_SILENT, restarts=restarts)
    values = unpacked(told.get("samples"))
    return NodeReport(name=name[:LONGEST_NODE_NAME], restarts=restarts, status=status, health=health, samples=values)


# ---- the metrics of each


@dataclass(frozen=True)
class NodeRow:
    """A metric with the label `node`; `read`: None if it does not apply."""

    name: str
    kind: str
    help: str
    read: Callable[[NodeReport], float | None]


def _sample(name: str, label: str | None = None) -> Callable[[NodeReport], float | None]:
    def read(node: NodeReport) -> float | None:
        value = node.samples.get(name)
        if isinstance(value, Mapping) and label is not None:
            return sum(number for words, number in value.items() if label in (words, words[0]))
        return value if isinstance(value, int | float) else None

    return read


def _all_records(node: NodeReport) -> float | None:
    value = node.samples.get("record_total")
    return sum(value.values()) if isinstance(value, Mapping) else None


NODE_ROWS = (
    NodeRow("teslafast_node_up", "gauge", "1 if the node has answered, else 0", lambda node: int(node.state == NODE_UP)),
    NodeRow("teslafast_node_restarts_total", "counter", "times that `serve --nodes` restarted it", lambda node: node.restarts),
    NodeRow("teslafast_node_vehicles", "gauge", "vehicles connected to it", _sample("teslafast_vehicles")),
    NodeRow("teslafast_node_dashboards", "gauge", "dashboards connected to it", _sample("teslafast_connections", "dashboard")),
    NodeRow("teslafast_node_records_total", "counter", "records that it has accepted", _all_records),
    NodeRow("teslafast_node_cpu_seconds_total", "counter", "CPU time that it has used", _sample("process_cpu_seconds_total")),
    NodeRow("teslafast_node_resident_bytes", "gauge", "memory that it holds", _sample("process_resident_memory_bytes")),
)


# ---- the whole


def whole_health(nodes: Sequence[NodeReport], dead_s: float, scope: str) -> tuple[HTTPStatus, dict[str, Any]]:
    """The answer to `/health`. `dead_s`: for how long a node may be away before the whole says so."""
    up = [node for node in nodes if node.state == NODE_UP]
    away = any(node.state != NODE_UP and node.away_s >= dead_s for node in nodes)
    words = {str(node.health.get("status")) for node in up if node.status != HTTPStatus.OK}
    fault = next((word for word in WORST_FIRST if word in words), "degraded" if words or away or not up else "")
    report: dict[str, Any] = {"status": fault or "ok", "scope": scope}
    for name, (kind, together) in _TOGETHER.items():
        values = [node.health[name] for node in up if isinstance(node.health.get(name), kind)]
        if values:
            report[name] = together(values)
    clusters = [node.health["cluster"] for node in up if isinstance(node.health.get("cluster"), dict)]
    if clusters:
        report["cluster"] = _clusters(clusters)
    outputs = [node.health["outputs"] for node in up if isinstance(node.health.get("outputs"), dict)]
    if outputs:
        report["outputs"] = _outputs(outputs)
    workers = [node.health["output_nodes"] for node in up if isinstance(node.health.get("output_nodes"), dict)]
    if workers:
        report["output_nodes"] = _output_nodes(workers)
    report["nodes"] = [_entry(node) for node in nodes]
    return HTTPStatus.SERVICE_UNAVAILABLE if fault else HTTPStatus.OK, report


def _first(values: Sequence[Any]) -> Any:
    return values[0]


_TOGETHER: Mapping[str, tuple[tuple[type, ...], Callable[[Any], Any]]] = {
    "version": ((str,), _first),
    "uptime_s": ((int, float), max),
    "time_ms": ((int,), max),
    "vehicles": ((int,), sum),
    "dashboards": ((int,), sum),
    "seq": ((int,), max),
    "oldest": ((int,), max),
    "epoch": ((str,), _first),
}


def _clusters(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The worst state, and the worst number of each kind; what is unstored anywhere is unstored."""
    found: dict[str, Any] = {}
    for report in reports:
        for name, value in report.items():
            before = found.get(name)
            if name == "state":
                found[name] = max(before or "ok", str(value), key=_rank_of_state)
            elif before is None or not isinstance(value, int | float) or not isinstance(before, int | float):
                found[name] = value if before is None else before
            elif name == "unstored":
                found[name] = before + value
            else:
                found[name] = min(before, value) if name == "progress" else max(before, value)
    return found


def _rank_of_state(state: str) -> int:
    return CLUSTER_STATES.index(state) if state in CLUSTER_STATES else 0


def _outputs(states: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each output the best state: one node works at it, the others stand by."""
    found: dict[str, Any] = {}
    for of_node in states:
        for name, state in of_node.items():
            known = [one for one in (found.get(name), state) if one is not None]
            found[name] = min(known, key=_rank_of_output)
    return found


def _output_nodes(told: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each output what the node says that works it, or any node if none does."""
    found: dict[str, Any] = {}
    for of_node in told:
        for name, at in of_node.items():
            if isinstance(at, dict) and (name not in found or at.get("here")):
                found[name] = {key: value for key, value in at.items() if key != "here"}
    return found


def _rank_of_output(state: object) -> int:
    return OUTPUTS_BEST_FIRST.index(state) if state in OUTPUTS_BEST_FIRST else len(OUTPUTS_BEST_FIRST)


def _entry(node: NodeReport) -> dict[str, Any]:
    entry: dict[str, Any] = {"node": node.name, "status": node.health.get("status") if node.state == NODE_UP else node.state}
    for name in ("vehicles", "dashboards", "seq", "uptime_s") if node.state == NODE_UP else ():
        entry[name] = node.health.get(name)
    if node.restarts is not None:
        entry["restarts"] = node.restarts
    if node.state != NODE_UP:
        entry["away_s"] = round(node.away_s, 1)
    return entry
