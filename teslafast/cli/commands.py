"""
The commands. Each imports what it needs when it runs, so that `teslafast health` does not load the server.

Whatever the operator can mend is one line on stderr and exit status 2; never a traceback.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import __version__
from .certs import certs
from .deploy_fly import deploy_fly
from .doctor import doctor
from .env_file import load_env_file
from .journal import journal
from .login import login, logout
from .options import Duration
from .outputs import outputs
from .settings import settings
from .settings_help import ServeCommand
from .setup import setup
from .terminal import obeys_escapes
from .tesla_config import TeslaConfigGroup, current
from .token import token
from .vehicle import vehicle

if TYPE_CHECKING:
    from ..config import Settings

MOST_NODES = 256  # processes of one machine: a slip of the finger should not start thousands
# A copy of the simulator's kinds, which a test compares: to import them would make every command load the protocol's codec.
CHAOS_HELP = "Faults to add, separated by commas: reordering, duplicates, resend, malformed, overlap, drops, skew; or `all`."


@click.group(cls=TeslaConfigGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="teslafast")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=load_env_file,
    help="Read settings from this file of NAME=VALUE lines. A variable that is set already wins.",
)
def teslafast() -> None:
    """Receive Tesla vehicles' telemetry over mutual TLS, and stream it to any number of dashboards."""


@teslafast.command(cls=ServeCommand)
@click.option("--host", help="Address to listen on (HOST).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (PORT).")
@click.option(
    "--nodes",
    type=click.IntRange(1, MOST_NODES),
    help="Run so many processes as one server, for all cores of this machine; wants teslafast[cluster].",
)
@click.option("--as-node", "lifeline", type=int, hidden=True, help="What --nodes starts its processes with.")
def serve(host: str | None, port: int | None, nodes: int | None, lifeline: int | None) -> None:
    """
    Run the server, configured by the environment.

    The settings are listed below; `teslafast settings` shows those in force. SIGTERM and Ctrl-C drain it for up to DRAIN_SECONDS:
    start a container with `docker run --stop-timeout 30`. If you change the port with --port, name it to `teslafast health`, too.
    """
    from .. import served_at
    from ..config import Settings
    from ..logs import fields, log, log_what_nobody_caught, set_up
    from ..outputs.settings import planned

    if lifeline is not None:
        from .nodes import run_node

        run_node(lifeline, os.environ)
        return
    of_nodes = ("STATE_PATH",) if nodes is not None else ()  # wants CLUSTER_URL, which the nodes will have
    variables = {name: value for name, value in os.environ.items() if name not in of_nodes}
    settings = Settings.from_env(variables, host=host, port=port)
    plans = planned(os.environ, settings)
    set_up(settings.log_level, settings.log_format)
    log_what_nobody_caught()
    _log_what_is_set(settings)
    told: list[Path | None] = []

    def tell_health(ports: list[int]) -> None:
        if host is not None or port is not None or settings.port == 0:  # else the environment says it
            told.append(served_at.remember(os.environ, settings.host, ports[0]))
            if told == [None]:
                log.warning("health_cannot_know", extra=fields(meaning=f"give the URL to `teslafast health`: port {ports[0]}"))

    try:
        if nodes is not None:
            from .nodes import run_nodes

            run_nodes(settings, nodes, os.environ, tell_health)
        else:
            import uvloop

            from ..server import running
            from .upkeep import upkeep_of

            uvloop.run(running.serve(settings, plans, tell_health, upkeep_of(settings, os.environ)))
    finally:
        served_at.forget(told[0] if told else None)


def _log_what_is_set(settings: Settings) -> None:
    """What the operator may not have meant, or does not know."""
    from ..logs import fields, log
    from .hints import hints, rows_in_use

    if settings.jwt_secret and not os.environ.get("JWT_SECRET"):
        log.warning(
            "secret_made",
            extra=fields(meaning="JWT_SECRET is not set: this run uses a random one, and you cannot mint tokens for it"),
        )
    tesla = current()
    for note in tesla.notes if tesla is not None else ():
        log.info("fleet_telemetry_config", extra=fields(meaning=note))
    for hint in hints(os.environ, settings, rows_in_use(os.environ)):
        log.warning("setting_doubtful", extra=fields(cause=hint.variable, meaning=f"{hint.variable}: {hint.meaning}"))


