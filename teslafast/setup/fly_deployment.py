"""
What a server on Fly.io is made of, and the order in which it is made: app, volume, IPv4 address, secrets, deploy, certificate.

    deploy.sh ──▶ `teslafast deploy-fly` ─┐
                                          ├─▶ FlyDeployment.run ──▶ FlyCommand: fly itself, or words about it
    `teslafast setup`, step 2 ────────────┘

Settings that only a set-up knows (where its public key and its folder are) are secrets, too: Fly keeps those whoever deploys
next, with whatever fly.toml, while words of one `fly deploy` are gone with the next.

What is there is kept, so it can run as often as one likes. One Machine: its log is the only one, and every vehicle and dashboard
must find the same. Raw TCP wants an address of its own, since Fly's shared one knows only HTTP and the TLS that Fly ends. Secrets
travel through stdin, so that no process list shows them, and are staged, so that one deploy takes them all.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..errors import Unhealthy

NEW_APPS_REGION = "fra"
VOLUME = "journal"
PUBLIC_KEY_SECRET = "PUBLIC_KEY_PEM"  # noqa: S105 — the name of one that holds nothing secret
PUBLIC_KEY_AT = "/etc/teslafast/public-key.pem"
_NO_KEY_YET = b"# the app's public key stands here once `teslafast setup` has made it\n"
CERTIFICATE_SECRETS = {
    "SERVER_PEM": "server.pem",
    "SERVER_KEY": "server.key",
    "TESLA_CA_PEM": "tesla_ca.pem",
}  # as fly.toml has them


class FlyCommand(Protocol):
    """How the program `fly` is run, and how its runs are told of."""

    def ask(self, *words: str) -> str | None:
        """What `fly` prints, asked for reading alone; None if it fails."""

    def do(self, *words: str) -> None:
        """Runs `fly` for what it changes. Raises what the caller understands."""

    def stage(self, name: str, value: Callable[[], str], *words: str) -> None:
        """Hands a secret to `fly` through stdin. `value` is asked for only when it is sent."""


@dataclass(frozen=True, kw_only=True)
class FlyDeployment:
    """
    region     where a new app runs; "": NEW_APPS_REGION for a new one, and as it is for one that is there
    hostname   the name for which Fly gets a certificate; "": the app's own will do
    files      secrets that hold a file: name → its content, in base64
    values     other secrets, sent each time: what the server's settings are that fly.toml does not say for everybody
    renew      send the files although the app has some
    words      further words for `fly deploy`
    """

    app: str
    region: str = ""
    hostname: str = ""
    files: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    renew: bool = False
    words: Sequence[str] = ()

    def run(self, fly: FlyCommand, *, dry: bool = False) -> None:
        """Makes what is missing, and deploys. `dry`: nothing is there afterwards that could be asked for a certificate."""
        known = fly.ask("status", "--app", self.app) is not None
        region = self.region or ("" if known else NEW_APPS_REGION)
        if not known:
            fly.do("apps", "create", self.app)
        if VOLUME not in names_of(self._listed(fly, known, "volumes", "list")):
            where = ("--app", self.app, "--region", region or NEW_APPS_REGION)
            fly.do("volumes", "create", VOLUME, *where, "--size", "1", "--count", "1", "--yes")
        if not own_addresses(self._listed(fly, known, "ips", "list")):
            fly.do("ips", "allocate-v4", "--app", self.app, "--yes")
        self._stage(fly, names_of(self._listed(fly, known, "secrets", "list")))
        place = ("--primary-region", region) if self.region or not known else ()
        fly.do("deploy", *self.words, "--app", self.app, "--ha=false", *place)
        if self.hostname and not dry and fly.ask("certs", "show", self.hostname, "--app", self.app) is None:
            fly.do("certs", "add", self.hostname, "--app", self.app)

    def address(self, fly: FlyCommand) -> str:
        """The app's own IPv4 address. Raises Unhealthy."""
        found = own_addresses(self._listed(fly, True, "ips", "list"))
        if not found:
            raise Unhealthy("the app has no IPv4 address of its own", f"look at: fly ips list --app {self.app}")
        return found[0]

    def _listed(self, fly: FlyCommand, known: bool, *words: str) -> list[dict[str, Any]]:
        """What a list of the app holds; nothing for an app that is still to be made."""
        return rows_of(fly.ask(*words, "--app", self.app, "--json")) if known else []

    def _stage(self, fly: FlyCommand, present: set[str]) -> None:
        for name, content in self.files.items():
            if self.renew or name not in present:
                fly.stage(name, content, "--app", self.app)
        if PUBLIC_KEY_SECRET not in {*present, *self.values}:  # fly.toml names it, and Fly refuses a file without its secret
            fly.stage(PUBLIC_KEY_SECRET, lambda: base64.b64encode(_NO_KEY_YET).decode(), "--app", self.app)
        if "JWT_SECRET" not in present:
            fly.stage("JWT_SECRET", lambda: secrets.token_hex(32), "--app", self.app)
        for name, value in self.values.items():
            fly.stage(name, lambda value=value: value, "--app", self.app)  # type: ignore[misc]  # bound now


def in_base64(path: Path) -> Callable[[], str]:
    """The file's content as a secret holds it; read when it is sent."""
    return lambda: base64.b64encode(path.read_bytes()).decode()


def rows_of(said: str | None) -> list[dict[str, Any]]:
    """The objects in a list that `fly` printed as JSON; none if it is not one."""
    try:
        found = json.loads(said or "[]")
    except ValueError:
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def names_of(rows: list[dict[str, Any]]) -> set[str]:
    return {str(_member(row, "name")) for row in rows}


def own_addresses(rows: list[dict[str, Any]]) -> list[str]:
    return [str(_member(row, "address")) for row in rows if str(_member(row, "type")).lower() == "v4"]


def _member(row: dict[str, Any], name: str) -> object:
    """Fly writes some lists' members with a capital, and others without."""
    return row.get(name.capitalize(), row.get(name))
