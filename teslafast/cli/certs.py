"""The commands of `teslafast certs`: only their options. The room `certificates` does the work."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def certs() -> None:
    """Make and renew certificates, or fetch Tesla's CAs."""


@certs.command("tesla-ca")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Read the bundle from this file instead of fetching it.",
)
@click.option(
    "--accept",
    multiple=True,
    metavar="SHA256",
    help="Accept this certificate, although this version does not know it; repeat for more.",
)
@click.option("--replace", is_flag=True, help="Replace FILE if it exists.")
def certs_tesla_ca(file: Path, source: Path | None, accept: tuple[str, ...], replace: bool) -> None:
    """
    Fetch Tesla's CAs for vehicles into FILE, for CA_PATH.

    Every certificate is checked against the fingerprints that this version knows.
    """
    import datetime

    from ..certificates import tesla_ca

    bundle = tesla_ca.check(source.read_bytes() if source else tesla_ca.fetch(), accept)
    tesla_ca.write(bundle, file, replace)
    click.echo(f"{file}: {len(bundle.certificates)} of Tesla's CAs for vehicles. Now set CA_PATH={file}")
    for name in bundle.expired(datetime.datetime.now(datetime.UTC)):
        click.echo(f"note: {name} has expired: vehicles whose certificate it issued are refused", err=True)
    for name in bundle.missing:
        click.echo(f"note: {name} is missing from the bundle: vehicles whose certificate it issued are refused", err=True)


@certs.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--hostname", required=True, help="The DNS name or address to which vehicles connect.")
@click.option("--vehicle", "vins", multiple=True, metavar="VIN", help="A test vehicle; repeat for more. Default: three.")
def certs_init(folder: Path, hostname: str, vins: tuple[str, ...]) -> None:
    """
    Make a CA, the server's certificate and test vehicles in DIR.

    Files that exist are never overwritten. Prints the settings with which `serve` uses the certificates.
    """
    from ..certificates.folder import init

    made = init(folder, hostname, vins or 3)
    for path in made.written:
        click.echo(f"made {path}", err=True)
    click.echo("\n".join(made.environment))


@certs.command("renew")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
def certs_renew(folder: Path) -> None:
    """
    Renew the server's certificate in DIR under the same CA.

    Vehicles keep their config. A running server takes the new certificate within half a minute, also in a container that mounts
    DIR. Restart a container that mounts the two files by themselves.
    """
    from ..certificates import chain
    from ..certificates.renewal import renew

    made = renew(folder)
    names = ", ".join(chain.names(made.leaf))
    click.echo(
        f"{made.certificate}: renewed for {names} until {made.leaf.not_valid_after_utc:%Y-%m-%d} "
        f"(it would have ended {made.before:%Y-%m-%d}). A running server takes it within half a minute."
    )
