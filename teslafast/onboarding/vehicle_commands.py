"""
What the commands of `teslafast vehicle` do and print.

`Terminal` is where their lines go: lines that stay, and a status line that is rewritten while a command waits. Each command
returns whether every vehicle is as it should be, from which the caller makes the exit code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..errors import Declined, Unhealthy
from ..text import one_line
from . import jws, presets, vehicle_config, vehicle_errors, vehicle_status
from .fleet_api import FleetApi, Sent
from .refusals_of_tesla import is_limit
from .vehicle_config import ConfigStatus

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# Tesla bills each request like one for data (500 for a dollar), and a sleeping car needs minutes: so the pauses grow.
PAUSES_S = (5.0, 5.0, 10.0, 10.0, 20.0, 30.0)


@dataclass(frozen=True)
class Terminal:
    """`line`: prints a line that stays; `status`: a line that the next one replaces (nothing where there is no terminal)."""

    line: Callable[[str], None]
    status: Callable[[str], None]


@dataclass(frozen=True)
class Clock:
    """`now`: monotonic seconds; `sleep`: waits for seconds; `time`: seconds since 1970."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    time: Callable[[], float]


def cost(fields: Mapping[str, float]) -> str:
    """One line with what these fields cost."""
    signals, dollars = presets.signals_a_month(fields), presets.dollars_a_month(fields)
    return (
        f"{len(fields)} fields: about {signals:,} signals, ${dollars:.2f} a month for each vehicle "
        f"({presets.ASSUMPTIONS}; {presets.SIGNALS_PER_DOLLAR:,} signals for $1, before Tesla's ${presets.MONTHLY_CREDIT} credit)"
    )


# ---- configure


def configure(
    api: FleetApi, vins: Sequence[str], config: Mapping[str, Any], key: EllipticCurvePrivateKey | None, terminal: Terminal
) -> list[str]:
    """Sends the config, signed with `key` or through a proxy; returns the vehicles that Tesla did not skip."""
    sent = api.send_signed(vins, jws.token(config, key)) if key is not None else api.send_unsigned(vins, config)
    keyless = [vin for vin, word in sent.skipped.items() if word == "missing_key"]
    for line in skipped_lines(sent, {vin: vehicle_status.known_of(api, vin) for vin in keyless}, api.domain):
        terminal.line(line)
    terminal.line(f"sent to {sent.updated} of {len(vins)} vehicles")
    return [vin for vin in vins if vin not in sent.skipped]


def skipped_lines(sent: Sent, known: Mapping[str, Mapping[str, Any] | None] | None = None, domain: str = "") -> list[str]:
    """A line for each vehicle that Tesla skipped: the meaning of its word, and the remedy. `known`: entries of `fleet_status`."""
    lines = []
    for vin, word in sent.skipped.items():
        if word == "missing_key":
            meaning, remedy = vehicle_config.missing_key((known or {}).get(vin), domain)
        else:
            unknown = "Tesla skipped it", "look up Tesla's word in the Fleet API's documentation"
            meaning, remedy = vehicle_config.SKIPPED.get(word, unknown)
        lines.append(f"✗ {one_line(vin, 32)} {one_line(word, 40)}: {meaning} — {remedy}")
    return lines


def wait(api: FleetApi, vins: Sequence[str], patience_s: float, clock: Clock, terminal: Terminal) -> bool:
    """Asks Tesla until every vehicle has taken or rejected its config, or time is up; whether all have taken it."""
    began = clock.now()
    statuses: dict[str, ConfigStatus] = {}
    pauses = iter(PAUSES_S)
    while True:
        for vin in vins:
            if vin not in statuses or not statuses[vin].settled:
                statuses[vin] = _ask(api, vin, clock)
                if statuses[vin].settled:
                    terminal.line(status_line(vin, statuses[vin]))
        taken = sum(status.state == "taken" for status in statuses.values())
        waiting = [vin for vin, status in statuses.items() if not status.settled]
        passed = clock.now() - began
        if not waiting or passed >= patience_s:
            break
        terminal.status(f"{taken} of {len(vins)} have taken it, {len(waiting)} to go, {passed:.0f} s (Ctrl-C: stop waiting)")
        clock.sleep(min(next(pauses, PAUSES_S[-1]), patience_s - passed))
    for vin in waiting:
        terminal.line(f"… {vin} not yet: {statuses[vin].meaning} — {statuses[vin].remedy}; then run `teslafast vehicle show`")
    return taken == len(vins)


