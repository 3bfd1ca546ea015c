"""
The commands of `teslafast vehicle`: only their options. `onboarding.vehicle_commands` does the work.

The exit status is 0 if every vehicle is as it should be, 1 if one is not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Misconfigured
from .login import folder_of, state_option
from .options import PRESET_NAMES, Duration
from .terminal import obeys_escapes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from ..onboarding.state_folder import StateFolder
    from ..onboarding.vehicle_commands import Clock, Terminal


@click.group()
def vehicle() -> None:
    """
    Configure vehicles through Tesla's Fleet API.

    The owner's token comes from the set-up's folder (teslafast login) and is refreshed when it is due; TESLA_ACCESS_TOKEN wins.
    """


_vins = click.option("--vin", "vins", multiple=True, help="A vehicle; repeat for more. Default: TESLA_VIN.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
_pem = click.Path(path_type=Path, dir_okay=False)


@vehicle.command("configure")
@_vins
@click.option("--hostname", help="The host to which vehicles connect. Default: the only name in CERT_PATH.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True, help="The port to which vehicles connect.")
@click.option("--ca", type=_pem, help="PEM that verifies the server, root included. Default: the CAs in CERT_PATH.")
@click.option(
    "--preset", type=click.Choice(PRESET_NAMES), default="driving", show_default=True, help="Which fields, and how often."
)
@click.option(
    "--field", "fields", multiple=True, metavar="NAME=SECONDS", help="Add a field, or change its interval; repeat for more."
)
@click.option(
    "--new-field",
    "new_fields",
    multiple=True,
    metavar="NAME=SECONDS",
    help="Add a field that this version does not know; Tesla answers for its name. Repeat for more.",
)
@click.option(
    "--include",
    "included",
    multiple=True,
    metavar="NAME=OTHER[,OTHER]",
    help="Send other fields along whenever NAME is sent (vehicles from 2026.26.6 on); repeat for more.",
)
@click.option("--expires", type=Duration(), default="360d", show_default=True, help="How long the config is valid, 1h to 360d.")
@click.option("--key", type=_pem, help="Your app's private key (P-256), which signs the config. Default: the set-up's.")
@click.option("--via-proxy", is_flag=True, help="Send the config unsigned: TESLA_API_BASE_URL is a proxy that signs it.")
@click.option(
    "--wait", "patience", type=Duration(), default="10m", show_default=True, help="How long to wait for vehicles to take it."
)
@click.option("--dry-run", is_flag=True, help="Print the config and send nothing.")
@state_option
def vehicle_configure(
    vins: tuple[str, ...],
    hostname: str | None,
    port: int,
    ca: Path | None,
    preset: str,
    fields: tuple[str, ...],
    new_fields: tuple[str, ...],
    included: tuple[str, ...],
    expires: float,
    key: Path | None,
    via_proxy: bool,
    patience: float,
    dry_run: bool,
    state: Path | None,
) -> None:
    """Send vehicles a config, and wait until they have it."""
    import time

    from ..onboarding import resolve, vehicle_commands, vehicle_config

    vehicle_config.check_expiry(expires)
    wanted = _wanted(preset, fields, new_fields)
    host, ca_pem = _reached(hostname), resolve.resolve_ca(ca, os.environ)
    along, new = vehicle_config.parse_included(included), vehicle_config.parse_fields(new_fields)
    config = vehicle_config.build(host, port, ca_pem, wanted, int(time.time() + expires), new=new, included=along)
    _note_unknown(config)
    click.echo(f"{preset}: {vehicle_commands.cost(wanted)}", err=True)
    if dry_run:
        click.echo(vehicle_config.to_json(config))
        return
    folder = folder_of(state)
    _check_domain(host, folder)
    _send(config, _signing_key(key, via_proxy, folder), resolve.resolve_vins(vins, os.environ), folder, patience)


def _wanted(preset: str, fields: tuple[str, ...], new_fields: tuple[str, ...]) -> dict[str, float]:
    from ..onboarding.presets import PRESETS
    from ..onboarding.vehicle_config import parse_fields

    return {**PRESETS[preset], **parse_fields(fields), **parse_fields(new_fields)}


def _send(
    config: Mapping[str, Any], key: EllipticCurvePrivateKey | None, vins: list[str], folder: StateFolder, patience: float
) -> None:
    """Sends the config and waits; ends with exit 1 if a vehicle has not taken it."""
    from ..onboarding import vehicle_commands
    from ..onboarding.accounts import owner_api
    from ..onboarding.app_key import compare_before_push

    api, terminal = owner_api(os.environ, folder), _terminal()
    if key is not None:
        compare_before_push(os.environ, folder, key, api, lambda words: click.echo(f"note: {words}", err=True))
    left = vehicle_commands.configure(api, vins, config, key, terminal)
    taken = not patience or vehicle_commands.wait(api, left, patience, _clock(), terminal)
    _end(taken and len(left) == len(vins))


def _signing_key(given: Path | None, via_proxy: bool, folder: StateFolder) -> EllipticCurvePrivateKey | None:
    """The app's key: the one that is given, else the set-up's; None for a proxy that signs. Raises Misconfigured."""
    from ..onboarding import resolve
    from ..onboarding.state_folder import KEY_FILE

    own = folder.path / KEY_FILE
    path = given or (own if own.exists() and not via_proxy else None)
    if (path is None) == (not via_proxy):
        remedy = "give your app's key, --key private-key.pem; or --via-proxy, with TESLA_API_BASE_URL at a proxy that signs"
        raise Misconfigured("--key", "and --via-proxy exclude each other" if via_proxy else "is not given", remedy)
    return resolve.resolve_key(path) if path else None


def _reached(given: str | None) -> str:
    """The host name of the config, for which the server's certificate is valid where that is known. Raises Misconfigured."""
    from ..onboarding import resolve

    host = resolve.resolve_hostname(given, os.environ)
    resolve.check_certificate(host, os.environ)
    return host


