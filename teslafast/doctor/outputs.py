"""Outputs: whether each can be reached and let us in, and how far behind it is in the server that runs with these settings."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping

from .. import https
from ..config import Settings
from ..errors import Misconfigured, Unhealthy
from ..outputs.check import Verdict, check
from ..outputs.settings import OutputPlan, planned
from .finding import Finding, from_error, well, wrong
from .health import PATIENCE_S, local_url
from .options import DoctorOptions

_GAUGE = re.compile(r'^teslafast_output_(lag_events|lag_seconds|up)\{output="([^"]*)"\} (\S+)$', re.MULTILINE)


def check_outputs(options: DoctorOptions, settings: Settings) -> Iterator[Finding]:
    """A line an output that is set; none if there is none."""
    try:
        plans = planned(options.environment, settings)
    except Misconfigured as error:
        yield from_error("outputs", error)
        return
    for verdict in verdicts(plans, settings):
        name = f"output {verdict.output}"
        remedy = f"see docs/outputs/{verdict.output.partition('-')[0]}.md"
        yield well(name, verdict.says) if verdict.well else wrong(name, verdict.says, remedy)


def verdicts(plans: tuple[OutputPlan, ...], settings: Settings) -> list[Verdict]:
    """What each output's own check says, and what the running server says of it, if one answers on this machine."""
    if not plans:
        return []
    found = asyncio.run(check(plans))
    server = running(settings)
    return [one._replace(says=f"{one.says}; {server[one.output]}") if one.output in server else one for one in found]


def running(settings: Settings) -> dict[str, str]:
    """By output, in words; empty if no server with these settings answers."""
    try:
        reply = https.get_unverified(f"{local_url(settings)}/metrics", PATIENCE_S)
    except (Unhealthy, Misconfigured):
        return {}
    return {name: _words(gauges) for name, gauges in read_gauges(reply.body.decode("utf-8", "replace")).items()}


def read_gauges(metrics: str) -> dict[str, dict[str, float]]:
    """By output: `up`, `lag_events` and `lag_seconds` in the text of /metrics."""
    found: dict[str, dict[str, float]] = {}
    for gauge, output, value in _GAUGE.findall(metrics):
        found.setdefault(output, {})[gauge] = float(value)
    return found


def _words(gauges: Mapping[str, float]) -> str:
    state = "delivers" if gauges.get("up") else "does not get through at the moment"
    events, seconds = int(gauges.get("lag_events", 0)), gauges.get("lag_seconds", 0.0)
    count = "1 event" if events == 1 else f"{events} events"
    left = f"{count} left to send, the oldest {seconds:.0f} s old" if events else "nothing left to send"
    return f"the running server {state}, and has {left}"