def _ask(api: FleetApi, vin: str, clock: Clock) -> ConfigStatus:
    """One request; a fault that may pass by itself counts as waiting. Raises Declined at the billing limit."""
    try:
        return vehicle_status.look(api, vin, clock.time())[1]
    except Unhealthy as error:
        return ConfigStatus("waiting", error.fault, error.remedy)
    except Declined as error:
        if is_limit(error.words):
            raise  # nothing more is asked then
        state = "waiting" if error.status == 429 or error.status >= 500 else "rejected"
        return ConfigStatus(state, error.fault, error.remedy)


def status_line(vin: str, status: ConfigStatus) -> str:
    """`✓ VIN …` or `✗ VIN … — remedy`, fit for a terminal."""
    mark = {"taken": "✓", "waiting": "…"}.get(status.state, "✗")
    return f"{mark} {vin} {one_line(status.meaning)}" + (f" — {status.remedy}" if status.remedy else "")


# ---- show, remove, errors


def show(api: FleetApi, vins: Sequence[str], as_json: bool, clock: Clock, terminal: Terminal) -> bool:
    """Prints each vehicle's config and what its state means; whether all have taken theirs."""

    def one(vin: str) -> bool:
        answer, status = vehicle_status.look(api, vin, clock.time())
        terminal.line(json.dumps({"vin": vin, "state": status.state, **answer}) if as_json else status_line(vin, status))
        return status.state == "taken"

    return _each(vins, one, as_json, terminal)


def remove(api: FleetApi, vins: Sequence[str], terminal: Terminal) -> bool:
    """Deletes each vehicle's config, if it has one; whether none is left."""

    def one(vin: str) -> bool:
        removed = api.remove(vin) > 0
        terminal.line(f"✓ {vin} has no config any more and stops streaming" if removed else f"✓ {vin} had no config")
        return True

    return _each(vins, one, False, terminal)


def _each(vins: Sequence[str], one: Callable[[str], bool], as_json: bool, terminal: Terminal) -> bool:
    """Whether `one` is true of every vehicle. One that Tesla does not find keeps the others from nothing."""
    well = True
    for vin in vins:
        try:
            well = one(vin) and well
        except Declined as error:
            if error.status != HTTPStatus.NOT_FOUND or len(vins) == 1:
                raise
            well = False
            row = {"vin": vin, "state": "unknown", "error": error.fault}
            terminal.line(json.dumps(row) if as_json else f"✗ {vin} {error.fault} — {error.remedy}")
    return well


def errors(api: FleetApi, vins: Sequence[str], as_json: bool, terminal: Terminal) -> bool:
    """Prints the errors that vehicles reported to Tesla, newest last; whether there were none."""
    found = [report for report in api.errors() if not vins or report.get("vin") in vins]
    for report in sorted(found, key=lambda report: str(report.get("created_at"))):
        terminal.line(json.dumps(report) if as_json else error_line(report))
    if not found and not as_json:
        terminal.line("✓ no errors reported")
    return not found


def error_line(report: Mapping[str, Any]) -> str:
    """`time VIN name: text = meaning — remedy`."""
    meaning, remedy = vehicle_errors.explain_error(report)
    when, vin, name = (one_line(str(report.get(key)), 40) for key in ("created_at", "vin", "error_name"))
    text = f"✗ {when} {vin} {name}: {one_line(str(report.get('error')))}"
    return f"{text} = {meaning} — {remedy}" if meaning else text
