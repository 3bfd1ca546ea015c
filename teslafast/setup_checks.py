"""
What a set-up is made of, each with whether it is done, as values: the server fills the list, the page and `/setup` show it; and
what is measured of it.

Pure. No secret, token or key is ever part of a check; `vin` says whose it is, for a reader who may not see every vehicle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CheckState = Literal["done", "missing", "waiting", "wrong"]


@dataclass(frozen=True, slots=True)
class SetupCheck:
    """
    name     a fixed word
    state    done; missing: to be done; waiting: for a vehicle or for Tesla; wrong: it was done once, or in the wrong way
    says     what is the case
    remedy   what to do about it; "" where there is nothing to do
    vin      the vehicle that it is about; "" if it is about the whole
    """

    name: str
    state: CheckState
    says: str
    remedy: str = ""
    vin: str = ""

    def report(self) -> dict[str, str]:
        """As `/setup` shows it: members without a value are left out."""
        members = {"name": self.name, "state": self.state, "says": self.says, "remedy": self.remedy, "vin": self.vin}
        return {name: text for name, text in members.items() if text}


@dataclass(frozen=True, slots=True)
class UpkeepGauges:
    """
    config_days   until the first of all vehicles' configs ends; None if none is known
    login_days    until the login at Tesla ends unless it is refreshed; None if there is none
    renewals      by outcome
    tesla_errors  what Tesla's servers reported of our vehicles, by cause
    """

    config_days: float | None = None
    login_days: float | None = None
    renewals: Mapping[str, int] = field(default_factory=dict)
    tesla_errors: Mapping[str, int] = field(default_factory=dict)
