"""
The commands. Each imports what it needs when it runs, so that `teslafast health` does not pay for the server.

What the operator can mend is one line on stderr and exit 2; never a traceback.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from .. import __version__
from ..errors import Misconfigured
from .doctor import diagnose
from .options import Duration
from .outputs import outputs
from .vehicle import vehicle


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="teslafast")
def teslafast() -> None:
    """Tesla vehicles' telemetry in over mutual TLS, and out to any number of dashboards."""


@teslafast.command()
@click.option("--host", help="Address to listen on (HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (PORT).")
def serve(host: str | None, port: int | None) -> None:
    """Run the server, configured by the environment."""
    import uvloop

    from ..config import Settings
    from ..logs import fields, log, set_up
    from ..outputs.settings import planned
    from ..server import server

    settings = Settings.from_env(os.environ, host=host, port=port)
    plans = planned(os.environ, settings)
    set_up(settings.log_level, settings.log_format)
    if settings.jwt_secret and not os.environ.get("JWT_SECRET"):
        log.warning(
            "secret_made", extra=fields(meaning="JWT_SECRET is not set: a random one holds until the end; no token can be minted")
        )
    uvloop.run(server.serve(settings, plans))


@teslafast.command()
@click.option("--sub", required=True, help="Who the token is for.")
@click.option("--vin", "vins", multiple=True, help="A vehicle that it may see; repeat for more. None = all.")
@click.option("--ttl", type=Duration(), default="1h", show_default=True, help="How long it is valid.")
def token(sub: str, vins: tuple[str, ...], ttl: float) -> None:
    """Mint a dashboard token with JWT_SECRET."""
    import time

    from ..config import Settings
    from ..dashboards import tokens
    from ..vin import is_vin

    settings = Settings.from_env(os.environ)
    if not os.environ.get("JWT_SECRET"):
        raise Misconfigured("JWT_SECRET", "is not set", "set it to the server's secret: a token signed with another is refused")
    if not settings.needs_secret:
        raise Misconfigured("JWT_ALGORITHMS", "names public-key algorithms", "mint tokens where the private key is")
    for vin in vins:
        if not is_vin(vin):
            raise Misconfigured("--vin", f"{vin!r} is no VIN", "give the vehicle's 17 characters")
    now = time.time()
    longest_days = int((tokens.LATEST_S - now) // 86400)
    if not 1 <= ttl <= longest_days * 86400:
        raise Misconfigured("--ttl", "no server would take such a token", f"give 1s to {longest_days}d, for example 1h")
    click.echo(tokens.mint(settings, sub, vins, ttl, now))


@teslafast.command()
@click.argument("url", required=False)
def health(url: str | None) -> None:
    """Exit 0 if /health at URL says ok (for container health checks). Default: the server of this environment."""
    from ..config import Settings
    from ..doctor import health

    click.echo(health.health(url or health.here(Settings.from_env(os.environ))))


@teslafast.group()
def certs() -> None:
    """Certificates: Tesla's CAs for vehicles."""


@certs.command("tesla-ca")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--from", "source", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A bundle already fetched.")
@click.option("--accept", multiple=True, metavar="SHA256", help="A certificate to take although this version does not know it.")
@click.option("--replace", is_flag=True, help="Take the place of a FILE that is there.")
def certs_tesla_ca(file: Path, source: Path | None, accept: tuple[str, ...], replace: bool) -> None:
    """Fetch Tesla's bundle of vehicle CAs, check it against known fingerprints, and write it to FILE for CA_PATH."""
    import datetime

    from ..certificates import tesla_ca

    bundle = tesla_ca.checked(source.read_bytes() if source else tesla_ca.fetched(), accept)
    tesla_ca.write(bundle, file, replace)
    click.echo(f"{file}: {len(bundle.certificates)} of Tesla's CAs for vehicles. Now set CA_PATH={file}")
    for name in bundle.expired(datetime.datetime.now(datetime.UTC)):
        click.echo(f"note: {name} has expired; vehicles with a certificate of its are refused", err=True)
    for name in bundle.missing:
        click.echo(f"note: {name} is not in the bundle any more", err=True)


