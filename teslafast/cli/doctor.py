"""The command `teslafast doctor`: its options, and a line for each finding."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from .login import state_option


@click.command()
@click.argument("url", required=False)
@click.option("--dashboards", metavar="URL", help="Where dashboards connect, if not to URL.")
@click.option("--address", help="The address of the host in URL, instead of asking DNS.")
@click.option("--ca", type=click.Path(path_type=Path), help="The `ca` of the vehicles' config. Default: the CAs in CERT_PATH.")
@click.option(
    "--certs",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Let a test vehicle of this folder, made by `certs init`, connect.",
)
@click.option(
    "--token", default="", help="A dashboard's token; - reads it from stdin. Default: a new one, minted with JWT_SECRET."
)
@click.option("--vin", "vins", multiple=True, help="A vehicle to ask Tesla about; repeat for more. Default: TESLA_VIN.")
@state_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def doctor(
    url: str | None,
    dashboards: str | None,
    address: str | None,
    ca: Path | None,
    folder: Path | None,
    token: str,
    vins: tuple[str, ...],
    state: Path | None,
    as_json: bool,
) -> None:
    """
    Find out why vehicles or dashboards cannot connect.

    URL (https://HOST:PORT) is where vehicles connect. Without it, only settings, files and the Tesla account are checked.
    """
    import datetime
    import json

    from ..doctor.finding import State, summary
    from ..doctor.options import DoctorOptions
    from ..doctor.report import examine

    given = sys.stdin.readline().strip() if token == "-" else token  # noqa: S105 — a dash
    options = DoctorOptions(
        environment=os.environ,
        now=datetime.datetime.now(datetime.UTC),
        url=url,
        dashboards=dashboards,
        address=address,
        ca=ca,
        certs=folder,
        token=given,
        state=state,
        vins=vins,
    )
    found = []
    for finding in examine(options):
        found.append(finding)
        click.echo(json.dumps(finding.row) if as_json else finding.line)
    if not as_json:
        click.echo(summary(found))
    if any(finding.state is State.WRONG for finding in found):
        sys.exit(1)
