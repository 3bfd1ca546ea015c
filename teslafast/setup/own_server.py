"""
A server on this machine: its certificates and an env file with its settings, both in the set-up's folder.

`serve.env` is made once and kept, because the secret for dashboards' tokens is in it. The person starts the server, who may want
it in systemd or in a container; the command is printed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
from pathlib import Path

from ..certificates import folder as installation
from ..certificates import tesla_ca
from ..errors import Unhealthy
from ..onboarding.setup_notes import FLY, ON_THIS_MACHINE
from ..onboarding.state_folder import CERTS_FOLDER, STATE_FILE_MODE, STATE_FOLDER_MODE
from . import home
from .context import SetupContext
from .outcome import Waiting

ENV_FILE = "serve.env"
DEFAULT_OWN_PORT = 3000
PORTS_TO_TRY = 20  # above the one that another program has


def url(context: SetupContext) -> str:
    """Where the server answers on this machine, for dashboards and for the proxy in front of it."""
    port = context.options.variable("PORT") or server_settings(context).get("PORT", "")
    return f"http://127.0.0.1:{port if port.isdigit() else DEFAULT_OWN_PORT}"


def server_settings(context: SetupContext) -> dict[str, str]:
    """What serve.env holds; nothing if there is none. Raises Misconfigured."""
    text = (context.folder.read(ENV_FILE) or b"").decode()
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def lacks(context: SetupContext) -> bool:
    """Whether a file is missing that a server here needs."""
    if context.options.variable("CERT_PATH") and context.options.variable("CA_PATH"):
        return False  # the environment is that of a server
    certs = context.folder.path / CERTS_FOLDER
    return (
        not all((certs / name).exists() for name in ("server.pem", "server.key", "ca.pem", "tesla_ca.pem"))
        or not (context.folder.path / ENV_FILE).exists()
    )


def make_certificates_without_teslas(context: SetupContext) -> None:
    """Our CA and the server's certificate, if they are missing. Raises Misconfigured."""
    certs = context.folder.path / CERTS_FOLDER
    context.folder.create()
    if not (certs / "server.pem").exists():
        installation.init(certs, context.hostname, 0)
        _close(certs)


def _close(folder: Path) -> None:
    """Everything in the set-up's folder is for its owner alone, certificates too."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(STATE_FOLDER_MODE if path.is_dir() else STATE_FILE_MODE)


def make_certificates(context: SetupContext) -> None:
    """The vehicles' side: our CA and the server's certificate, and Tesla's CAs. Raises Misconfigured, Waiting."""
    certs = context.folder.path / CERTS_FOLDER
    make_certificates_without_teslas(context)
    if not (certs / "tesla_ca.pem").exists():
        try:
            tesla_ca.write(tesla_ca.check(tesla_ca.fetch(), ()), certs / "tesla_ca.pem", False)
            _close(certs)
        except Unhealthy as error:
            here = certs / "tesla_ca.pem"  # the option is another command's: setup's own --from names a step
            remedy = f"download {tesla_ca.SOURCE} in another way, then: teslafast certs tesla-ca {here} --from FILE"
            raise Waiting(f"Tesla's CAs cannot be fetched: {error.fault}", remedy) from None


def prepare(context: SetupContext) -> None:
    """Makes what is missing. Raises Misconfigured, Waiting."""
    home.choose_front(context)
    if lacks(context):
        make_certificates(context)
    if context.folder.read(ENV_FILE) is None and not context.options.variable("CERT_PATH"):
        folder = context.folder.path.absolute()
        certs = folder / CERTS_FOLDER
        settings = {
            "NODE_ENV": "production",
            "PORT": str(_port(context)),
            "DASHBOARD_TLS": "false",
            "VEHICLE_PORT": str(context.port),
            "CERT_PATH": str(certs / "server.pem"),
            "KEY_PATH": str(certs / "server.key"),
            "CA_PATH": str(certs / "tesla_ca.pem"),
            "TESLA_PUBLIC_KEY_PATH": str(folder / "public-key.pem"),
            "TESLAFAST_STATE": str(folder),
            "JOURNAL_PATH": str(folder / "teslafast.journal"),
            "JWT_SECRET": secrets.token_hex(32),
        }
        context.folder.write(ENV_FILE, "".join(f"{name}={value}\n" for name, value in settings.items()).encode())
    context.console.line(f"  start the server, and keep it running:  {start_command(context)}")
    context.console.line("    (in another terminal, or as a service)")
    context.notes.url = url(context)
    for line in home.front_lines(context, context.notes.url):
        context.console.line(f"  {line}")


def _port(context: SetupContext) -> int:
    """The port of a new server: the one that is wished for; a free one near it if another program has it."""
    wished = int(url(context).rpartition(":")[2])
    if context.options.variable("PORT") or not _is_taken(wished):
        return wished
    found = next((port for port in range(wished + 1, wished + PORTS_TO_TRY) if not _is_taken(port)), wished)
    context.console.line(f"  ! another program has port {wished} of this machine: the server gets {found} (set PORT for another)")
    return found


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as asked:
        asked.settimeout(1.0)
        return asked.connect_ex(("127.0.0.1", port)) == 0


def start_command(context: SetupContext) -> str:
    """What starts the server that was prepared here."""
    return f"{own_command()} --env-file {context.folder.path / ENV_FILE} serve"


def own_command() -> str:
    """How this very program is called from here: `teslafast`, or its path where the shell would find none, or another."""
    beside = Path(sys.executable).with_name("teslafast")
    found = shutil.which("teslafast")
    if found is not None and (not beside.exists() or Path(found).resolve() == beside.resolve()):
        return "teslafast"
    if not beside.exists():
        return f"{sys.executable} -m teslafast"
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)


def start_remedy(context: SetupContext, fault: str) -> str:
    """What helps if the server is not well. `fault`: what it does."""
    if context.notes.where == ON_THIS_MACHINE and "not a health report" in fault:
        at = context.folder.path / ENV_FILE
        return f"another program has this port: stop it, or give the server another port (PORT in {at}), and run setup again"
    if context.notes.where == FLY:
        return f"look at it: fly logs --app {context.notes.fly_app}"
    if context.notes.where == ON_THIS_MACHINE:
        return f"start it: {start_command(context)}"
    proxied = "; check HTTPS_PROXY, too, or name the host in NO_PROXY" if "through the proxy" in fault else ""
    return f"start it, or correct --on ({context.notes.url}){proxied}"
