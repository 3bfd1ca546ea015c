"""
FLEET_TELEMETRY_CONFIG for every command: the variables that Tesla's `config.json` stands for, before any of them is read.

What the environment has already goes before the file. A fault that shows only when a variable is read is told with the key that
the file has it under.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import Misconfigured
from ..fleet_telemetry_file import CONFIG_VARIABLE, LONGEST_CONFIG

if TYPE_CHECKING:
    from ..fleet_telemetry_config import Translation


class TeslaConfigGroup(click.Group):
    """The commands, with the file's variables in the environment."""

    def invoke(self, ctx: click.Context) -> object:
        ctx.obj = translation = load(os.environ.get(CONFIG_VARIABLE, "").strip())
        try:
            return super().invoke(ctx)
        except Misconfigured as error:
            key = translation.keys.get(error.subject) if translation is not None else None
            if key is None:
                raise
            raise Misconfigured(CONFIG_VARIABLE, f"{key} ({error.subject}): {error.fault}", error.remedy) from None


def load(path: str) -> Translation | None:
    """Puts the file's variables into the environment; None if the path is empty. Raises Misconfigured."""
    if not path:
        return None
    from ..fleet_telemetry_config import translated

    try:
        with Path(path).open("rb") as file:
            content = file.read(4 * LONGEST_CONFIG).decode()
    except OSError as error:
        raise Misconfigured(CONFIG_VARIABLE, f"{path}: {error.strerror}", "give the path of Tesla's config.json") from None
    except UnicodeDecodeError:
        raise Misconfigured(CONFIG_VARIABLE, f"{path} is not UTF-8 text", "give the path of Tesla's config.json") from None
    found = translated(content, os.environ)
    os.environ.update(found.variables)
    return found


def current() -> Translation | None:
    """The running command's."""
    context = click.get_current_context(silent=True)
    return context.find_root().obj if context is not None else None
