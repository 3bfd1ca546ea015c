"""
Which outputs the environment asks for, with their settings read and checked.

As `config.Settings` is for the server: each variable once, at the edge, one frozen value or Misconfigured. The rows stand in the
outputs' own modules (environment.py says how), and a module is imported only if its first variable is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import import_module
from typing import Any, Literal

from .._fanout import KINDS
from ..config import Settings
from ..environment import check, read
from ..errors import Misconfigured
from . import OUTPUTS, Context, Output, OutputRow, Shape, SharedSettings


@dataclass(frozen=True, slots=True)
class OutputPlan:
    """
    An output that is to run. `settings` is of the type that its row names.

    part       which of several outputs of one row it is, from 1
    key        names its cursor among theirs, whatever their order: "" if the row has one output only
    reliable   a vehicle's ack waits for it
    """

    row: OutputRow
    settings: Any
    shared: SharedSettings = field(default_factory=SharedSettings)
    part: int = 1
    key: str = ""
    reliable: bool = False

    @property
    def name(self) -> str:
        """In /health, metrics and logs: `webhook`, `webhook-2`, …"""
        return self.row.name if self.part == 1 else f"{self.row.name}-{self.part}"

    @property
    def cursor(self) -> str:
        """In the file of cursors."""
        return f"{self.row.name}-{self.key}" if self.key else self.row.name

    @property
    def kinds(self) -> frozenset[int]:
        """Which events it gets: places in KINDS."""
        types = self.shared.routes.kinds_of(self.row.name)
        if types is None:
            types = getattr(self.settings, "types", self.shared.types if self.row.broker else KINDS)
        return frozenset(KINDS.index(kind) for kind in types)

    @property
    def shape(self) -> Shape:
        """Of its events' bodies."""
        shape: Shape | Literal["record"] = getattr(self.settings, "shape", self.row.shape)
        if shape == "record":
            return "fleet" if self.shared.decoded else "protobuf"
        return shape

    @property
    def wants_own_bytes(self) -> bool:
        """Whether the log has to keep the records' own bytes for it."""
        return self.shape != "flat"

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
    shared = read(SharedSettings, environment)
    plans: list[OutputPlan] = []
    for row in rows:
        if environment.get(row.switch, "").strip():
            settings = read(settings_class(row), environment)
            check(settings, settings.rules(server))
            plans += _parts(row, settings, shared)
    _check_named("RELIABLE_ACKS", shared.reliable_acks, plans, rows)
    _check_named("OUTPUT_ROUTES", shared.routes, plans, rows)
    return tuple(plans)


def _parts(row: OutputRow, settings: Any, shared: SharedSettings) -> list[OutputPlan]:
    """One plan, or one for each part of the settings: a cursor goes by what a part is, whatever their order."""
    parts: Sequence[tuple[str, Any]] = settings.parts() if hasattr(settings, "parts") else [("", settings)]
    plans = []
    for number, (identity, part) in enumerate(parts, 1):
        key = sha256(identity.encode()).hexdigest()[:8] if identity else ""
        plan = OutputPlan(row, part, shared, number, key)
        plans.append(OutputPlan(row, part, shared, number, key, bool({row.name, plan.name} & set(shared.reliable_acks))))
    return plans


def _check_named(variable: str, names: Iterable[str], plans: Sequence[OutputPlan], rows: Sequence[OutputRow]) -> None:
    """Every output that a setting names must be one that runs."""
    switches = {row.name: row.switch for row in rows}
    running = {plan.name for plan in plans} | {plan.row.name for plan in plans}
    for name in names:
        if name not in running:
            known = name in switches
            fault = f"{name!r} is not set up as an output" if known else f"{name!r} is not an output"
            remedy = f"set {switches[name]}" if known else f"give some of {', '.join(switches)}"
            raise Misconfigured(variable, fault, remedy)


def settings_class(row: OutputRow) -> Any:
    """The dataclass whose fields are the output's variables."""
    return getattr(_module(row), row.settings)


def _module(row: OutputRow) -> Any:
    return import_module(f".{row.module}", __package__)
