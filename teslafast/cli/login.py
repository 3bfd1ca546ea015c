"""The commands `teslafast login` and `logout`: their options, the browser, and what is pasted."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import Declined, Misconfigured
from .options import Duration
from .setup_console import typed_line

if TYPE_CHECKING:
    from ..onboarding.oauth import Attempt
    from ..onboarding.state_folder import StateFolder

_LISTEN_S = 0.5  # between two looks at what was typed meanwhile

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="The set-up's folder. Default: TESLAFAST_STATE, else teslafast.d.",
)


def folder_of(state: Path | None) -> StateFolder:
    """The set-up's folder."""
    from ..onboarding.state_folder import StateFolder

    return StateFolder.locate(os.environ, state)


@click.command()
@state_option
@click.option(
    "--redirect", help="The app's Allowed Redirect URI. Default: that of the set-up, else http://localhost:8765/callback."
)
@click.option("--paste", is_flag=True, help="Print the address, and read the one that you end at from stdin.")
@click.option("--wait", "patience", type=Duration(), default="10m", show_default=True, help="How long to wait for the browser.")
@click.option("--lend", is_flag=True, hidden=True)
def login(state: Path | None, redirect: str | None, paste: bool, patience: float, lend: bool) -> None:
    """
    Log in at Tesla as the owner of the vehicles.

    Needs the app's client id and secret: those of the set-up, or TESLA_CLIENT_ID and TESLA_CLIENT_SECRET. The tokens are kept in
    the set-up's folder, where every command finds and refreshes them. TESLA_REFRESH_TOKEN takes the browser's place.
    """
    from ..onboarding import login as owner
    from ..onboarding.accounts import oauth_of
    from ..onboarding.setup_notes import load_notes, save_notes
    from ..onboarding.token_store import TokenStore

    folder = folder_of(state)
    oauth, notes = oauth_of(os.environ, folder), load_notes(folder)
    for variable, value in () if lend else (("TESLA_CLIENT_ID", oauth.client_id), ("TESLA_CLIENT_SECRET", oauth.client_secret)):
        if not value and not (variable == "TESLA_CLIENT_SECRET" and os.environ.get("TESLA_REFRESH_TOKEN")):
            raise Misconfigured(variable, "is not set", "copy it from your app's page at Tesla, or run `teslafast setup`")
    store = TokenStore(folder, oauth)
    if lend:  # for the set-up on another machine, through ssh: it uses the token, and never refreshes it
        click.echo(store.access_token())
        return
    if given := os.environ.get("TESLA_REFRESH_TOKEN", "").strip():
        tokens = owner.checked(store.adopt(given))
    else:
        notes.redirect = owner.check_redirect(redirect or notes.redirect or owner.DEFAULT_REDIRECT)
        attempt = oauth.attempt(notes.redirect)
        tokens = owner.finish(store, attempt, await_answer(attempt, paste or not owner.is_local(notes.redirect), patience))
    notes.client_id = oauth.client_id
    save_notes(folder, notes)
    click.echo(f"✓ logged in: tokens in {folder.path / 'tokens.json'}, scopes {' '.join(tokens.scopes) or 'unknown'}")


def await_answer(attempt: Attempt, paste: bool, patience: float) -> str:
    """The address at which the login ended. Raises Declined if none comes in time, Misconfigured if nothing is pasted."""
    if paste:
        _print_address(attempt)
        return pasted()
    import webbrowser

    from ..onboarding.login import LoopbackListener

    with LoopbackListener(attempt) as listener:  # before the address is seen: a browser is quick
        _print_address(attempt)
        webbrowser.open(attempt.url)
        asked = sys.stdin.isatty()
        other = "paste the address that you end at" if asked else "Ctrl-C, then --paste"
        click.echo(f"waiting for the browser (no browser here? {other}) …", err=True)
        for _ in range(math.ceil(patience / _LISTEN_S)):
            if answer := listener.wait(_LISTEN_S) or (typed_line() if asked else ""):
                return answer
    page = f"if Tesla's page says “We don't recognize this redirect_uri”, add exactly {attempt.redirect} to the app at Tesla"
    raise Declined(408, "nobody has logged in", f"run it again; without a browser on this machine, with --paste; {page}")


def _print_address(attempt: Attempt) -> None:
    click.echo(f"Log in as the owner of the vehicles, and leave every box ticked:\n\n    {attempt.url}\n")
    sys.stdout.flush()


def pasted() -> str:
    """A line of stdin. Raises Misconfigured if there is none."""
    if sys.stdin.isatty():
        click.echo("Paste the address that you end at (the page there will not load):\n> ", nl=False)
    line = sys.stdin.readline(16 << 10)
    if not line.strip():
        raise Misconfigured("--paste", "nothing was pasted", "paste the whole address that you end at")
    return line


@click.command()
@state_option
def logout(state: Path | None) -> None:
    """
    Forget the owner's tokens.

    The consent at Tesla stays until the owner revokes it; the address for that is printed.
    """
    from ..onboarding.accounts import oauth_of
    from ..onboarding.token_store import HERE, TokenStore

    folder = folder_of(state)
    oauth = oauth_of(os.environ, folder)
    store = TokenStore(folder, oauth)
    tokens = store.load()
    if tokens is not None and tokens.owner != HERE and not tokens.refresh_token:
        click.echo(f"! {tokens.owner} has the tokens: run `teslafast logout` there, too")
    click.echo("✓ the tokens are gone from this machine" if store.forget() else "✓ there were no tokens")
    if oauth.client_id:
        click.echo(f"To take the consent back as well: {oauth.revocation_page('https://www.tesla.com/')}")