@teslafast.command()
@click.argument("url", required=False)
def health(url: str | None) -> None:
    """
    Check that a server is healthy: exit 0 if it is.

    For container health checks. Default of URL: the server of this environment, on this machine, also if it was started with
    --port or --host.
    """
    from .. import served_at
    from ..config import Settings
    from ..doctor.health import check_health, local_url
    from ..errors import Unhealthy

    if url is None:
        host, port = served_at.recall(os.environ) or (None, None)
        settings = Settings.from_env(os.environ, host=host, port=port)
        if settings.port == 0:  # nobody knows which port it would be
            raise Unhealthy("no server with these settings runs here, and PORT is 0", "start it, or give its URL")
        url = local_url(settings)
    click.echo(check_health(url))


@teslafast.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port of the page and /stream. Default: 3000, or a free one if that is taken."
)
@click.option("--vehicles", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many vehicles.")
@click.option("--seconds", type=Duration(), help="End after this time, for example 30s. Default: run until Ctrl-C.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in your browser.")
def demo(port: int | None, vehicles: int, seconds: float | None, open_page: bool) -> None:
    """
    Try it out: a server and simulated vehicles.

    Everything runs on this machine. The live stream is shown in the terminal.
    """
    from .demo import run

    run(port, vehicles, seconds, open_page=open_page)


@teslafast.command()
@click.argument("url")
@click.option("--token", envvar="TESLAFAST_TOKEN", help="A dashboard's token. Default: TESLAFAST_TOKEN, else the token in URL.")
@click.option("--vin", "vins", multiple=True, help="Only this vehicle; repeat for more.")
@click.option("--since", type=click.IntRange(min=0), metavar="SEQ", help="Show all events after this one first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line; the default if stdout is not a terminal.")
@click.option("--metric/--imperial", default=None, help="km/h or mph. Default: as your locale has it.")
@click.option("--ca", type=click.Path(path_type=Path), help="Also trust this CA, for example certs/ca.pem.")
def watch(
    url: str, token: str | None, vins: tuple[str, ...], since: int | None, as_json: bool, metric: bool | None, ca: Path | None
) -> None:
    """
    Show the live stream of the server at URL.

    URL may be the page's link. On a terminal the arrows, PgUp, PgDn, Home and End scroll, u changes the units, q ends it;
    NO_COLOR turns colours off.
    """
    from ..watch.client import run

    run(url, token=token, vins=vins, since=since, as_json=as_json, metric=metric, ca_file=ca)


@teslafast.command()
@click.argument("url")
@click.option("--vehicles", type=click.IntRange(1, 100_000), default=1, show_default=True, help="How many vehicles.")
@click.option(
    "--interval",
    type=Duration(),
    default="1s",
    show_default=True,
    help="How often a vehicle looks for changes: it sends what has changed.",
)
@click.option("--duration", type=Duration(), help="How long to run, for example 15m. Default: until Ctrl-C.")
@click.option(
    "--certs", "folder", type=click.Path(path_type=Path), help="A folder made by `certs init`: connect over mutual TLS."
)
@click.option("--chaos", default="", help=CHAOS_HELP)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same drives.")
def simulate(
    url: str, vehicles: int, interval: float, duration: float | None, folder: Path | None, chaos: str, seed: int
) -> None:
    """
    Drive simulated vehicles against a server.

    URL is wss://HOST:PORT/, or ws:// in development.
    """
    from ..simulator import fleet
    from ..simulator.summary import Summary

    def show(so_far: Summary) -> None:
        click.echo(f"\r\033[K{so_far.connected} connected, {so_far.sent} sent, {so_far.acked} acknowledged", nl=False, err=True)

    terminal = obeys_escapes(sys.stderr)
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


teslafast.add_command(certs)
teslafast.add_command(deploy_fly)
teslafast.add_command(doctor)
teslafast.add_command(journal)
teslafast.add_command(login)
teslafast.add_command(logout)
teslafast.add_command(outputs)
teslafast.add_command(settings)
teslafast.add_command(setup)
teslafast.add_command(token)
teslafast.add_command(vehicle)