@teslafast.command("demo")
@click.option("--port", type=click.IntRange(0, 65535), help="Where the page and /stream are. Default: 3000, or a free one.")
@click.option("--vehicles", type=click.IntRange(1, 1000), default=1, show_default=True)
@click.option("--seconds", type=Duration(), help="End by itself after so long. Default: on Ctrl-C.")
def demonstrate(port: int | None, vehicles: int, seconds: float | None) -> None:
    """Run a server and simulated vehicles on this machine, and show the live stream."""
    from . import demo

    demo.run(port, vehicles, seconds)


@teslafast.command("watch")
@click.argument("url")
@click.option("--token", envvar="TESLAFAST_TOKEN", help="A dashboard token (or TESLAFAST_TOKEN). Default: the one in URL.")
@click.option("--vin", "vins", multiple=True, help="Only this vehicle; repeat for more.")
@click.option("--since", type=click.IntRange(min=0), metavar="SEQ", help="Everything after this event first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON event a line (also when stdout is no terminal).")
@click.option("--ca", type=click.Path(path_type=Path), help="Trust this CA too, for example certs/ca.pem.")
def look(url: str, token: str | None, vins: tuple[str, ...], since: int | None, as_json: bool, ca: Path | None) -> None:
    """Show the live stream of the server at URL."""
    from ..watch import client

    client.run(url, token=token, vins=vins, since=since, as_json=as_json, ca_file=ca)


@teslafast.command()
@click.argument("url")
@click.option("--vehicles", type=click.IntRange(1, 100_000), default=1, show_default=True)
@click.option("--interval", type=Duration(), default="1s", show_default=True, help="Between a vehicle's messages.")
@click.option("--duration", type=Duration(), help="How long. Default: until Ctrl-C.")
@click.option("--certs", "folder", type=click.Path(path_type=Path), help="A folder made by `certs init`: drive over mutual TLS.")
@click.option("--chaos", default="", help="Misbehave: a comma list, or `all`.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed drives the same way.")
def simulate(
    url: str, vehicles: int, interval: float, duration: float | None, folder: Path | None, chaos: str, seed: int
) -> None:
    """Drive simulated vehicles against the server at URL (wss://HOST:PORT/, or ws:// in development)."""
    from ..simulator import fleet
    from ..simulator.summary import Summary

    def show(so_far: Summary) -> None:
        click.echo(f"\r\033[K{so_far.connected} connected, {so_far.sent} sent, {so_far.acked} acknowledged", nl=False, err=True)

    terminal = sys.stderr.isatty()
    summary = fleet.run(
        url,
        vehicles=vehicles,
        interval_s=interval,
        duration_s=duration,
        certs_dir=folder,
        chaos=chaos,
        seed=seed,
        on_progress=show if terminal else None,
    )
    if terminal:
        click.echo(err=True)
    click.echo("\n".join(summary.lines()))
    if not summary.ok:
        sys.exit(1)


@certs.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--hostname", required=True, help="What vehicles call this server: a DNS name, or an address.")
@click.option("--vehicle", "vins", multiple=True, metavar="VIN", help="A test vehicle; repeat for more. Default: three.")
def certs_init(folder: Path, hostname: str, vins: tuple[str, ...]) -> None:
    """Make our own CA, a server certificate, and test vehicles in DIR; nothing there is overwritten."""
    from ..certificates import folder as files

    made = files.init(folder, hostname, vins or 3)
    for path in made.written:
        click.echo(f"made {path}", err=True)
    click.echo("\n".join(made.environment))


teslafast.add_command(diagnose)
teslafast.add_command(outputs)
teslafast.add_command(vehicle)
