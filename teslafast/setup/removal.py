"""
`teslafast setup --remove`: everything away again, in the order in which nothing is left that streams or can act.

What is gone already is skipped. Fly's app is destroyed only after its name was typed; the files go last.
"""

from __future__ import annotations

import shutil

from ..errors import Declined, Misconfigured, Unhealthy
from ..onboarding.setup_notes import FLY
from ..onboarding.token_store import TokenStore
from . import fly_app
from .context import SetupContext, short_vin
from .outcome import NotNow


def remove(context: SetupContext) -> bool:
    """Whether everything is gone. Raises Misconfigured."""
    gone = _configs(context)
    if not gone and not context.options.yes:
        context.console.line("✗ a config could not be deleted, so the tokens stay: run it again")
        return False
    store = TokenStore(context.folder, context.oauth)
    if store.load() is not None:
        store.forget()
        context.console.line("✓ tokens: forgotten here")
    if context.oauth.client_id:
        page = context.oauth.revocation_page("https://www.tesla.com/")
        context.console.open(page)
        context.console.line(f"! consent: take it back at {page}")
    context.console.line("! key on the car: remove it in the car, Controls → Locks")
    whole = _fly(context) and gone
    if whole:
        shutil.rmtree(context.folder.path, ignore_errors=False) if context.folder.exists else None
        context.console.line(f"✓ {context.folder.path} is gone")
    return whole


def _configs(context: SetupContext) -> bool:
    vins = list(dict.fromkeys([*context.options.vins, *context.notes.pushed]))
    if not vins:
        context.console.line("✓ configs: none is left that was sent from here")
    well = True
    for vin in vins:
        try:
            removed = context.owner.remove(vin)
        except (Declined, Unhealthy, NotNow, Misconfigured) as error:
            context.console.line(f"✗ config of {short_vin(vin)}: {error}")
            well = False
        else:
            context.console.line(f"✓ config of {short_vin(vin)}: {'deleted' if removed else 'there was none'}")
            context.notes.pushed.pop(vin, None)
            context.save()
    return well


def _fly(context: SetupContext) -> bool:
    """Whether nothing is left at Fly."""
    app = context.notes.fly_app
    if context.notes.where != FLY or not app:
        return True
    if not fly_app.exists(context):
        context.console.line(f"✓ {app} is gone from Fly.io")
        return True
    typed = (
        context.console.ask(f"Type {app} to destroy the app at Fly.io with its journal", "", False) if context.console.ask else ""
    )
    if typed.strip() != app:
        context.console.line(f"! {app} stays at Fly.io, and so do the files here: fly apps destroy {app}")
        return False
    fly_app.destroy(context)
    context.console.line(f"✓ {app} is gone from Fly.io")
    return True
