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
    import asyncio

    from ..config import Settings
    from ..outputs import OUTPUTS
    from ..outputs.check import check
    from ..outputs.settings import planned
    from ..text import one_line

    plans = planned(os.environ, Settings.from_env(os.environ))
    if not plans:
        click.echo(f"No output is set. To set one: {', '.join(row.switch for row in OUTPUTS)}", err=True)
        return
    verdicts = asyncio.run(check(plans))
    for verdict in verdicts:
        mark = "✓" if verdict.well else "✗"
        click.echo(json.dumps(verdict._asdict()) if as_json else f"{mark} {verdict.output}: {one_line(verdict.says)}")
    if not all(verdict.well for verdict in verdicts):
        sys.exit(1)
