"""The app's public key, as Tesla fetches it: when it registers the app, and again at every pairing. It must stay served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import Misconfigured
from ..onboarding import jws
from ..onboarding.accounts import domain_of
from ..onboarding.app_key import hex_of_pem, public_hex
from ..onboarding.served_key import NotServed, check_served_key
from ..onboarding.state_folder import KEY_FILE, StateFolder
from .finding import Finding, from_error, note, well, wrong
from .options import DoctorOptions


def check_public_key(options: DoctorOptions) -> Iterator[Finding]:
    """Whether the app's domain serves our public key; nothing if there is no domain to ask."""
    folder = StateFolder.locate(options.environment, options.state)
    try:
        domain, ours = domain_of(options.environment, folder), _ours(options, folder)
    except Misconfigured as error:
        yield from_error("public key", error)
        return
    if not domain:
        return
    try:
        at = check_served_key(domain, ours)
    except NotServed as error:
        yield wrong("public key", error.fault, error.remedy)
        return
    if ours:
        yield well("public key", f"{at} is ours, publicly trusted")
    else:
        remedy = "name the set-up's folder in TESLAFAST_STATE, or the key in TESLA_PUBLIC_KEY_PATH"
        yield note("public key", f"{at} is an EC key; whether it is ours cannot be seen", remedy)


def _ours(options: DoctorOptions, folder: StateFolder) -> str:
    """Our public key as hex, "" if it is not here. Raises Misconfigured."""
    pem = folder.read(KEY_FILE)
    if pem is not None:
        return public_hex(jws.load_key(pem, str(folder.path / KEY_FILE)))
    path = options.environment.get("TESLA_PUBLIC_KEY_PATH", "")
    try:
        return hex_of_pem(Path(path).read_bytes()) if path else ""
    except OSError:
        return ""  # the settings' check says so
