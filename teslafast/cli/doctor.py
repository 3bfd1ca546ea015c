"""The command `teslafast doctor`: its words, and a line for each of its findings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command("doctor")
@click.argument("url", required=False)
@click.option("--dashboards", metavar="URL", help="Where dashboards connect, if not at URL.")
@click.option("--address", help="An address to use for URL's host instead of asking DNS.")
@click.option(
    "--ca", type=click.Path(path_type=Path), help="The `ca` of the vehicles' config. Default: above the leaf in CERT_PATH."
)
@click.option(
    "--certs", "folder", type=click.Path(path_type=Path, file_okay=False), help="Let a test vehicle of this folder try."
)
@click.option("--token", default="", help="A dashboard's token; - reads it from stdin. Default: minted with JWT_SECRET.")
@click.option("--vin", "vins", multiple=True, help="A vehicle to ask Tesla about. Default: TESLA_VIN.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def diagnose(
    url: str | None,
    dashboards: str | None,
    address: str | None,
    ca: Path | None,
    folder: Path | None,
    token: str,
    vins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say in plain words what would stop a vehicle or a dashboard from connecting to URL (https://HOST:PORT)."""
    import datetime
    import json

    from .. import doctor

    given = sys.stdin.readline().strip() if token == "-" else token  # noqa: S105 — a dash
    case = doctor.Case(
        environment=os.environ,
        now=datetime.datetime.now(datetime.UTC),
        url=url,
        dashboards=dashboards,
        address=address,
        ca=ca,
        certs=folder,
        token=given,
        vins=vins,
    )
    found = []
    for finding in doctor.examine(case):
        found.append(finding)
        click.echo(json.dumps(finding.row) if as_json else finding.line)
    if any(finding.state is doctor.State.WRONG for finding in found):
        sys.exit(1)
