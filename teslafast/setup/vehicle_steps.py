"""Steps 6 and 7: the owner's region, and which of the owner's vehicles will stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import Declined
from ..onboarding.access_token import read_token
from ..onboarding.refusals_of_tesla import Kind, Step, explain
from ..onboarding.resolve import resolve_vins
from ..onboarding.tesla_hosts import REGION_NAMES, REGIONS, region_of
from ..text import one_line
from ..vin import model_of
from .context import SetupContext, short_vin
from .journey import SetupStep
from .outcome import Blocked, Waiting
from .registration_step import register

Told = TypeVar("Told")
LEAST_FIRMWARE = (2024, 26)  # the first that takes signed configs


def ask_owner(context: SetupContext, what: str, call: Callable[[], Told]) -> Told:
    """
    A call with the owner's token. If Tesla says that the app is not registered in the owner's region, it is registered there, and
    the call made once more. Raises NotNow.
    """

    def attempt() -> Told:
        try:
            return call()
        except Declined as error:
            meant = explain(error.status, error.words or error.fault)
            if meant.again is not Step.REGISTRATION or meant.kind is not Kind.DO or context.options.look_only:
                raise
            register(context, context.owner.base_url)
            return call()

    context.check_limit()
    return context.patiently(what, attempt)


# ---- region


def _look_region(context: SetupContext) -> str | None:
    given = context.options.region.lower()
    hosts, owner = context.oauth.hosts, context.owner
    if given == "cn":
        raise Blocked("China's accounts are Tesla China's own", "set the app up at developer.tesla.cn, with TESLA_API_BASE_URL")
    if given and not hosts.api:
        owner.base_url = REGIONS[given]
    found, base = ask_owner(context, "region", owner.region)
    if base and not given:
        owner.base_url = base
    moved = context.notes.base_url not in ("", owner.base_url)
    context.notes.base_url, context.notes.region, context.notes.api = (
        owner.base_url,
        region_of(owner.base_url) or found,
        hosts.api,
    )
    if moved or (context.notes.registered and not _knows(context)):
        register(context, owner.base_url)
    return f"{REGION_NAMES.get(context.notes.region, context.notes.region or 'unnamed')} ({owner.base_url})"


def _knows(context: SetupContext) -> bool:
    base = context.notes.base_url
    return (region_of(base) or base) in context.notes.registered


def _nothing(context: SetupContext) -> None:
    """Looking is all that there is to do."""


# ---- vehicles


def _look_vehicle(context: SetupContext) -> str | None:
    rows = {str(row["vin"]): row for row in ask_owner(context, "vehicles", context.owner.vehicles)}
    if not rows:
        facts = read_token(context.owner.token)
        whose = f" (account {one_line(facts.subject, 60)})" if facts and facts.subject else ""
        remedy = "log in as the owner: teslafast setup --only login; the token is another account's, or a partner token"
        raise Waiting(f"this account has no vehicle{whose}", remedy, again=Step.LOGIN)
    vins = _chosen(context, rows)
    if vins is None:
        return None
    context.statuses = ask_owner(context, "vehicles", lambda: context.owner.fleet_status(vins))
    for vin in vins:
        _check_software(vin, context.statuses.get(vin, {}))
    context.notes.vins = vins
    context.drivers = {vin for vin in vins if rows[vin].get("access_type") == "DRIVER"}
    return "; ".join(_said(rows[vin], context.statuses.get(vin, {})) for vin in vins)


def _chosen(context: SetupContext, rows: Mapping[str, Mapping[str, Any]]) -> list[str] | None:
    """The vehicles of the options, of TESLA_VIN, of the notes, or the only one; None if a person must choose."""
    options = context.options
    if options.vins or options.variable("TESLA_VIN"):
        wanted = list(dict.fromkeys(resolve_vins(options.vins, options.environment)))
    else:
        wanted = context.notes.vins or (list(rows) if len(rows) == 1 else [])
    strange = [vin for vin in wanted if vin not in rows]
    if strange:
        known = ", ".join(map(short_vin, list(rows)[:5]))
        remedy = "check the VIN; a driver's or another account does not find it: log in as the owner"
        raise Waiting(f"{short_vin(strange[0])} is not a vehicle of this account, which has {known}", remedy, again=Step.LOGIN)
    return wanted or None


def _act_vehicle(context: SetupContext) -> None:
    rows = context.owner.vehicles()
    if context.console.ask is None:
        context.notes.vins = [str(row["vin"]) for row in rows]
        return
    missing = Waiting("no vehicle was chosen", "give --vin VIN")
    choices = [_described(row) for row in rows]
    context.notes.vins = [str(rows[context.console.choose("Which vehicle?", choices, missing)]["vin"])]


def _described(row: Mapping[str, Any]) -> str:
    name, access = one_line(str(row.get("display_name") or "unnamed"), 40), str(row.get("access_type") or "")
    mark = "DRIVER: only the owner can pair it" if access == "DRIVER" else "owner"
    shared = row.get("granular_access")
    place = "its owner shares no location" if isinstance(shared, Mapping) and shared.get("hide_private") is True else ""
    words = (short_vin(str(row["vin"])), model_of(str(row["vin"])), mark, place, one_line(str(row.get("state")), 20))
    return f"{name} ({', '.join(filter(None, words))})"


def _said(row: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    return f"{_described(row)}, software {one_line(str(status.get('firmware_version') or 'unknown'), 20)} can stream"


def _check_software(vin: str, status: Mapping[str, Any]) -> None:
    """Raises Waiting or Blocked if the vehicle cannot stream as it is."""
    found = re.match(r"(\d{4})\.(\d+)", str(status.get("firmware_version") or ""))
    if found and (int(found[1]), int(found[2])) < LEAST_FIRMWARE:
        says = f"{short_vin(vin)} has software {found[0]}: 2024.26 is the first that takes signed configs"
        raise Waiting(says, "update the vehicle's software, then run setup again")
    if "fleet_telemetry_version" in status and status["fleet_telemetry_version"] is None:
        says = f"{short_vin(vin)} cannot stream: its computer has no telemetry client"
        raise Blocked(says, "a Model S or X from before 2021 needs software 2025.20 or later; update it if Tesla offers that")


REGION_STEP = SetupStep(Step.REGION, _look_region, _nothing, "ask Tesla for the owner's region")
VEHICLE_STEP = SetupStep(Step.VEHICLE, _look_vehicle, _act_vehicle, "ask which vehicle will stream")
