"""`teslafast deploy-fly`: the middle of deploy.sh, in its words. `setup.fly_deployment` knows what is made, and in what order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click

from ..errors import Misconfigured


class ShownFly:
    """Each run of `fly` that changes something is shown first, and only carried out without `dry`; `fly` speaks for itself."""

    def __init__(self, dry: bool) -> None:
        self._fly = os.environ.get("FLY") or "fly"
        self._dry = dry

    def ask(self, *words: str) -> str | None:
        done = self._run(words, capture=True)
        return done.stdout if done.returncode == 0 else None

    def do(self, *words: str) -> None:
        self._say(f"run: {' '.join((self._fly, *words))}")
        if not self._dry:
            self._end_if_failed(self._run(words))

    def stage(self, name: str, value: Callable[[], str], *words: str) -> None:
        self._say(f"stage the secret {name}")
        if self._dry:
            return
        try:
            line = f"{name}={value()}\n"
        except OSError as error:
            raise Misconfigured(str(error.filename), error.strerror or str(error), "give the folder of `certs init`") from None
        self._end_if_failed(self._run(("secrets", "import", "--stage", *words), stdin=line))

    def _say(self, what: str) -> None:
        click.echo(f"would {what}" if self._dry else what)

    def _run(self, words: tuple[str, ...], stdin: str | None = None, capture: bool = False) -> subprocess.CompletedProcess[str]:
        sys.stdout.flush()
        quiet = subprocess.PIPE if capture else subprocess.DEVNULL if stdin is not None else None
        error = subprocess.DEVNULL if capture else None
        try:
            return subprocess.run(  # noqa: S603 — no shell; the words are ours and the operator's
                [self._fly, *words], input=stdin, stdout=quiet, stderr=error, text=True, check=False
            )
        except OSError:
            remedy = "install it: https://fly.io/docs/flyctl/install/"
            raise Misconfigured(self._fly, "is not installed", remedy) from None

    def _end_if_failed(self, done: subprocess.CompletedProcess[str]) -> None:
        if done.returncode:
            sys.exit(done.returncode)


@click.command("deploy-fly")
@click.argument("app")
@click.argument("hostname", default="")
@click.argument("region", default="")
@click.option(
    "--certs", type=click.Path(path_type=Path, file_okay=False), default=Path("certs"), help="The certificates' folder."
)
@click.option("--renew", is_flag=True, help="Send the certificates again.")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be done.")
@click.option("--address", "address_only", is_flag=True, help="Print the app's own IPv4 address, and do nothing.")
def deploy_fly(app: str, hostname: str, region: str, certs: Path, renew: bool, dry: bool, address_only: bool) -> None:
    """
    Make an app on Fly.io complete, and deploy it.

    From this folder, which holds fly.toml and the Dockerfile. What `deploy.sh` and step 2 of `setup` do alike: app, volume, IPv4
    address, secrets, deploy, certificate. HOSTNAME is the name for which Fly gets a certificate. FLY names another command than
    `fly`, TESLA_VIN the vehicles that may connect.
    """
    from ..setup.fly_deployment import CERTIFICATE_SECRETS, FlyDeployment, in_base64

    fly = ShownFly(dry)
    files = {name: in_base64(certs / file) for name, file in CERTIFICATE_SECRETS.items()}
    vins = os.environ.get("TESLA_VIN", "").strip()
    values = {"TESLA_VIN": vins} if vins else {}
    plan = FlyDeployment(app=app, region=region, hostname=hostname, files=files, values=values, renew=renew)
    if address_only:
        click.echo(plan.address(fly))
        return
    plan.run(fly, dry=dry)
    if not dry:
        click.echo(f"DNS: {hostname} must be an A record of {plan.address(fly)}")
