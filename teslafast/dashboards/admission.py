"""A dashboard that may connect: who it is, and what it asked for."""

from __future__ import annotations

from dataclasses import dataclass

from .subscription import Subscription
from .tokens import Grant


@dataclass(frozen=True, slots=True)
class AdmitDashboard:
    grant: Grant
    subscription: Subscription
    subprotocol: str | None
