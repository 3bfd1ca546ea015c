"""
The pages that are answered over plain HTTP: `/vehicles`, `/vehicles/VIN`, and what `/health` and `/metrics` say of this node.

Each is made from what it reads, and reads it when it is asked. routes.py has decided whether the caller may see the page; which
VINs the caller may see is for the page to ask of the grant.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from .. import __version__
from ..core.hub import Hub
from ..core.last_values import LastValues
from ..core.registry import Registry
from ..dashboards.subscription import vins_asked
from ..dashboards.tokens import Grant
from ..errors import Refused
from ..http_messages import Answer, Request
from ..logs import lines_dropped
from ..refusals import UNKNOWN_VIN, VIN_NOT_GRANTED
from ..setup_checks import UpkeepGauges
from ..vehicles.door import VehicleDoor
from ..vin import mended_vin
from .prometheus import Gauges
from .routes import Page

if TYPE_CHECKING:
    from ..storage.checkpointer import JournalGauges
    from .assemble import AnyOutputs
    from .clustered import ClusteredServer


def status(_: Request, __: Grant | None) -> Answer:
    """As Tesla's server answers whoever asks whether it runs."""
    return Answer(HTTPStatus.OK, b"ok")


def health(
    hub: Hub,
    started_at: float,
    outputs: AnyOutputs | None,
    journal_stopped: Callable[[], str] | None,
    cluster: ClusteredServer | None = None,
) -> Callable[[], tuple[HTTPStatus, dict[str, Any]]]:
    """
    What `/health` says of this node, and by which status. For everybody: no VIN stands in it.

    started_at        monotonic
    journal_stopped   why the log goes on in memory, "" if it does not; None without JOURNAL_PATH
    """

    def report() -> tuple[HTTPStatus, dict[str, Any]]:
        fault = "draining" if hub.draining else cluster.unhealthy() if cluster is not None else ""
        found: dict[str, Any] = {
            "status": fault or "ok",
            "version": __version__,
            "uptime_s": round(time.monotonic() - started_at, 3),
            "time_ms": time.time_ns() // 1_000_000,
            "vehicles": hub.registry.connected,
            "dashboards": len(hub.connections.dashboards),
            "seq": hub.log.seq,
            "oldest": hub.log.oldest,
            "epoch": hub.epoch,
        }
        if journal_stopped is not None:
            reason = journal_stopped()
            found["journal"] = {"state": "stopped", "reason": reason} if reason else {"state": "writing"}
        if cluster is not None:
            found["cluster"] = cluster.backplane.health()
        if outputs is not None:
            found["outputs"] = outputs.states()
            if (nodes := outputs.nodes()) is not None:
                found["output_nodes"] = {name: node._asdict() for name, node in nodes.items()}
            if outputs.acks is not None:
                found["reliable_acks"] = {"outputs": outputs.acks.names, "waiting": outputs.acks.waiting}
        return HTTPStatus.SERVICE_UNAVAILABLE if fault else HTTPStatus.OK, found

    return report


def fleet(registry: Registry) -> Page:
    """
    `/vehicles`: every vehicle that the grant allows.

        {"vehicles": [{"vin", "connected": true, "connections": 1, "lastHeard": "2026-11-23T08:00:00.123Z" or null,
                       "networkInterface", "clientVersion", "messages", "counts": {kind: number}, "signals", "refused",
                       "duplicates", "reorders", "resends", "vinMismatches"}, …]}

    It holds no values: those are at `/vehicles/VIN`. `?vin=A,B`: those alone.
    """

    def page(request: Request, grant: Grant | None) -> Answer:
        try:
            granted = grant.narrowed(vins_asked(request.query, exact=False)) if grant is not None else None
        except Refused as error:
            return Answer.of(error)
        now_ns = time.time_ns()
        entries = [registry.report(entry, now_ns) for entry in registry if granted is not None and granted.allows(entry.vin)]
        return _json(HTTPStatus.OK, {"vehicles": entries})

    return page


def vehicle(registry: Registry, values: LastValues) -> Page:
    """
    `/vehicles/VIN`: one vehicle, as `/vehicles` shows it, with its last known values.

        {…, "data": {Field: {"value": …, "time_ns": 1795642692091000000}, …}, "times": {Field: "2026-11-25T21:38:12.091Z", …}}

    `times` says what `time_ns` says, in the stream's own form: a number of nanoseconds is too large for JavaScript's numbers.
    """

    def page(request: Request, grant: Grant | None) -> Answer:
        vin = mended_vin(request.path.rpartition("/")[2])
        if grant is None or not grant.allows(vin):
            return Answer.of(Refused(VIN_NOT_GRANTED))
        entry, known, now_ns = registry.get(vin), values.get(vin), time.time_ns()
        if entry is None and known is None:
            return Answer.of(Refused(UNKNOWN_VIN))
        report: dict[str, Any] = registry.report(entry, now_ns) if entry is not None else {"vin": vin, "connected": False}
        return _json(HTTPStatus.OK, report | (known.report(now_ns) if known is not None else {"data": {}, "times": {}}))

    return page


def gauges(
    hub: Hub,
    started_at: float,
    pending: int,
    certificate_ends_s: float | None,
    journal: JournalGauges | None,
    outputs: AnyOutputs | None,
    upkeep: UpkeepGauges | None = None,
    cluster: ClusteredServer | None = None,
) -> Gauges:
    """The server at this moment. `started_at`: monotonic; `pending`: connections that have not been admitted yet."""
    dashboards = hub.connections.dashboards
    return Gauges(
        counts=hub.counts,
        vehicles=hub.registry.connected,
        connections=_connections(hub),
        readers={"flat": hub.log.readers} | hub.views.readers,
        blocked=sum(one.blocked for one in dashboards),
        most_behind=max((one.behind for one in dashboards), default=0),
        sent_bytes=hub.counts.sent_bytes + sum(one.sent_bytes for one in dashboards),
        seq=hub.log.seq,
        events_kept=hub.log.kept,
        bytes_kept=hub.log.kept_bytes,
        ring_bytes=hub.log.capacity,
        view_ring_bytes=hub.views.ring_bytes,
        known_vehicles=len(hub.last_values),
        values_not_kept=hub.last_values.not_kept,
        events_not_shown=hub.views.missing,
        uptime_s=time.monotonic() - started_at,
        draining=hub.draining,
        log_lines_dropped=lines_dropped(),
        certificate_ends_s=certificate_ends_s,
        oldest_s=hub.log.time_of(hub.log.oldest) / 1000 if hub.log.kept else None,
        unadmitted=pending,
        journal=journal,
        outputs=outputs.gauges() if outputs is not None else {},
        cluster=cluster.backplane.gauges() if cluster is not None else None,
        upkeep=upkeep,
    )


def _connections(hub: Hub) -> dict[tuple[str, str], int]:
    """By role and door; 0 for a door that is open, and through which nobody has come."""
    counted = {("vehicle", VehicleDoor.name): len(hub.connections.vehicles)}
    counted |= {("dashboard", door): 0 for door in hub.settings.doors}
    for dashboard in hub.connections.dashboards:
        counted["dashboard", dashboard.door] += 1
    return counted


def _json(status: HTTPStatus, value: object) -> Answer:
    return Answer(status, orjson.dumps(value), "application/json")
