"""
`/metrics/vehicles` (VEHICLE_METRICS): the last values of the vehicles that a token grants, for Prometheus.

    tesla_battery_level_ratio{vin="…"} 0.645        a number, in base units
    tesla_gear{vin="…",tesla_gear="D"} 1            a state set: one sample for each state, 0 or 1
    tesla_info{vin="…",version="2026.40.3"} 1       what names the car; texts, shortened
    tesla_last_heard_timestamp_seconds{vin="…"}     this one stays

A value that was not heard for FORGOTTEN_S, or that the vehicle calls invalid, has no sample: it vanishes, and does not freeze.
Times are the server's, so a car with a wrong clock is not forgotten. No sample has a timestamp of its own: it would never become
stale.

    Bounds: one `vin` a vehicle, VEHICLES_AT_MOST of them in one answer (which then takes some 20 ms); states are the protocol's,
    and a name that it does not have is none of them; a text of tesla_info has LABEL_AT_MOST characters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..core.field_times import FieldTimes
from ..core.hub import Hub
from ..dashboards.subscription import TOKENS, parse_vins
from ..dashboards.tokens import Grant, find_tokens
from ..environment import comma_list
from ..errors import BadQuery, Refused
from ..http_messages import Answer, Request
from .exposition import CONTENT_TYPE, OPENMETRICS_TYPE, wants_openmetrics
from .routes import FOR_DASHBOARDS, Page, Route
from .vehicle_metrics_table import INFO_TABLE, NUMBERS_TABLE, STATES_TABLE, StateMetric, VehicleMetric

if TYPE_CHECKING:
    from ..outputs.field_values import Plain

PATH = "/metrics/vehicles"
FORGOTTEN_S = 1800  # a parked car tells a value only when it changes: its charge may take that long for a percent
VEHICLES_AT_MOST = 200
LABEL_AT_MOST = 64  # characters

_FIELDS = frozenset(row.field.partition("_")[0] for table in (NUMBERS_TABLE, STATES_TABLE) for row in table)  # of Location, too
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": " "})
Values = Mapping[str, "Plain"]


def vehicle_metrics_routes(hub: Hub, wall_ns: Callable[[], int] = time.time_ns) -> tuple[Route, ...]:
    """The page's route, if VEHICLE_METRICS asks for it; from now on the hub notes when fields were heard."""
    if not hub.settings.vehicle_metrics:
        return ()
    hub.field_times = FieldTimes(_FIELDS)
    return (Route(PATH, FOR_DASHBOARDS, page=vehicle_metrics_page(hub, hub.field_times, wall_ns), token=find_tokens),)


def vehicle_metrics_page(hub: Hub, times: FieldTimes, wall_ns: Callable[[], int]) -> Page:
    """`times`: when fields were heard; `wall_ns`: ns since 1970."""

    def page(request: Request, grant: Grant | None) -> Answer:
        try:
            vins = _wanted(request, grant, hub.known_vins())
        except Refused as error:
            return Answer.of(error)
        now_ns = wall_ns()
        vehicles = {vin: _fresh(hub, times, vin, now_ns) for vin in vins}
        heard_s = {
            vin: entry.heard_at(now_ns) / 1e9 for vin in vins if (entry := hub.registry.get(vin)) is not None and entry.heard_ns
        }
        connected = {vin: float(hub.registry.is_connected(vin)) for vin in vins}
        is_open = wants_openmetrics(request.tokens("accept"))
        text = exposed(vehicles, heard_s, connected, is_open)
        return Answer(HTTPStatus.OK, text, OPENMETRICS_TYPE if is_open else CONTENT_TYPE)

    return page


def _wanted(request: Request, grant: Grant | None, known: Iterable[str]) -> list[str]:
    """The vehicles that are asked for, or all that are known and granted. Raises Refused."""
    words: list[str] = []
    for name, value in request.query:
        if name not in ("vin", *TOKENS):
            raise BadQuery(f"unknown parameter {name[:32]!r}: vin is the only one")
        words += comma_list(value) if name == "vin" else ()
    assert grant is not None  # noqa: S101 — the route has a token
    granted = grant.narrowed(parse_vins(words, exact=False) if words else None)
    vins = sorted(vin for vin in known if granted.allows(vin))
    if len(vins) > VEHICLES_AT_MOST:
        raise BadQuery(f"{len(vins)} vehicles, and {VEHICLES_AT_MOST} fit into one answer: name some with vin=")
    return vins