def _check_domain(host: str, folder: StateFolder) -> None:
    """Raises Misconfigured if the app's domain is known, and the host is not under its root."""
    from ..onboarding.accounts import domain_of
    from ..onboarding.vehicle_host import check_root

    if domain := domain_of(os.environ, folder):
        check_root(host, domain)


def _note_unknown(config: Mapping[str, Any]) -> None:
    from ..onboarding import vehicle_config

    for name in vehicle_config.not_known_here(config):
        click.echo(f"note: {name} is not a field that this version knows: Tesla decides whether it is one", err=True)


@vehicle.command("show")
@click.option("--vin", "vins", multiple=True, help="A vehicle; repeat for more. Default: TESLA_VIN, else the set-up's.")
@_json
@state_option
def vehicle_show(vins: tuple[str, ...], as_json: bool, state: Path | None) -> None:
    """Show each vehicle's config and whether it has taken it."""
    from ..onboarding import resolve, vehicle_commands
    from ..onboarding.accounts import owner_api
    from ..onboarding.setup_notes import load_notes

    folder = folder_of(state)
    chosen = () if vins or os.environ.get("TESLA_VIN", "").strip(" ,") else load_notes(folder).vins
    named = resolve.resolve_vins(vins or chosen, os.environ)
    _end(vehicle_commands.show(owner_api(os.environ, folder), named, as_json, _clock(), _terminal()))


@vehicle.command("remove")
@click.option("--vin", "vins", multiple=True, required=True, help="A vehicle; repeat for more.")
@state_option
def vehicle_remove(vins: tuple[str, ...], state: Path | None) -> None:
    """Delete vehicles' configs, so that they stop streaming."""
    from ..onboarding import resolve, vehicle_commands
    from ..onboarding.accounts import owner_api

    _end(vehicle_commands.remove(owner_api(os.environ, folder_of(state)), resolve.resolve_vins(vins, {}), _terminal()))


@vehicle.command("errors")
@click.option("--vin", "vins", multiple=True, help="Only this vehicle's; repeat for more.")
@_json
@state_option
def vehicle_errors(vins: tuple[str, ...], as_json: bool, state: Path | None) -> None:
    """List the errors that vehicles reported to Tesla.

    Wants the app's own token: it is made from TESLA_CLIENT_ID and TESLA_CLIENT_SECRET, or from those of the set-up.
    TESLA_ACCESS_TOKEN wins, and must then be a partner token.
    """
    from ..onboarding import vehicle_commands
    from ..onboarding.accounts import errors_api

    _end(vehicle_commands.errors(errors_api(os.environ, folder_of(state)), vins, as_json, _terminal()))


def _terminal() -> Terminal:
    """Lines go to stdout; on a terminal, the status line is rewritten on stderr."""
    from ..onboarding.vehicle_commands import Terminal

    if not obeys_escapes(sys.stderr):
        return Terminal(click.echo, lambda line: None)
    clear = "\r\x1b[K"

    def print_line(line: str) -> None:
        click.echo(clear, nl=False, err=True)
        click.echo(line)

    return Terminal(print_line, lambda line: click.echo(f"{clear}{line}", nl=False, err=True))


def _clock() -> Clock:
    import time

    from ..onboarding.vehicle_commands import Clock

    return Clock(time.monotonic, time.sleep, time.time)


def _end(well: bool) -> None:
    if not well:
        sys.exit(1)
