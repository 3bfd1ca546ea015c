"""
A server on Fly.io, through its own command `fly`: app, volume, IPv4 address, secrets, deploy. What is there is kept.

Vehicles reach port 8443 as raw TCP, for which the app needs an IPv4 address of its own; Fly ends TLS for the page and the public
key on 443. Secrets travel through stdin, so that no process list shows them, and are staged, so that one deploy takes them all.
Without a domain the app's own name, NAME.fly.dev, is all names at once.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ..errors import Unhealthy
from ..onboarding.app_key import public_pem
from ..onboarding.state_folder import CERTS_FOLDER, CONFIGS_FILE, NOTES_FILE, SECRET_FILE, TOKENS_FILE
from ..onboarding.token_store import TokenStore
from . import own_server
from .context import SetupContext
from .outcome import Blocked, Waiting

DEFAULT_FLY_REGION = "fra"
STATE_ON_FLY = "/data/teslafast.d"
DEPLOY_S, FLY_COMMAND_S = 1200.0, 120.0  # how long Fly may take: to build an image, and for anything else
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_TESLAFAST = "/opt/teslafast/bin/teslafast"
# Given with each deploy: fly.toml also serves those who have no app at Tesla yet, and Fly refuses a file whose secret is missing.
_KEY_AND_STATE = (
    "--env",
    "TESLA_PUBLIC_KEY_PATH=/etc/teslafast/public-key.pem",
    "--env",
    f"TESLAFAST_STATE={STATE_ON_FLY}",
    "--file-secret",
    "/etc/teslafast/public-key.pem=PUBLIC_KEY_PEM",
)
_FILES = {"SERVER_PEM": "server.pem", "SERVER_KEY": "server.key", "TESLA_CA_PEM": "tesla_ca.pem"}


def name(context: SetupContext) -> None:
    """The app's name, and what follows from it: the domain unless there is one of its own, and the server's address."""
    notes, options = context.notes, context.options
    given = options.fly_app or options.variable("TESLAFAST_FLY_APP") or notes.fly_app
    if not given:
        # Not "tesla…": the portal refuses names in which that word stands.
        free = "telemetry-" + "".join(secrets.choice(_LETTERS) for _ in range(6))
        ask = context.console.ask
        given = (ask(f"Name of the Fly app (it will be https://{free}.fly.dev)", free, False) if ask else "").strip() or free
    notes.fly_app = given.lower()
    notes.fly_region = options.fly_region or notes.fly_region or DEFAULT_FLY_REGION
    if not (options.domain or options.variable("TESLAFAST_DOMAIN") or notes.domain):
        ask = context.console.ask
        own = ask("A domain of your own instead? empty = no", "", False).strip() if ask else ""
        notes.domain = own or f"{notes.fly_app}.fly.dev"
    notes.url = options.variable("TESLAFAST_URL") or f"https://{notes.fly_app}.fly.dev"


def lacks(context: SetupContext) -> bool:
    """Whether something is missing here or at Fly. Raises Blocked, Waiting."""
    if context.options.renew or own_certificates_missing(context):
        return True
    known = _listed(context, "secrets", "list")
    return known is None or not {*_FILES, "JWT_SECRET", "PUBLIC_KEY_PEM"} <= _names(known)


def own_certificates_missing(context: SetupContext) -> bool:
    certs = context.folder.path / CERTS_FOLDER
    return not all((certs / file).exists() for file in _FILES.values())


def deploy(context: SetupContext) -> None:
    """Makes what is missing, and deploys. Raises Blocked, Waiting."""
    _check_login(context)
    own_server.make_certificates(context)
    app, line = context.notes.fly_app, context.console.line
    if _listed(context, "status") is None:
        line(f"  app {app}")
        _fly(context, "apps", "create", app)
    if "journal" not in _names(_listed(context, "volumes", "list")):
        line("  a volume of 1 GB")
        region = context.notes.fly_region
        _fly(context, "volumes", "create", "journal", "--app", app, "--region", region, "--size", "1", "--count", "1", "--yes")
    if not any(str(row.get("Type", row.get("type"))).lower() == "v4" for row in _rows(_listed(context, "ips", "list"))):
        line("  an IPv4 address of its own ($2 a month)")
        _fly(context, "ips", "allocate-v4", "--app", app, "--yes")
    _secrets(context)
    line("  deploy (a few minutes)")
    _fly(context, "deploy", *_config(context), "--app", app, "--ha=false", *_KEY_AND_STATE, patience_s=DEPLOY_S)
    if not context.domain.endswith(".fly.dev"):
        if _fly(context, "certs", "show", context.domain, "--app", app, may_fail=True) is None:
            _fly(context, "certs", "add", context.domain, "--app", app)
        _say_dns(context)


def _say_dns(context: SetupContext) -> None:
    rows = _rows(_listed(context, "ips", "list"))
    own = [row for row in rows if str(row.get("Type", row.get("type"))).lower() == "v4"]
    if own:
        address = own[0].get("Address", own[0].get("address"))
        context.console.line(f"  DNS: {context.domain} must be an A record of {address}")


def _secrets(context: SetupContext) -> None:
    known = _names(_listed(context, "secrets", "list"))
    certs = context.folder.path / CERTS_FOLDER
    values = {name: base64.b64encode((certs / file).read_bytes()).decode() for name, file in _FILES.items()}
    values["PUBLIC_KEY_PEM"] = base64.b64encode(public_pem(context.key())).decode()
    wanted = {name: value for name, value in values.items() if name not in known or context.options.renew}
    if "JWT_SECRET" not in known:
        wanted["JWT_SECRET"] = secrets.token_hex(32)
    vins = ",".join(context.options.vins) or context.options.variable("TESLA_VIN")
    if vins:
        wanted["TESLA_VIN"] = vins
    if wanted:
        context.console.line(f"  secrets: {', '.join(wanted)}")
        text = "".join(f"{name}={value}\n" for name, value in wanted.items())
        _fly(context, "secrets", "import", "--stage", "--app", context.notes.fly_app, stdin=text)


def _config(context: SetupContext) -> list[str]:
    """Where Fly finds the Dockerfile: a checkout's folder, for which this is run. Raises Blocked."""
    for folder in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if (folder / "fly.toml").exists() and (folder / "Dockerfile").exists():
            return [str(folder), "--config", str(folder / "fly.toml")]
    remedy = "run setup in a clone of the repository: it holds fly.toml and the Dockerfile"
    raise Blocked("there is no fly.toml here", remedy)


