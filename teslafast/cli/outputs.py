"""The commands `teslafast outputs …`."""

from __future__ import annotations

import json
import os
import sys

import click


@click.group()
def outputs() -> None:
    """Outputs: files, brokers and webhooks that events go to."""


@outputs.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def check(as_json: bool) -> None:
    """Try every output that is set, one line each; exit 1 if one of them cannot be used. No server is needed."""
    from ..config import Settings
    from ..doctor.outputs import verdicts
    from ..logs import set_up
    from ..outputs import OUTPUTS
    from ..outputs.settings import planned
    from ..text import one_line

    settings = Settings.from_env(os.environ)
    plans = planned(os.environ, settings)
    if not plans:
        click.echo(f"No output is set. To set one: {', '.join(row.switch for row in OUTPUTS)}", err=True)
        return
    set_up("warning", "console")  # what an output warns of while it is made
    found = verdicts(plans, settings)
    for verdict in found:
        mark = "✓" if verdict.well else "✗"
        click.echo(json.dumps(verdict._asdict()) if as_json else f"{mark} {verdict.output}: {one_line(verdict.says)}")
    if not all(verdict.well for verdict in found):
        sys.exit(1)
