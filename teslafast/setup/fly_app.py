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
from collections.abc import Callable, Mapping

from ..errors import Unhealthy
from ..onboarding.app_key import public_pem
from ..onboarding.refusals_of_tesla import Step
from ..onboarding.state_folder import CERTS_FOLDER, CONFIGS_FILE, NOTES_FILE, SECRET_FILE, STATE_VARIABLE, TOKENS_FILE
from ..onboarding.token_store import TokenStore
from . import own_server
from .context import SetupContext, read_domain
from .fly_deployment import (
    CERTIFICATE_SECRETS,
    PUBLIC_KEY_AT,
    PUBLIC_KEY_SECRET,
    FlyDeployment,
    in_base64,
    names_of,
    rows_of,
)
from .image_source import check_app_name, write_image_source
from .outcome import Waiting
from .take_over import TOOK_OVER

STATE_ON_FLY = "/data/teslafast.d"
STATUS_THERE = f"/opt/teslafast/bin/teslafast setup --status --from 5 --until 8 --state {STATE_ON_FLY}"
DEPLOY_S, FLY_COMMAND_S = 1200.0, 120.0  # how long Fly may take: to build an image, and for anything else
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_TESLAFAST = "/opt/teslafast/bin/teslafast"
IMAGE_FOLDER = "fly"  # in the set-up's folder: what Fly builds the image from, and the app's fly.toml
_SETTINGS = {"TESLA_PUBLIC_KEY_PATH": PUBLIC_KEY_AT, STATE_VARIABLE: STATE_ON_FLY}


def name(context: SetupContext) -> None:
    """The app's name, and what follows from it: the domain unless there is one of its own, and the server's address."""
    notes, options = context.notes, context.options
    given = options.fly_app or options.variable("TESLAFAST_FLY_APP") or notes.fly_app
    if given:
        notes.fly_app = check_app_name(given, "--fly-app" if options.fly_app else "TESLAFAST_FLY_APP")
    else:
        # Not "tesla…": the portal refuses names in which that word stands.
        free = "telemetry-" + "".join(secrets.choice(_LETTERS) for _ in range(6))
        question = f"Name of the Fly app (dashboards and Tesla will know it as https://{free}.fly.dev)"
        notes.fly_app = context.console.answer_or(question, free, check_app_name)
    notes.fly_region = options.fly_region or notes.fly_region
    if not (options.domain or options.variable("TESLAFAST_DOMAIN") or notes.domain):
        own = context.console.answer_or("A domain of your own instead? empty = no", "", _own_domain)
        notes.domain = own or f"{notes.fly_app}.fly.dev"
    if "tesla" in notes.domain and not notes.client_id:
        context.console.line(f'  ! Tesla\'s portal refuses names with "tesla" in them: {notes.domain} may have to be another')
    notes.url = options.variable("TESLAFAST_URL") or f"https://{notes.fly_app}.fly.dev"


def _own_domain(given: str) -> str:
    """Raises Misconfigured."""
    return read_domain(given) if given else ""


def lacks(context: SetupContext) -> bool:
    """Whether something is missing here or at Fly. Raises Blocked, Waiting."""
    if context.options.renew or own_certificates_missing(context):
        return True
    known = _listed(context, "secrets", "list")
    return known is None or not _needed() <= names_of(rows_of(known))


def _needed() -> set[str]:
    return {*CERTIFICATE_SECRETS, *_SETTINGS, PUBLIC_KEY_SECRET, "JWT_SECRET"}


def own_certificates_missing(context: SetupContext) -> bool:
    certs = context.folder.path / CERTS_FOLDER
    return not all((certs / file).exists() for file in CERTIFICATE_SECRETS.values())


def deploy(context: SetupContext) -> None:
    """Makes what is missing, and deploys. Raises Blocked, Waiting."""
    _check_login(context)
    own_server.make_certificates(context)
    notes, certs = context.notes, context.folder.path / CERTS_FOLDER
    files = {name: in_base64(certs / file) for name, file in CERTIFICATE_SECRETS.items()}
    values = {**_SETTINGS, PUBLIC_KEY_SECRET: base64.b64encode(public_pem(context.key())).decode()}
    vins = ",".join(context.options.vins) or context.options.variable("TESLA_VIN")
    if vins:
        values["TESLA_VIN"] = vins
    config = write_image_source(context.folder.path.absolute() / IMAGE_FOLDER, notes.fly_app)
    hostname = "" if context.domain.endswith(".fly.dev") else context.domain
    plan = FlyDeployment(
        app=notes.fly_app,
        region=notes.fly_region,
        hostname=hostname,
        files=files,
        values=values,
        renew=context.options.renew,
        words=(str(config.parent), "--config", str(config)),
    )
    fly = QuietFly(context)
    plan.run(fly)
    context.console.line(f"  to deploy it again yourself: cd {config.parent} && {_command(context)} deploy")
    if hostname:
        context.console.line(f"  DNS: {hostname} must be an A record of {plan.address(fly)}")


