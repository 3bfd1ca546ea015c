"""Types of command-line options that several commands have."""

from __future__ import annotations

from typing import Any

import click

# A copy of the presets' names, which a test compares: to import them would make `serve` load a part of Tesla's API.
PRESET_NAMES = ("minimal", "driving", "charging", "teslamate", "everything")


class Duration(click.ParamType[float]):
    """`90`, `90s`, `15m`, `1h`, `30d` → seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from ..environment import parse_duration

        try:
            return value if isinstance(value, float) else parse_duration(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a duration: write for example 90s, 15m, 12h or 30d", param, ctx)


class RingBytes(click.ParamType[int]):
    """`64MiB` → bytes, as the setting RING_BYTES takes them."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from ..config import Settings
        from ..environment import rows

        row = next(row for row in rows(Settings) if row.variable == "RING_BYTES")
        try:
            return int(row.parse(str(value)))
        except ValueError:
            self.fail(f"{value!r} is not usable: give {row.form}", param, ctx)
