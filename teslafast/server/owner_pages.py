"""The pages behind TESLAMATE_API: what TeslaMate asks of Tesla's Owner API, answered from the last known values."""

from __future__ import annotations

import time
from http import HTTPStatus

import orjson

from ..core.hub import Hub
from ..dashboards.owner_api import VehicleState, state_of, summary, vehicle_data
from ..dashboards.tokens import Grant, find_tokens
from ..dashboards.vehicle_ids import find_vin
from ..http_messages import Answer, Request
from .routes import FOR_DASHBOARDS, Page, Route, Variable

_VEHICLES = "/api/1/vehicles/"
_DATA = "/vehicle_data"


def owner_routes(hub: Hub) -> tuple[Route, ...]:
    products = _products(hub)
    rows: tuple[tuple[str | Variable, Page], ...] = (
        ("/api/1/products", products),
        ("/api/1/vehicles", products),
        (Variable(_VEHICLES, _DATA), _vehicle(hub, whole=True)),
        (Variable(_VEHICLES), _vehicle(hub, whole=False)),
    )
    return tuple(Route(path, FOR_DASHBOARDS, page=page, token=find_tokens) for path, page in rows)


def _products(hub: Hub) -> Page:
    def page(request: Request, grant: Grant | None) -> Answer:
        shown = [summary(vin, _state(hub, vin), hub.last_values.get(vin)) for vin in _granted(hub, grant)]
        return _json(HTTPStatus.OK, {"response": shown, "count": len(shown)})

    return page


def _vehicle(hub: Hub, whole: bool) -> Page:
    """`whole`: with its values, which a vehicle that is not online does not tell."""

    def page(request: Request, grant: Grant | None) -> Answer:
        name = request.path.removeprefix(_VEHICLES).removesuffix(_DATA if whole else "")
        vin = find_vin(name, _granted(hub, grant))
        if vin is None:
            return _error(HTTPStatus.NOT_FOUND, "not_found")
        state, values = _state(hub, vin), hub.last_values.get(vin)
        if not whole:
            return _json(HTTPStatus.OK, {"response": summary(vin, state, values)})
        if state != "online" or values is None:
            return _error(HTTPStatus.REQUEST_TIMEOUT, f"vehicle unavailable: vehicle is {state}")
        return _json(HTTPStatus.OK, {"response": vehicle_data(vin, state, values, time.time_ns())})

    return page


def _granted(hub: Hub, grant: Grant | None) -> list[str]:
    return [vin for vin in hub.known_vins() if grant is not None and grant.allows(vin)]


def _state(hub: Hub, vin: str) -> VehicleState:
    entry, now_ns = hub.registry.get(vin), time.time_ns()
    heard_ns = 0 if entry is None else entry.heard_at(now_ns)
    return state_of(hub.registry.is_connected(vin), hub.last_values.get(vin), heard_ns, now_ns)


def _error(status: HTTPStatus, error: str) -> Answer:
    return _json(status, {"response": None, "error": error, "error_description": ""})


def _json(status: HTTPStatus, value: object) -> Answer:
    return Answer(status, orjson.dumps(value), "application/json; charset=utf-8")
