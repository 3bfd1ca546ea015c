"""
`teslafast vehicle …`: what the commands do, what they say, and whether all went well.

`Voice` is where words go: lasting lines, and on a terminal one line that is rewritten while something is waited for. Commands
return whether every vehicle is as it should be; whoever calls makes the exit code of that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Declined, Unhealthy
from ..text import one_line
from . import jws, presets, vehicle_config
from .fleet_api import FleetApi, Sent
from .vehicle_config import Verdict

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# Tesla bills each look like any request for data (500 for a dollar), and a sleeping car needs minutes: ever fewer looks.
PAUSES_S = (5.0, 5.0, 10.0, 10.0, 20.0, 30.0)


@dataclass(frozen=True)
class Voice:
    """`say`: a line that stays; `show`: one that the next takes the place of (nothing where there is no terminal)."""

    say: Callable[[str], None]
    show: Callable[[str], None]


@dataclass(frozen=True)
class Clock:
    """`now`: monotonic seconds; `sleep`: lets seconds pass; `time`: seconds since 1970."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    time: Callable[[], float]


def cost(fields: Mapping[str, float]) -> str:
    """The estimate in words."""
    signals, dollars = presets.signals_a_month(fields), presets.dollars_a_month(fields)
    return (
        f"{len(fields)} fields: about {signals:,} signals, ${dollars:.2f} a month and vehicle "
        f"({presets.ASSUMPTIONS}; {presets.SIGNALS_PER_DOLLAR:,} signals for $1, before Tesla's ${presets.MONTHLY_CREDIT} credit)"
    )


# ---- configure


def configure(
    api: FleetApi, vins: Sequence[str], config: Mapping[str, Any], key: EllipticCurvePrivateKey | None, voice: Voice
) -> list[str]:
    """Sends it, signed with `key` or through a proxy; tells who was left out, and returns those who were not."""
    sent = api.send_signed(vins, jws.token(config, key)) if key is not None else api.send_unsigned(vins, config)
    for line in skipped(sent):
        voice.say(line)
    voice.say(f"sent to {sent.updated} of {len(vins)} vehicles")
    return [vin for vin in vins if vin not in sent.skipped]


def skipped(sent: Sent) -> list[str]:
    """A line for each vehicle that Tesla left out: what its word means and what to do."""
    known = {
        vin: vehicle_config.SKIPPED.get(word, ("Tesla left it out", "see Tesla's word")) for vin, word in sent.skipped.items()
    }
    return [
        f"✗ {one_line(vin, 32)} {one_line(sent.skipped[vin], 40)}: {says} — {remedy}" for vin, (says, remedy) in known.items()
    ]


def wait(api: FleetApi, vins: Sequence[str], patience_s: float, clock: Clock, voice: Voice) -> bool:
    """Looks until every vehicle has taken or rejected its config, or patience ends; whether all have taken it."""
    began = clock.now()
    verdicts: dict[str, Verdict] = {}
    pauses = iter(PAUSES_S)
    while True:
        for vin in vins:
            if vin not in verdicts or not verdicts[vin].settled:
                verdicts[vin] = _look(api, vin, clock)
                if verdicts[vin].settled:
                    voice.say(line_of(vin, verdicts[vin]))
        taken = sum(verdict.state == "taken" for verdict in verdicts.values())
        waiting = [vin for vin, verdict in verdicts.items() if not verdict.settled]
        passed = clock.now() - began
        if not waiting or passed >= patience_s:
            break
        voice.show(f"{taken} of {len(vins)} have taken it, {len(waiting)} to go, {passed:.0f} s (Ctrl-C: stop looking)")
        clock.sleep(min(next(pauses, PAUSES_S[-1]), patience_s - passed))
    for vin in waiting:
        voice.say(f"… {vin} not yet: {verdicts[vin].says} — {verdicts[vin].remedy}; see `teslafast vehicle show`")
    return taken == len(vins)


def _look(api: FleetApi, vin: str, clock: Clock) -> Verdict:
    """One look; what may pass by itself counts as waiting."""
    try:
        return vehicle_config.judge(api.show(vin), clock.time())
    except Unhealthy as error:
        return Verdict("waiting", str(error), "is this machine on the net?")
    except Declined as error:
        state = "waiting" if error.status == 429 or error.status >= 500 else "rejected"
        return Verdict(state, error.fault, error.remedy)


def line_of(vin: str, verdict: Verdict) -> str:
    """`✓ VIN …` or `✗ VIN … — remedy`, fit for a terminal."""
    mark = {"taken": "✓", "waiting": "…"}.get(verdict.state, "✗")
    return f"{mark} {vin} {one_line(verdict.says)}" + (f" — {verdict.remedy}" if verdict.remedy else "")


# ---- show, remove, errors


def show(api: FleetApi, vins: Sequence[str], as_json: bool, clock: Clock, voice: Voice) -> bool:
    """Each vehicle's config and what its state means; whether all have taken theirs."""
    well = True
    for vin in vins:
        answer = api.show(vin)
        verdict = vehicle_config.judge(answer, clock.time())
        well = well and verdict.state == "taken"
        voice.say(json.dumps({"vin": vin, "state": verdict.state, **answer}) if as_json else line_of(vin, verdict))
    return well


def remove(api: FleetApi, vins: Sequence[str], voice: Voice) -> bool:
    """Deletes each vehicle's config; whether each had one."""
    well = True
    for vin in vins:
        removed = api.remove(vin) > 0
        well = well and removed
        voice.say(f"✓ {vin} has no config any more, and stops streaming" if removed else f"✗ {vin} had no config")
    return well


def errors(api: FleetApi, vins: Sequence[str], as_json: bool, voice: Voice) -> bool:
    """What vehicles reported to Tesla, newest last; whether there was nothing."""
    found = [report for report in api.errors() if not vins or report.get("vin") in vins]
    for report in sorted(found, key=lambda report: str(report.get("created_at"))):
        voice.say(json.dumps(report) if as_json else error_line(report))
    if not found and not as_json:
        voice.say("✓ no errors reported")
    return not found


def error_line(report: Mapping[str, Any]) -> str:
    """`time VIN name: text (host:port) = what it means — remedy`."""
    says, remedy = vehicle_config.explain_error(report)
    when, vin, name = (one_line(str(report.get(key)), 40) for key in ("created_at", "vin", "error_name"))
    text = f"✗ {when} {vin} {name}: {one_line(str(report.get('error')))}"
    return f"{text} = {says} — {remedy}" if says else text
