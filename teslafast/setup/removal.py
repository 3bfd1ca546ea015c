"""
`teslafast setup --remove`: everything away again, in the order in which nothing is left that streams or can act.

What is gone already is skipped. It is said first what goes and what a running server will do, and asked, unless --yes. Fly's app
is destroyed only after its name was typed. The files go last, and `app.key` only if the person says so (--with-key): every car
that was paired knows that key, and a new one would have to be paired again.
"""

from __future__ import annotations

import shutil
from enum import Enum
from http import HTTPStatus

from ..errors import Declined, Misconfigured, TeslafastError, Unhealthy
from ..onboarding.refusals_of_tesla import Step, is_limit
from ..onboarding.setup_notes import ELSEWHERE, FLY
from ..onboarding.state_folder import IGNORING_FILE, KEY_FILE
from ..onboarding.token_store import TokenStore, handed_over, load_tokens
from ..onboarding.upkeep import is_kept_alive
from . import fly_app
from .context import SetupContext, short_vin
from .outcome import NotNow, as_not_now


def remove(context: SetupContext) -> bool:
    """Whether everything is gone that was to go. Raises Misconfigured, NotNow; EOFError if nobody answers."""
    if not context.folder.exists and not context.options.vins:
        context.console.line(f"✓ there is no {context.folder.path}")
        return True
    _announce(context)
    if not _agreed(context, "Take all of this away?"):
        context.console.line("! nothing was removed")
        return False
    left = _configs(context)
    if left is Left.FOR_NOW:
        context.console.line("✗ a config could not be deleted, so the tokens stay: run it again")
        return False
    _tokens(context)
    if context.oauth.client_id:
        page = context.oauth.revocation_page("https://www.tesla.com/")
        context.console.open(page)
        context.console.line(f"! consent: take it back at {page}")
    context.console.line("! key on the car: remove it in the car, Controls → Locks")
    whole = _fly(context) and left is Left.NOTHING
    if whole:
        _files(context)
    return whole


def _announce(context: SetupContext) -> None:
    notes, line = context.notes, context.console.line
    line(f"Goes away: the configs of {len(_vins(context))} cars, the tokens, and the files in {context.folder.path}")
    if is_kept_alive(context.folder):
        line(
            "! a server runs from this folder. It goes on running, hears of no car any more, refreshes nothing, and does not "
            "start again without these files: stop it first if it is to go, too"
        )
    elif notes.where == ELSEWHERE:
        line(f"! the server at {notes.url} goes on running, and hears of no car any more: stop it there")
    elif notes.where == FLY and notes.fly_app:
        line(f"! {notes.fly_app} at Fly.io goes on running, and costs, until it is destroyed: that is asked below")


def _agreed(context: SetupContext, question: str) -> bool:
    """With --yes, everything is agreed to that is not asked for by an option of its own."""
    if context.console.ask is None:
        return True
    return context.console.ask(f"{question} (yes or no)", "no", False).strip().lower() in ("y", "yes")


def _vins(context: SetupContext) -> list[str]:
    return list(dict.fromkeys([*context.options.vins, *context.notes.pushed]))


class Left(Enum):
    """What is left of the cars' configs. FOR_GOOD: with this login nothing can be done about it, now or later."""

    NOTHING = 0
    FOR_GOOD = 1
    FOR_NOW = 2


def _configs(context: SetupContext) -> Left:
    vins, left = _vins(context), Left.NOTHING
    if not vins:
        context.console.line("✓ configs: none is left that was sent from here")
    for vin in vins:
        try:
            removed = context.owner.remove(vin)
        except (Declined, Unhealthy, NotNow, Misconfigured) as error:
            if isinstance(error, Declined) and is_limit(error.words):
                context.console.line("✓ configs: at the account's billing limit Tesla has deleted all of them")
                break
            found = _left_by(error)
            context.console.line(f"{'!' if found is Left.NOTHING else '✗'} config of {short_vin(vin)}: {error}")
            left = max(left, found, key=lambda one: one.value)
        else:
            context.console.line(f"✓ config of {short_vin(vin)}: {'deleted' if removed else 'there was none'}")
            context.notes.pushed.pop(vin, None)
            context.save()
    if left is Left.FOR_GOOD:
        context.console.line("! whoever takes the consent back (below), or removes the key in the car, ends its streaming, too")
    return left


def _left_by(error: TeslafastError) -> Left:
    """What a refusal leaves of a config. A car that the account has no more has none of it that could be deleted from here."""
    if isinstance(error, Declined) and error.status == HTTPStatus.NOT_FOUND:
        return Left.NOTHING
    meant = as_not_now(error) if isinstance(error, Declined) else error
    is_over = isinstance(meant, Misconfigured) or (isinstance(meant, NotNow) and meant.again is Step.LOGIN)
    return Left.FOR_GOOD if is_over else Left.FOR_NOW


def _tokens(context: SetupContext) -> None:
    if handed_over(load_tokens(context.folder)):
        context.console.line(fly_app.forget_tokens(context))
    store = TokenStore(context.folder, context.oauth)
    if store.load() is not None:
        store.forget()
        context.console.line("✓ tokens: forgotten here")


def _fly(context: SetupContext) -> bool:
    """Whether nothing is left at Fly."""
    app = context.notes.fly_app
    if context.notes.where != FLY or not app:
        return True
    if not fly_app.exists(context):
        context.console.line(f"✓ {app} is gone from Fly.io")
        return True
    ask = context.console.ask
    typed = ask(f"Type {app} to destroy the app at Fly.io with its journal", "", False) if ask else ""
    if typed.strip() != app:
        context.console.line(f"! {app} stays at Fly.io, and so do the files here: fly apps destroy {app}")
        return False
    fly_app.destroy(context)
    context.console.line(f"✓ {app} is gone from Fly.io")
    return True


def _files(context: SetupContext) -> None:
    """Everything, or everything but the key."""
    folder, key = context.folder.path, context.folder.path / KEY_FILE
    if not context.folder.exists:
        return
    if key.exists() and not _key_goes(context):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path not in (key, folder / IGNORING_FILE):
                path.unlink()
        context.console.line(f"! {key} stays: paired cars know it. To delete it, too: teslafast setup --remove --with-key")
        return
    shutil.rmtree(folder)
    context.console.line(f"✓ {folder} is gone")


def _key_goes(context: SetupContext) -> bool:
    if context.options.with_key:
        return True
    question = f"Delete {KEY_FILE}, too? With a new one every car would have to be paired again."
    return context.console.ask is not None and _agreed(context, question)
