"""
Which outputs the environment asks for, with their settings read and checked.

As `config.Settings` is for the server: each variable once, at the edge, one frozen value or Misconfigured. The rows stand in the
outputs' own modules (environment.py says how), and a module is imported only if its first variable is set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..config import Settings
from ..environment import check, read
from ..errors import Misconfigured
from . import OUTPUTS, Context, Output, OutputRow


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """An output that is to run. `settings` is of the type that its row names."""

    row: OutputRow
    settings: Any

    def make(self, context: Context) -> Output:
        """Raises Misconfigured if the package that it needs is not installed."""
        try:
            output: Output = getattr(_module(self.row), self.row.output)(self.settings, context)
        except ModuleNotFoundError as error:
            if not self.row.extra or (error.name or "").startswith("teslafast"):
                raise
            fault = f"needs the package {error.name}, which is not installed"
            raise Misconfigured(self.row.switch, fault, f'pip install "teslafast[{self.row.extra}]"') from None
        return output


def planned(environment: Mapping[str, str], server: Settings, rows: Sequence[OutputRow] = OUTPUTS) -> tuple[OutputPlan, ...]:
    """The outputs that these variables ask for. Raises Misconfigured."""
    plans = []
    for row in rows:
        if environment.get(row.switch, "").strip():
            settings = read(settings_class(row), environment)
            check(settings, settings.rules(server))
            plans.append(OutputPlan(row, settings))
    return tuple(plans)


def settings_class(row: OutputRow) -> Any:
    """The dataclass whose fields are the output's variables."""
    return getattr(_module(row), row.settings)


def _module(row: OutputRow) -> Any:
    return import_module(f".{row.module}", __package__)
