"""
The commands of `teslafast vehicle`: their words, and nothing else. What they do stands in `vehicle_commands`.

They end with 0 if every vehicle is as it should be, with 1 if one is not.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import Misconfigured
from .options import Duration

if TYPE_CHECKING:
    from ..onboarding.vehicle_commands import Clock, Voice


@click.group()
def vehicle() -> None:
    """Tell vehicles where to stream, through Tesla's Fleet API (TESLA_ACCESS_TOKEN)."""


_vins = click.option("--vin", "vins", multiple=True, help="A vehicle; repeat for more. Default: TESLA_VIN.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_pem = click.Path(path_type=Path, dir_okay=False)


@vehicle.command("configure")
@_vins
@click.option("--hostname", help="Where vehicles are to call. Default: the only name in CERT_PATH.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True, help="And at which port.")
@click.option(
    "--ca", type=_pem, help="PEM that verifies the server, root included. Default: what is above the leaf in CERT_PATH."
)
@click.option(
    "--preset", type=click.Choice(["minimal", "driving", "charging", "everything"]), default="driving", show_default=True
)
@click.option("--field", "fields", multiple=True, metavar="NAME=SECONDS", help="One more field, or another interval for it.")
@click.option("--expires", type=Duration(), default="365d", show_default=True, help="How long the config is valid.")
@click.option("--key", type=_pem, help="Your app's private key (P-256), which signs the config.")
@click.option("--via-proxy", is_flag=True, help="Send it unsigned: TESLA_API_BASE_URL is a proxy that signs.")
@click.option(
    "--wait", "patience", type=Duration(), default="10m", show_default=True, help="How long to look whether it was taken."
)
@click.option("--dry-run", is_flag=True, help="Print the config, and send nothing.")
def vehicle_configure(
    vins: tuple[str, ...],
    hostname: str | None,
    port: int,
    ca: Path | None,
    preset: str,
    fields: tuple[str, ...],
    expires: float,
    key: Path | None,
    via_proxy: bool,
    patience: float,
    dry_run: bool,
) -> None:
    """Send vehicles their telemetry config, and wait until they have taken it."""
    import time

    from ..onboarding import presets, resolve, vehicle_commands, vehicle_config
    from ..onboarding.fleet_api import FleetApi

    wanted = {**presets.PRESETS[preset], **vehicle_config.parse_fields(fields)}
    host, above = resolve.hostname_of(hostname, os.environ), resolve.ca_of(ca, os.environ)
    config = vehicle_config.build(host, port, above, wanted, int(time.time() + expires))
    click.echo(f"{preset}: {vehicle_commands.cost(wanted)}", err=True)
    if dry_run:
        click.echo(vehicle_config.shown(config))
        return
    if (key is None) == (not via_proxy):
        remedy = (
            "give your app's private key, --key private-key.pem; or --via-proxy with TESLA_API_BASE_URL at a proxy that signs"
        )
        raise Misconfigured("--key", "and --via-proxy exclude each other" if via_proxy else "is not given", remedy)
    voice, clock = _voice(), _clock()
    signing = resolve.key_of(key) if key else None
    api, named = FleetApi.from_env(os.environ), resolve.vins_of(vins, os.environ)
    left = vehicle_commands.configure(api, named, config, signing, voice)
    taken = not patience or vehicle_commands.wait(api, left, patience, clock, voice)
    _end(taken and len(left) == len(named))


@vehicle.command("show")
@_vins
@_json
def vehicle_show(vins: tuple[str, ...], as_json: bool) -> None:
    """Show each vehicle's config, and whether the vehicle has taken it."""
    from ..onboarding import resolve, vehicle_commands
    from ..onboarding.fleet_api import FleetApi

    named = resolve.vins_of(vins, os.environ)
    _end(vehicle_commands.show(FleetApi.from_env(os.environ), named, as_json, _clock(), _voice()))


@vehicle.command("remove")
@click.option("--vin", "vins", multiple=True, required=True, help="A vehicle; repeat for more.")
def vehicle_remove(vins: tuple[str, ...]) -> None:
    """Delete vehicles' configs: they stop streaming."""
    from ..onboarding import resolve, vehicle_commands
    from ..onboarding.fleet_api import FleetApi

    _end(vehicle_commands.remove(FleetApi.from_env(os.environ), resolve.vins_of(vins, {}), _voice()))


@vehicle.command("errors")
@click.option("--vin", "vins", multiple=True, help="Only this vehicle's; repeat for more.")
@_json
def vehicle_errors(vins: tuple[str, ...], as_json: bool) -> None:
    """List what vehicles told Tesla about their streaming (wants a partner token)."""
    from ..onboarding import vehicle_commands
    from ..onboarding.fleet_api import FleetApi

    _end(vehicle_commands.errors(FleetApi.from_env(os.environ), vins, as_json, _voice()))


def _voice() -> Voice:
    """Lasting lines to stdout; on a terminal, one that is rewritten on stderr."""
    from ..onboarding.vehicle_commands import Voice

    if not sys.stderr.isatty():
        return Voice(click.echo, lambda line: None)
    clear = "\r\x1b[K"

    def say(line: str) -> None:
        click.echo(clear, nl=False, err=True)
        click.echo(line)

    return Voice(say, lambda line: click.echo(f"{clear}{line}", nl=False, err=True))


def _clock() -> Clock:
    import time

    from ..onboarding.vehicle_commands import Clock

    return Clock(time.monotonic, time.sleep, time.time)


def _end(well: bool) -> None:
    if not well:
        sys.exit(1)