class QuietFly:
    """`fly` for the set-up: a line for each thing that is made; what `fly` prints is kept for when it fails."""

    _LINES: Mapping[str, str] = {
        "apps": "app {last}",
        "volumes": "a volume of 1 GB",
        "ips": "an IPv4 address of its own ($2 a month)",
        "deploy": "deploy (a few minutes)",
        "certs": "a certificate of Fly's",
    }

    def __init__(self, context: SetupContext) -> None:
        self._context = context

    def ask(self, *words: str) -> str | None:
        return _fly(self._context, *words, may_fail=True)

    def do(self, *words: str) -> None:
        self._context.console.line(f"  {self._LINES[words[0]].format(last=words[-1])}")
        _fly(self._context, *words, patience_s=DEPLOY_S if words[0] == "deploy" else FLY_COMMAND_S)

    def stage(self, name: str, value: Callable[[], str], *words: str) -> None:
        self._context.console.line(f"  secret {name}")
        _fly(self._context, "secrets", "import", "--stage", *words, stdin=f"{name}={value()}\n")


# ---- on the server


def minted(context: SetupContext, life_s: float) -> str:
    """A dashboard's token, made there, where the secret is. "" if it cannot be had."""
    command = f"{_TESLAFAST} token --sub setup --ttl {int(life_s)}s"
    said = _fly(context, "ssh", "console", "--app", context.notes.fly_app, "--quiet", "--command", command, may_fail=True)
    words = (said or "").split()
    return words[-1] if words and words[-1].count(".") == 2 else ""


def lent(context: SetupContext) -> str:
    """An access token of the server that refreshes. Raises Waiting."""
    command = f"{_TESLAFAST} login --lend --state {STATE_ON_FLY}"
    said = _fly(context, "ssh", "console", "--app", context.notes.fly_app, "--quiet", "--command", command, may_fail=True)
    words = (said or "").split()
    if not words or words[-1].count(".") != 2:
        remedy = "look at it there, or log in anew: teslafast login, then teslafast setup --only 12"
        raise Waiting(f"{context.notes.fly_app} gives no access token ({STATUS_THERE})", remedy, again=Step.LOGIN)
    return words[-1]


def hand_over(context: SetupContext, *, with_secret: bool) -> None:
    """Gives the server the tokens, notes and signed configs; here only a mark stays. Raises Blocked, Waiting."""
    app = context.notes.fly_app
    with context.folder.lock():
        files = {}
        for file in (TOKENS_FILE, NOTES_FILE, CONFIGS_FILE, *((SECRET_FILE,) if with_secret else ())):
            content = context.folder.read(file)
            if content is not None:
                files[file] = content.decode()
        bundle = json.loads(files[TOKENS_FILE])
        files[TOKENS_FILE] = json.dumps({**bundle, "owner": app})
        command = f"{_TESLAFAST} setup --take-over --state {STATE_ON_FLY}"
        said = _fly(context, "ssh", "console", "--app", app, "--quiet", "--command", command, stdin=json.dumps(files) + "\n")
        if TOOK_OVER not in (said or "") or TOKENS_FILE not in (said or ""):  # else they would be nowhere
            remedy = f"the tokens stay here. Look at the app (fly logs --app {app}), then run setup again"
            raise Waiting(f"{app} does not confirm that it has the tokens", remedy)
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


def _listed(context: SetupContext, *words: str) -> str | None:
    """What `fly` prints of the app, as JSON; None if there is no such app."""
    if shutil.which(_command(context)) is None:
        raise Waiting(f"{_command(context)} is not installed", "install it: https://fly.io/docs/flyctl/install/")
    return _fly(context, *words, "--app", context.notes.fly_app, "--json", may_fail=True)


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


def forget_tokens(context: SetupContext) -> str:
    """Lets the server forget the tokens that were handed over to it; a line that says what became of that."""
    app, command = context.notes.fly_app, f"{_TESLAFAST} logout --state {STATE_ON_FLY}"
    said = _fly(context, "ssh", "console", "--app", app, "--quiet", "--command", command, may_fail=True)
    if said is None:
        return f"! tokens at {app}: it cannot be asked to forget them, so take the consent back"
    return f"✓ tokens: forgotten at {app}"


def exists(context: SetupContext) -> bool:
    """Whether the app is at Fly. Raises Waiting."""
    return _listed(context, "status") is not None


def destroy(context: SetupContext) -> None:
    """Raises Waiting, Unhealthy."""
    _fly(context, "apps", "destroy", context.notes.fly_app, "--yes")
