"""
Renews configs before they end: with one that was signed beforehand, else with the app's key if it is in the folder.

One that was signed beforehand may be older than what the owner has chosen since: then the key, where it is there, signs the
present config anew. Without the key the older one has to do, and a log line says so: a car that goes on streaming is worth more.

A config that Tesla has no longer is not sent again: whoever removed it (the owner, the billing limit, another app) may have meant
it, and a person is told. Before anything is sent, the key that signed it is compared with the one that Tesla has for the domain,
wherever the client secret is there to ask with: Tesla takes a config of any key, and only the car refuses it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..logs import fields, log
from . import jws, vehicle_config
from .fleet_api import FleetApi
from .signed_configs import RENEWAL_S, SIGNED_LIFE_S, load_signed, next_to_send
from .state_folder import KEY_FILE, StateFolder

VINS_IN_ONE_REQUEST = 100
# What a config is made of; Tesla's answer may hold more, which it would not take back.
_CONFIG_MEMBERS = ("hostname", "port", "ca", "fields", "alert_types", "delivery_policy", "prefer_typed")
NOTHING_LEFT = "no config is left to renew it with: run `teslafast setup` where the app's key is, before it ends"


@dataclass(frozen=True)
class Renewed:
    """What became of one vehicle's renewal. `outcome`: renewed, skipped or refused; `until`: the new end; `trouble`: why not."""

    outcome: str
    until: float = 0.0
    trouble: str = ""


def is_due(until: float, now: float) -> bool:
    return 0 < until <= now + RENEWAL_S


def renew(
    folder: StateFolder,
    api: FleetApi,
    due: Mapping[str, Mapping[str, Any]],
    registered_key: Callable[[], str | None],
    now: float,
) -> dict[str, Renewed]:
    """
    VIN → what became of it. `due`: VIN → its present config; `registered_key`: the key that Tesla has, as hex, None where that
    cannot be asked. Raises Declined, Unhealthy, Misconfigured.
    """
    done: dict[str, Renewed] = {}
    batches: dict[tuple[int, str], list[str]] = {}
    for vin, config in due.items():
        made = _made(folder, vin, config, now)
        if made is None:
            done[vin] = Renewed("refused", trouble=NOTHING_LEFT)
        else:
            batches.setdefault(made, []).append(vin)
    registered = registered_key() if batches else None
    for (until, token), vins in batches.items():
        if registered is not None and issuer_of(token) != registered:
            fault = "its next config is signed with another key than Tesla has for the app: run `teslafast setup` again"
            done |= {vin: Renewed("refused", trouble=fault) for vin in vins}
            continue
        for some in _batches(vins):
            done |= _sent(api, some, token, until)
    return done


def _sent(api: FleetApi, vins: list[str], token: str, until: int) -> dict[str, Renewed]:
    sent = api.send_signed(vins, token)
    done = {vin: Renewed("renewed", float(until)) for vin in vins if vin not in sent.skipped}
    for vin, word in sent.skipped.items():
        meaning, _ = vehicle_config.SKIPPED.get(word, (f"Tesla skipped it ({word[:40]})", ""))
        done[vin] = Renewed("skipped", trouble=f"Tesla did not renew its config: {meaning}")
    return done


def _made(folder: StateFolder, vin: str, config: Mapping[str, Any], now: float) -> tuple[int, str] | None:
    """(end, JWS) of the config with which this vehicle's is renewed; None if there is none and no key."""
    end = config.get("exp")
    signed = next_to_send(load_signed(folder), vin, float(end) if isinstance(end, int | float) else 0.0, now)
    if signed is not None and _is_same(claims_of(signed.token), config):
        return signed.exp, signed.token
    pem = folder.read(KEY_FILE)
    if pem is not None:
        until = int(now + SIGNED_LIFE_S)
        wanted = {name: config[name] for name in _CONFIG_MEMBERS if name in config}
        return until, jws.token({**wanted, "exp": until}, jws.load_key(pem, str(folder.path / KEY_FILE)))
    if signed is None:
        return None
    meaning = "it was signed before the config that the vehicle has now: its fields or its host are those of then"
    log.warning("config_signed_earlier", extra=fields(vin=vin, meaning=meaning))
    return signed.exp, signed.token


def _is_same(claims: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a vehicle would stream the same to the same place."""
    return all(_essence(claims, name) == _essence(config, name) for name in ("hostname", "port", "ca", "fields"))


def _essence(config: Mapping[str, Any], name: str) -> object:
    value = config.get(name)
    if name == "fields" and isinstance(value, Mapping):
        return {field: entry.get("interval_seconds") for field, entry in value.items() if isinstance(entry, Mapping)}
    return "".join(value.split()) if isinstance(value, str) else value


def issuer_of(token: str) -> str:
    """The public key that a signed config names, as Tesla writes keys (hex); "" if it is not one."""
    try:
        return base64.b64decode(claims_of(token)["iss"]).hex()
    except (KeyError, TypeError, ValueError):
        return ""


def claims_of(token: str) -> dict[str, Any]:
    """What a signed config says, unverified; {} if it is not one."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _batches(vins: list[str]) -> Iterable[list[str]]:
    return (vins[start : start + VINS_IN_ONE_REQUEST] for start in range(0, len(vins), VINS_IN_ONE_REQUEST))
