"""Step 11: the server has heard from the car. It is asked with a token of its own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .. import https
from ..config import Settings
from ..dashboards import tokens
from ..errors import Declined, Misconfigured, Unhealthy
from ..onboarding.refusals_of_tesla import Step, is_limit
from ..onboarding.setup_notes import FLY
from ..onboarding.vehicle_errors import explain_error
from ..rfc3339 import rfc3339
from ..text import one_line
from . import fly_app, own_server, server_step
from .context import SetupContext, short_vin
from .journey import SetupStep
from .outcome import Blocked, NotNow, Waiting
from .pairing_step import vins_of

TOKEN_LIFE_S = 300  # of a token that this step alone uses
PAGE_TOKEN_S = 30 * 86400
_NEITHER = "set JWT_SECRET to the server's secret, or TESLAFAST_TOKEN to a token of its own: the server cannot be asked without"
_SHOWN = ("Soc", "Gear", "VehicleSpeed", "Location")


def dashboard_token(context: SetupContext, life_s: float) -> str:
    """A token for our own server; "" if its secret is not known here. Raises Misconfigured, Unhealthy."""
    environment = dict(context.options.environment)
    if given := environment.get("TESLAFAST_TOKEN", "").strip():
        return given
    secret = environment.get("JWT_SECRET", "").strip() or own_server.server_settings(context).get("JWT_SECRET", "")
    if secret:
        names = ("JWT_ALGORITHMS", "JWT_AUDIENCE", "JWT_ISSUER")
        known = {name: environment[name] for name in names if name in environment}
        settings = Settings.from_env({"NODE_ENV": "production", "JWT_SECRET": secret} | known)
        return tokens.mint(settings, "setup", (), life_s, time.time())
    return fly_app.minted(context, life_s) if context.notes.where == FLY else ""


def _look(context: SetupContext) -> str | None:
    if not context.notes.url:
        server_step.decide(context)
    token = dashboard_token(context, TOKEN_LIFE_S)
    if not token:
        return _counted(context)
    try:
        heard = {vin: _asked(context, vin, token) for vin in vins_of(context)}
    except Unhealthy as error:
        if not context.is_trial(context.domain) or "does not verify" not in error.fault:
            raise
        return _counted(context)  # a server on this machine whose certificate is for cars: it gets no token
    if not all(heard.values()):
        return None
    return "; ".join(f"{short_vin(vin)} {said}" for vin, said in heard.items())


def heard(context: SetupContext) -> bool:
    """Whether the server has heard from all cars; False too if it cannot be asked, or if no car is chosen yet."""
    if context.notes.vins == [] and not context.options.vins and not context.options.variable("TESLA_VIN"):
        return False
    try:
        token = dashboard_token(context, TOKEN_LIFE_S)
        return bool(token) and all(_asked(context, vin, token) for vin in vins_of(context))
    except (Unhealthy, NotNow, Misconfigured):
        return False


def _asked(context: SetupContext, vin: str, token: str) -> str:
    """What the server knows of a car; "" if it has never heard of it. Raises Blocked, Unhealthy."""
    reply = https.request("GET", f"{context.notes.url}/vehicles/{quote(vin)}", {"Authorization": f"Bearer {token}"})
    if reply.status in (401, 403):
        said = one_line(reply.body.decode(errors="replace"), 160)
        remedy = "give the server's own: JWT_SECRET or TESLAFAST_TOKEN"
        if "expired" in said or "not valid yet" in said:  # it was made a moment ago
            remedy = f"set the clocks of both machines (this one says {rfc3339(time.time_ns())}): the token was made just now"
        raise Blocked(f"the server refuses the token: {said or reply.status}", remedy)
    if reply.status == 404:
        return ""
    try:
        report = json.loads(reply.body)
    except (ValueError, RecursionError):
        report = None
    if reply.status != 200 or not isinstance(report, dict):
        raise Unhealthy(f"{context.notes.url}/vehicles/… answers {reply.status}", "see the server's log")
    return _said(report)


def _said(report: Mapping[str, Any]) -> str:
    data, heard = report.get("data"), report.get("lastHeard")
    if not heard and not data:
        return ""
    shown = {name: _plain(data.get(name)) for name in _SHOWN} if isinstance(data, Mapping) else {}
    values = [_value(name, value) for name, value in shown.items() if value is not None]
    at = one_line(str(heard or ""), 40)
    return f"heard at {at}" + (f": {', '.join(values)}" if values else "")


def _plain(entry: object) -> object:
    """A field's value; None too for one that the car says to be invalid at the moment."""
    return entry.get("value") if isinstance(entry, Mapping) else entry


def _value(name: str, value: object) -> str:
    if isinstance(value, Mapping) and {"latitude", "longitude"} <= value.keys():
        return "a position"  # this line may be pasted into an issue
    return f"{name} {one_line(re.sub(r'^ShiftState', '', str(value)), 20)}"


def _counted(context: SetupContext) -> str | None:
    """Without a token: how many cars are connected now, which /health tells everybody. Raises Waiting, Unhealthy."""
    reply = https.get_unverified(f"{context.notes.url}/health", https.TIMEOUT_S)
    try:
        connected = json.loads(reply.body)["vehicles"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unhealthy(f"{context.notes.url}/health answers {reply.status}", "see the server's log") from None
    if isinstance(connected, int) and connected > 0:
        return f"{connected} connected now (which ones, only a token tells: {_NEITHER})"
    return None


def _act(context: SetupContext) -> None:
    if context.until("no data yet", lambda: _look(context)) is None:
        remedy = "open the Tesla app or drive a little; who is turned away stands in the server's log"
        if not dashboard_token(context, TOKEN_LIFE_S):
            remedy = f"{remedy}; {_NEITHER}"
        _raise_reported(context)
        raise Waiting("the server has not heard from the car yet", remedy)


def _raise_reported(context: SetupContext) -> None:
    """What the cars told Tesla about it, if they did: that explains more than silence. Raises Waiting."""
    try:
        vins = vins_of(context)
        reports = [one for one in context.partner(context.owner.base_url).errors() if one.get("vin") in vins]
    except (Declined, NotNow, Unhealthy) as error:
        if isinstance(error, Declined) and is_limit(error.words):
            raise
        context.console.line(f"  ! what the car reports to Tesla could not be asked: {error}")
        return
    explained = [(one, explain_error(one)) for one in sorted(reports, key=lambda one: str(one.get("created_at")))]
    known = [(one, found) for one, found in explained if found[0]]
    if known:
        report, (meaning, remedy) = known[-1]
        words = one_line(f"{report.get('error_name')}: {report.get('error')}")
        raise Waiting(f"{short_vin(str(report.get('vin')))} reports to Tesla: {meaning}", remedy, words)


def page_line(context: SetupContext) -> str:
    """The link to the live page, "" if no token can be made here."""
    if not context.notes.url:
        return ""
    try:
        token = dashboard_token(context, PAGE_TOKEN_S)
    except (Misconfigured, Unhealthy):
        return ""
    return f"{context.notes.url}/#token={token}" if token else ""


FIRST_DATA_STEP = SetupStep(Step.FIRST_DATA, _look, _act, "wait for the car's first data")
