"""A dashboard that may connect: who it is, and what it asked for."""

from __future__ import annotations

from dataclasses import dataclass

from .auth import Grant
from .wish import Wish


@dataclass(frozen=True, slots=True)
class AdmitDashboard:
    grant: Grant
    wish: Wish
    subprotocol: str | None
