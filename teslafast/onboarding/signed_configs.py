"""
configs.jws: configs signed beforehand, so that a server can renew them without the app's key.

Tesla takes an end about a year ahead at most. So several are signed, one after the other's end: each is sent 60 days before the
one before it ends, and is then good for at most 11 months. A signed config is not secret: only a car that has the key takes it,
and it says where that car streams to anyway.

The file is JSON, in the order of the ends: {"version": 1, "configs": [{"exp": s since 1970, "vins": [VIN, …], "token": JWS}, …]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Misconfigured
from . import jws
from .state_folder import CONFIGS_FILE, STATE_VARIABLE, StateFolder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

RENEWAL_S = 60 * 86400  # before its end, a config is replaced: a car that sleeps takes weeks
SIGNED_LIFE_S = 335 * 86400  # 11 months, well below what Tesla takes
SIGNED_AHEAD = 3  # good for 29 months


@dataclass(frozen=True)
class SignedConfig:
    """`exp`: its end, s since 1970; `vins`: whom it is for; `token`: what Tesla is sent."""

    exp: int
    vins: tuple[str, ...]
    token: str


def sign_ahead(
    config: Mapping[str, Any], vins: Sequence[str], key: EllipticCurvePrivateKey, now: float
) -> tuple[SignedConfig, ...]:
    """The same config with ends 11, 20 and 29 months from now."""
    ends = [int(now + SIGNED_LIFE_S + number * (SIGNED_LIFE_S - RENEWAL_S)) for number in range(SIGNED_AHEAD)]
    return tuple(SignedConfig(end, tuple(vins), jws.token({**config, "exp": end}, key)) for end in ends)


def save_signed(folder: StateFolder, configs: Sequence[SignedConfig]) -> None:
    """Raises Misconfigured."""
    rows = [{"exp": one.exp, "vins": list(one.vins), "token": one.token} for one in configs]
    folder.write(CONFIGS_FILE, json.dumps({"version": 1, "configs": rows}).encode() + b"\n")


def load_signed(folder: StateFolder) -> tuple[SignedConfig, ...]:
    """In the order of their ends; none if there is no file. Raises Misconfigured."""
    found = folder.read_json(CONFIGS_FILE)
    if found is None:
        return ()
    try:
        rows = [SignedConfig(int(row["exp"]), tuple(map(str, row["vins"])), str(row["token"])) for row in found["configs"]]
    except (KeyError, TypeError, ValueError):
        raise Misconfigured(
            STATE_VARIABLE, f"{folder.path / CONFIGS_FILE} is damaged", "run `teslafast setup --only 12`"
        ) from None
    return tuple(sorted(rows, key=lambda one: one.exp))


def next_to_send(configs: Sequence[SignedConfig], vin: str, current_end: float, now: float) -> SignedConfig | None:
    """
    The one with which a vehicle's config is renewed now: it ends later than the present one, and not so far ahead that Tesla
    refuses it. `current_end`: 0 if the vehicle has none.
    """
    fit = [one for one in configs if vin in one.vins and current_end < one.exp <= now + SIGNED_LIFE_S + 86400]
    return fit[-1] if fit else None
