"""`teslafast token`: a dashboard's token, alone or in a link to the page that signs a phone in without pasting."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from ..errors import Misconfigured
from .options import Duration
from .terminal import has_colours, shows

if TYPE_CHECKING:
    from ..config import Settings

BARE_TTL_S = 3600.0
LINK_TTL_S = 30 * 86_400.0  # a page on a phone's home screen is signed in again once a month
FROM_HERE = ""  # `--link` without an address
_ELSEWHERE = ("192.0.2.1", 9)  # for documentation (RFC 5737): nothing is sent there


@click.command()
@click.option("--sub", help="Who gets the token: a name for the log. Default with --link: link.")
@click.option("--vin", "vins", multiple=True, help="A vehicle that it may see; repeat for more. Default: all vehicles.")
@click.option("--ttl", type=Duration(), help="How long it is valid, for example 15m, 12h or 30d. Default: 1h; with --link 30d.")
@click.option(
    "--link",
    metavar="[URL]",
    is_flag=False,
    flag_value=FROM_HERE,
    help="Print a link to the page at URL that signs its reader in, and its QR code. Default of URL: this server's address.",
)
@click.option("--no-qr", is_flag=True, help="Print the link alone.")
def token(sub: str | None, vins: tuple[str, ...], ttl: float | None, link: str | None, no_qr: bool) -> None:
    """
    Mint a dashboard token with JWT_SECRET.

    With --link: for a phone. Whoever has the link sees what the token shows, until it expires.
    """
    from ..config import Settings

    _require_secret()  # before the settings are read: a new secret, which they would ask for, signs nothing that a server takes
    settings = Settings.from_env(os.environ)
    if sub is None and link is None:
        raise click.UsageError("Missing option '--sub'.")
    given_s = ttl if ttl is not None else BARE_TTL_S if link is None else LINK_TTL_S
    address, note = ("", "") if link is None else page_address(link, settings, os.environ)
    minted = _minted(settings, sub or "link", vins, given_s)
    if link is None:
        click.echo(minted)
        return
    for line in _shown(f"{address}#token={minted}", no_qr):
        click.echo(line, color=True)
    if note:
        click.echo(f"note: {note}", err=True)


def _minted(settings: Settings, sub: str, vins: tuple[str, ...], ttl: float) -> str:
    """Raises Misconfigured."""
    import time

    from ..dashboards import tokens
    from ..vin import is_vin, mended_vin

    if not settings.needs_secret:
        raise Misconfigured("JWT_ALGORITHMS", "names public-key algorithms", "mint tokens with your private key, elsewhere")
    named = [mended_vin(vin) for vin in vins]
    for vin in named:
        if not is_vin(vin):
            raise Misconfigured("--vin", f"{vin!r} is not a VIN", "give the vehicle's 17 characters")
    now = time.time()
    longest_days = int((tokens.LATEST_S - now) // 86400)
    if not 1 <= ttl <= longest_days * 86400:
        raise Misconfigured("--ttl", "no server would accept such a token", f"give 1s to {longest_days}d, for example 1h")
    minted = tokens.mint(settings, sub, named, ttl, now)
    if len(minted) > tokens.LONGEST_TOKEN:
        fault = f"are so many that the token has {len(minted)} bytes, and {tokens.LONGEST_TOKEN} is the limit"
        raise Misconfigured("--vin", fault, "name fewer vehicles, or none for all")
    return minted


def _require_secret() -> None:
    """Raises Misconfigured."""
    if os.environ.get("JWT_SECRET"):
        return
    from ..onboarding.state_folder import StateFolder

    remedy = "set it to the server's secret: a server refuses tokens signed with another"
    folder = StateFolder.locate(os.environ)
    if (made := folder.path / "serve.env").exists():
        remedy = f"take the server's settings: teslafast --env-file {made} token …"
    raise Misconfigured("JWT_SECRET", "is not set", remedy)


def _shown(link: str, no_qr: bool) -> Iterator[str]:
    from .. import qr_code

    yield link
    if not no_qr and shows(sys.stdout, qr_code.BLOCKS):
        try:
            yield from qr_code.lines(link, coloured=has_colours(sys.stdout))
        except ValueError as error:
            click.echo(f"note: no QR code, {error}: name fewer VINs", err=True)


# ---- where the page is


def page_address(given: str, settings: Settings, environment: Mapping[str, str]) -> tuple[str, str]:
    """
    The page's address, which ends with `/`, and what its reader should know of it: the one given, else where the set-up has put
    the server, else Fly's app, else this machine. Raises Misconfigured.
    """
    if given:
        return _ended(given, "--link"), ""
    if environment.get("TESLAFAST_STATE", "").strip():
        from ..onboarding.setup_notes import ON_THIS_MACHINE, load_notes
        from ..onboarding.state_folder import StateFolder

        notes = load_notes(StateFolder.locate(environment))
        if notes.where == ON_THIS_MACHINE:
            return _on_this_machine(settings, notes.domain)
        if known := notes.url or notes.domain:
            return _ended(known, "TESLAFAST_STATE"), ""
    if app := environment.get("FLY_APP_NAME", "").strip():  # on one of Fly's machines
        return _ended(f"{app}.fly.dev", "FLY_APP_NAME"), ""
    return _on_this_machine(settings)


def _ended(text: str, subject: str) -> str:
    from ..urls import parse_url

    parts = parse_url(text, ("http", "https"), default="https", example="https://telemetry.example.com", subject=subject)
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    return parts._replace(path=path, query="", fragment="").geturl()


def _on_this_machine(settings: Settings, domain: str = "") -> tuple[str, str]:
    from ..urls import is_this_machine, origin

    secure = settings.tls and settings.dashboard_tls
    host = settings.host if settings.host not in ("", "0.0.0.0", "::") else _own_address()  # noqa: S104 — compared, not bound
    reach = "this machine alone" if is_this_machine(host) else "this machine's network alone"
    note = f"{host} is reached from {reach}; for a phone elsewhere give the page's public address: --link https://{domain or '…'}"
    return f"{origin('https' if secure else 'http', host, settings.port)}{settings.base_path}/", note


def _own_address() -> str:
    """The address that this machine's other connections have, which others of its network reach it at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)  # a datagram socket: only the route is looked up
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
