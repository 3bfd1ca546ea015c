"""
What Tesla knows of a vehicle's config, and what it means; with a second question only where the first answer leaves it open.

Tesla bills each question. So `fleet_status` is asked only about a vehicle that has not taken its config and has no key: it tells
whether the vehicle takes keys at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Declined, Unhealthy
from . import vehicle_config
from .fleet_api import FleetApi
from .vehicle_config import ConfigStatus


def look(api: FleetApi, vin: str, now: float) -> tuple[dict[str, Any], ConfigStatus]:
    """Tesla's answer about the vehicle's config, and its meaning. `now`: seconds since 1970. Raises Declined, Unhealthy."""
    answer = api.show(vin)
    status = vehicle_config.interpret(answer, now, domain=api.domain)
    if answer.get("key_paired") is False and status.state == "rejected":
        status = vehicle_config.interpret(answer, now, known_of(api, vin), api.domain)
    return answer, status


def known_of(api: FleetApi, vin: str) -> Mapping[str, Any] | None:
    """The vehicle's entry in `fleet_status`; None if Tesla does not tell, and then both remedies are said."""
    try:
        return api.fleet_status([vin]).get(vin)
    except (Declined, Unhealthy):
        return None
