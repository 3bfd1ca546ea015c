"""
`teslafast settings`: the settings in force and where each came from, or a check of them that starts nothing.

A row is shown as the server reads it. Secrets, and passwords in URLs, are hidden.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from ..environment import SettingRow, family_of, rows
from ..errors import Misconfigured
from ..fleet_telemetry_file import CONFIG_VARIABLE
from ..text import one_line
from .tesla_config import current

if TYPE_CHECKING:
    from ..config import Settings

HIDDEN = "(hidden)"
LONGEST_VALUE = 200  # characters of a value in the table: a list of VINs may be longer than anybody reads
_PASSWORD = re.compile(r"(?<=://)[^/@\s,]*@")
_SIZES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


@dataclass(frozen=True)
class Shown:
    """One line of the table. `source`: environment, config.json (Tesla's), flag, default, or made (a secret made at random)."""

    variable: str
    source: str
    value: str


@click.command()
@click.option("--check", is_flag=True, help="Print no table: exit 0 if a server would start with these settings, 2 if not.")
@click.option("--host", help="As if `serve --host` were given.")
@click.option("--port", type=click.IntRange(0, 65535), help="As if `serve --port` were given.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def settings(check: bool, host: str | None, port: int | None, as_json: bool) -> None:
    """
    Show the settings in force and where each came from.

    Secrets are hidden. With --check, the files that the settings name are read, too. Nothing is started.
    """
    from ..config import Settings
    from ..outputs.settings import planned
    from .hints import all_rows, hints

    flags = {"host": host, "port": port}
    found, fault = None, None
    try:
        found = Settings.from_env(os.environ, **flags)
    except Misconfigured as error:
        fault = error
    if not check:
        shown = list(_table(os.environ, found, flags))
        width = max(len(row.variable) for row in shown)
        for row in shown:
            click.echo(json.dumps(asdict(row)) if as_json else f"{row.variable:<{width}}  {row.source:<11}  {row.value}")
    tesla = current()
    for note in tesla.notes if tesla is not None else ():
        click.echo(f"note: {os.environ[CONFIG_VARIABLE]}: {one_line(note)}", err=True)
    for hint in hints(os.environ, found, all_rows()):
        click.echo(f"warning: {hint.variable}: {one_line(hint.meaning)}", err=True)
    if found is None:
        raise fault or AssertionError("no settings and no reason")
    if not check:
        planned(os.environ, found)
        return
    # here: every command imports this module, and 9 of its 40 ms would be OpenSSL's
    from ..logs import set_up
    from .start_check import check_start

    set_up("warning", "console")  # what an output warns of while it is made
    check_start(found, os.environ)
    click.echo("The settings are valid, and the files that they name can be read.")


def _table(environment: Mapping[str, str], found: Settings | None, flags: Mapping[str, Any]) -> Iterator[Shown]:
    from ..config import Settings
    from ..outputs import OUTPUTS, SharedSettings
    from ..outputs.settings import settings_class

    for row in rows(Settings):
        flag = flags.get(row.name)
        value = flag if found is None and flag is not None else getattr(found, row.name, None)
        yield _shown(row, environment, value, from_flag=flag is not None)
    for cls in (SharedSettings, *map(settings_class, OUTPUTS)):
        for row in rows(cls):
            if row.family and (named := family_of(row, cls, environment)):
                yield from (Shown(name, _source(name), HIDDEN) for name in named)
            else:
                yield _shown(row, environment, None, from_flag=False)


def _shown(row: SettingRow, environment: Mapping[str, str], value: Any, *, from_flag: bool) -> Shown:
    """`value`: as the server has it; None if that is not known, and then the row reads the variable by itself."""
    text = environment.get(row.variable, "")
    if from_flag:
        return Shown(row.variable, "flag", _text(value, row))
    if not text.strip():
        made = row.secret and bool(value)
        return Shown(row.variable, "made" if made else "default", HIDDEN if made else _text(row.default, row))
    source = _source(row.variable)
    if row.secret:
        return Shown(row.variable, source, HIDDEN)
    try:
        return Shown(row.variable, source, _text(row.parse(text) if value is None else value, row))
    except ValueError:
        return Shown(row.variable, source, f"{one_line(text, LONGEST_VALUE)!r} is not usable: give {row.form}")


def _source(variable: str) -> str:
    tesla = current()
    return "config.json" if tesla is not None and variable in tesla.keys else "environment"


def _text(value: Any, row: SettingRow) -> str:
    """As one would write it in the environment."""
    if value in (None, "", b"", (), frozenset()):
        return "–"
    match value:
        case bool():
            return str(value).lower()
        case tuple() | frozenset():
            return _bounded(",".join(sorted(map(str, value)) if isinstance(value, frozenset) else map(str, value)))
        case int() | float() if row.form.startswith("bytes"):
            return next((f"{value // size:g}{unit}" for size, unit in _SIZES if value and value % size == 0), str(value))
        case int() | float():
            return f"{value:g}{'s' if row.form.startswith('seconds') else ''}" if isinstance(value, float) else str(value)
    return _bounded(str(value)) or "–"


def _bounded(text: str) -> str:
    shown = one_line(_PASSWORD.sub("…@", text), LONGEST_VALUE)
    return shown if len(text) <= LONGEST_VALUE else f"{shown}… ({len(text)} characters)"