# ---- on the server


def minted(context: SetupContext, life_s: float) -> str:
    """A dashboard's token, made there, where the secret is. "" if it cannot be had."""
    command = f"{_TESLAFAST} token --sub setup --ttl {int(life_s)}s"
    said = _fly(context, "ssh", "console", "--app", context.notes.fly_app, "--quiet", "--command", command, may_fail=True)
    words = (said or "").split()
    return words[-1] if words and words[-1].count(".") == 2 else ""


def hand_over(context: SetupContext) -> None:
    """Gives the server the tokens, notes and signed configs; here only a mark stays. Raises Blocked, Waiting."""
    app = context.notes.fly_app
    with context.folder.lock():
        files = {}
        for file in (TOKENS_FILE, NOTES_FILE, CONFIGS_FILE, SECRET_FILE):
            content = context.folder.read(file)
            if content is not None:
                files[file] = content.decode()
        bundle = json.loads(files[TOKENS_FILE])
        files[TOKENS_FILE] = json.dumps({**bundle, "owner": app})
        command = f"{_TESLAFAST} setup --take-over --state {STATE_ON_FLY}"
        _fly(context, "ssh", "console", "--app", app, "--quiet", "--command", command, stdin=json.dumps(files) + "\n")
        TokenStore(context.folder, context.oauth).forget(app)
    context.notes.handed_over = app
    context.save()


# ---- fly


def _check_login(context: SetupContext) -> None:
    command = _command(context)
    if shutil.which(command) is None:
        raise Waiting(f"{command} is not installed", "install it: https://fly.io/docs/flyctl/install/")
    if _fly(context, "auth", "whoami", may_fail=True) is None:
        raise Waiting("you are not logged in to Fly.io", f"{command} auth login")


def _command(context: SetupContext) -> str:
    return context.options.variable("FLY") or "fly"


def _listed(context: SetupContext, *words: str) -> object:
    """What a list of the app holds; None if there is no such app."""
    if shutil.which(_command(context)) is None:
        raise Waiting(f"{_command(context)} is not installed", "install it: https://fly.io/docs/flyctl/install/")
    said = _fly(context, *words, "--app", context.notes.fly_app, "--json", may_fail=True)
    if said is None:
        return None
    try:
        found: object = json.loads(said or "[]")
    except ValueError:
        return []
    return found


def _rows(found: object) -> list[dict[str, Any]]:
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _names(found: object) -> set[str]:
    return {str(row.get("Name", row.get("name"))) for row in _rows(found)}


def _fly(
    context: SetupContext, *words: str, stdin: str | None = None, patience_s: float = FLY_COMMAND_S, may_fail: bool = False
) -> str | None:
    """What `fly` printed; None if it failed and may. Raises Waiting, Unhealthy."""
    command = [_command(context), *words]
    shown = " ".join(command)
    try:
        done = subprocess.run(  # noqa: S603 — no shell; the words are ours
            command, input=stdin or "", capture_output=True, text=True, timeout=patience_s, check=False
        )
    except FileNotFoundError:
        raise Waiting(f"{command[0]} is not installed", "install it: https://fly.io/docs/flyctl/install/") from None
    except subprocess.TimeoutExpired:
        raise Unhealthy(f"`{shown}` has taken {patience_s:.0f} s", "run setup again") from None
    if done.returncode == 0:
        return done.stdout
    if may_fail:
        return None
    last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no reason"]
    raise Waiting(f"`{shown}` failed: {last[0]}", "mend that, then run setup again")


def exists(context: SetupContext) -> bool:
    """Whether the app is at Fly. Raises Waiting."""
    return _listed(context, "status") is not None


def destroy(context: SetupContext) -> None:
    """Raises Waiting, Unhealthy."""
    _fly(context, "apps", "destroy", context.notes.fly_app, "--yes")
