"""Step 3: the app at Tesla, which only a person can make: what to type is printed, and the id and secret are asked for."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ..errors import Declined, Misconfigured
from ..onboarding.login import DEFAULT_REDIRECT, check_redirect
from ..onboarding.refusals_of_tesla import Step
from ..onboarding.state_folder import SECRET_FILE
from ..onboarding.tesla_hosts import PORTAL
from .context import SetupContext
from .journey import SetupStep
from .outcome import Waiting, as_not_now

LONGEST_SECRET = 4096  # characters; Tesla's have about 60
_TRIES = 3  # of a person who types an id and a secret
# What the portal says, which nobody but the person sees → what helps.
PORTAL_SAYS = (
    (
        "Domain is not valid. Please ensure it is registered with a certificate authority …",
        'the portal looks at https://DOMAIN while you type: it must answer (step 2), have no "tesla" in its name, and be no free '
        "tunnel; else begin again with another name",
    ),
    ("Invalid URL / URI format", "the origin is exactly https://DOMAIN: no path, no slash at its end"),
    (
        "Invalid origin, redirect, or return URI/URL (by mail), or the name is refused",
        "submit it again with another Application Name; it must be unique in the world",
    ),
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def redirect_of(context: SetupContext) -> str:
    """The app's Allowed Redirect URI. Raises Misconfigured."""
    given = context.options.redirect or context.notes.redirect or DEFAULT_REDIRECT
    context.notes.redirect = check_redirect(given)
    return context.notes.redirect


def portal_values(context: SetupContext) -> list[tuple[str, str]]:
    """What to type in the portal, line by line. Raises Waiting, Misconfigured."""
    redirect = redirect_of(context)
    return [
        ("Application Name", application_name(context.domain)),
        ("Description", "Streams my own vehicle's data to my own server"),
        ("Purpose of Usage", "Personal use: a live view of my vehicle on a server that I run"),
        ("OAuth Grant Type", "Authorization Code and Machine-to-Machine"),
        ("Allowed Origin", f"https://{context.domain}"),
        ("Allowed Redirect URI", redirect),
        ("Allowed Returned URL", redirect if redirect.startswith("https:") else "(leave empty)"),
        ("Scopes", "Vehicle Information, Vehicle Location (nothing else: so this app can never open or start the car)"),
        ("Billing", "Skip and Submit (see `teslafast setup --costs`)"),
    ]


def application_name(domain: str) -> str:
    """A name that nobody else in the world has, as the portal wants it; the same for the same domain."""
    return f"teslafast-{hashlib.sha256(domain.encode()).hexdigest()[:6]}"


def read_secret_file(path: Path) -> str:
    """--client-secret-file. Raises Misconfigured."""
    try:
        with path.open() as file:
            text = file.read(LONGEST_SECRET + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured("--client-secret-file", f"{path}: {error}", "give a file with the client secret alone") from None
    if not text or len(text) > LONGEST_SECRET or len(text.split()) != 1:
        raise Misconfigured("--client-secret-file", f"{path} does not hold a secret alone", "give the client secret, one line")
    return text


def _look(context: SetupContext) -> str | None:
    if context.options.client_secret_file is not None and not context.options.look_only:
        context.folder.write(SECRET_FILE, read_secret_file(context.options.client_secret_file).encode() + b"\n")
    oauth = context.oauth
    if not oauth.client_id or not oauth.client_secret:
        return None
    base = next(iter(oauth.hosts.bases().values()))
    context.patiently("Tesla's token endpoint", lambda: context.partner(base))
    context.notes.client_id = oauth.client_id
    redirect_of(context)
    return f"Tesla takes the id and the secret of app {oauth.client_id}"


def _act(context: SetupContext) -> None:
    missing = Waiting(
        "the app at Tesla is not known",
        f"make it at {PORTAL} with the values above, then set TESLA_CLIENT_ID and TESLA_CLIENT_SECRET",
        again=Step.PORTAL,
    )
    _print_values(context)
    for left in range(_TRIES - 1, -1, -1):
        client_id = context.oauth.client_id or _asked_id(context, missing)
        if not _UUID.fullmatch(client_id):
            context.console.line("  ! Tesla's client ids look like 3f0a52c4-1111-4222-8333-444455556666")
        secret = context.oauth.client_secret or context.console.answer("Client Secret", "", missing, secret=True)
        if not secret.startswith("ta-secret."):
            context.console.line("  ! Tesla's secrets begin with ta-secret.")
        context.notes.client_id = client_id
        context.save()
        if not context.options.variable("TESLA_CLIENT_SECRET"):
            context.folder.write(SECRET_FILE, secret.encode() + b"\n")
        context.forget_partners()
        try:
            context.partner(next(iter(context.oauth.hosts.bases().values())))
        except Declined as error:
            refused = as_not_now(error)
            if not left or context.options.variable("TESLA_CLIENT_SECRET") or context.options.variable("TESLA_CLIENT_ID"):
                raise refused from None
            context.console.line(f"  ✗ {refused.says}: {refused.remedy}")
            context.folder.remove(SECRET_FILE)
            context.notes.client_id = ""
            context.save()
        else:
            return


def _asked_id(context: SetupContext, missing: Waiting) -> str:
    """The client id that a person types; before it, each `c` copies the next line of the values. Raises Waiting."""
    left, console = iter(portal_values(context)), context.console
    copies = "c copies the next line above, " if console.copy is not None else ""
    while True:
        given = console.answer(f"Client ID    ({copies}? if the portal refuses)", "", missing)
        if given == "?":
            for says, helps in PORTAL_SAYS:
                console.line(f"    “{says}”\n      → {helps.replace('DOMAIN', context.domain)}")
        elif given == "c" and console.copy is not None:
            name, value = next(left, ("", ""))
            if not name:
                left = iter(portal_values(context))
                name, value = next(left)
            console.copy(value)
            console.line(f"    copied: {name}")
        else:
            return given


def _print_values(context: SetupContext) -> None:
    line = context.console.line
    line(f"  the one thing that only you can do: {PORTAL}     (5 min)")
    line("    Create New Application → Just for me → Next")
    if "tesla" in context.domain:
        line(f'  ! the portal refuses names with "tesla" in them: if it does not take {context.domain}, begin again with another')
    for name, value in portal_values(context):
        line(f"    {name:<21} {value}")
    line("    Then View Details → Credentials & APIs.")
    if context.console.ask is not None:
        context.console.open(PORTAL)


PORTAL_STEP = SetupStep(Step.PORTAL, _look, _act, "print what to type in Tesla's portal, and ask for the client id and secret")