def _fresh(hub: Hub, times: FieldTimes, vin: str, now_ns: int) -> Values:
    """
    The last values of fields that were heard within FORGOTTEN_S, under the names and types that metrics have.

    What names the car is told as long as anything is heard of it: a car says its version once a day.
    """
    from ..outputs.field_values import plain_values  # nobody pays for outputs that are not set

    vehicle, entry = hub.last_values.get(vin), hub.registry.get(vin)
    if vehicle is None:
        return {}
    since_ns = now_ns - FORGOTTEN_S * 1_000_000_000
    heard = {field for field, ns in times.of(vin, now_ns).items() if ns >= since_ns}
    if entry is not None and entry.heard_ns >= since_ns:
        heard |= INFO_TABLE.keys()
    recent = {field: vehicle.values[field] for field in heard if field in vehicle.values}
    return dict(plain_values(recent))


# ---- text


def exposed(vehicles: Mapping[str, Values], heard_s: Mapping[str, float], connected: Mapping[str, float], is_open: bool) -> bytes:
    """Prometheus' text, or OpenMetrics (`is_open`). A family that no vehicle has a sample of is left out."""
    lines: list[str] = []
    for family, rows in _families().items():
        samples = [line for row in rows for vin, values in vehicles.items() for line in _number(row, vin, values)]
        if samples:
            lines += _heading(family, "counter" if rows[0].counter else "gauge", rows[0].help, rows[0].unit.name, is_open)
            lines += samples
    for row in STATES_TABLE:
        samples = [line for vin, values in vehicles.items() for line in _states(row, vin, values)]
        if samples:
            lines += _heading(row.family, "stateset" if is_open else "gauge", row.help, "", is_open)
            lines += samples
    lines += _of_all("tesla_connected", "1 while the car streams", "", connected, is_open)
    lines += _of_all("tesla_last_heard_timestamp_seconds", "when the car's last message came", "seconds", heard_s, is_open)
    lines += _infos(vehicles, is_open)
    return "".join([*lines, "# EOF\n" if is_open else ""]).encode()


def _families() -> dict[str, list[VehicleMetric]]:
    found: dict[str, list[VehicleMetric]] = {}
    for row in NUMBERS_TABLE:
        found.setdefault(row.family, []).append(row)
    return found


def _heading(family: str, kind: str, text: str, unit: str, is_open: bool) -> Iterator[str]:
    name = family if is_open or kind != "counter" else f"{family}_total"
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    if is_open and unit:
        yield f"# UNIT {name} {unit}\n"


def _number(row: VehicleMetric, vin: str, values: Values) -> Iterator[str]:
    value = values.get(row.field)
    if value is None or isinstance(value, str):
        return
    label, word = row.label
    more = f',{label}="{word}"' if label else ""
    ending = "_total" if row.counter else ""
    yield f'{row.family}{ending}{{vin="{vin}"{more}}} {value * row.unit.factor:.12g}\n'


def _states(row: StateMetric, vin: str, values: Values) -> Iterator[str]:
    value = values.get(row.field)
    if value is None:
        return
    for word, state in row.states.items():
        yield f'{row.family}{{vin="{vin}",{row.family}="{state}"}} {int(word == value)}\n'


def _of_all(name: str, text: str, unit: str, samples: Mapping[str, float], is_open: bool) -> Iterator[str]:
    if samples:
        yield from _heading(name, "gauge", text, unit, is_open)
    for vin, value in samples.items():
        yield f'{name}{{vin="{vin}"}} {value!r}\n'


def _infos(vehicles: Mapping[str, Values], is_open: bool) -> Iterator[str]:
    labels_of = {vin: [(label, values.get(field)) for field, label in INFO_TABLE.items()] for vin, values in vehicles.items()}
    told = {vin: labels for vin, labels in labels_of.items() if any(value is not None for _, value in labels)}
    if told:
        yield from _heading("tesla" if is_open else "tesla_info", "info" if is_open else "gauge", "what the car is", "", is_open)
    for vin, labels in told.items():
        more = "".join(f',{label}="{_label(value)}"' for label, value in labels if value is not None)
        yield f'tesla_info{{vin="{vin}"{more}}} 1\n'


def _label(value: Any) -> str:
    text = "".join(character if character.isprintable() else " " for character in str(value)[:LABEL_AT_MOST])
    return text.translate(_ESCAPED)
