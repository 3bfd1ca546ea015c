"""
Step 12: it goes on streaming, because somebody renews what ends.

On Fly.io the server gets the tokens and configs that are signed beforehand, never the key, and from then on it alone refreshes. A
server on this machine reads the set-up's own folder. Any other is told the date to remember.
"""

from __future__ import annotations

import datetime

from ..onboarding.refusals_of_tesla import Step
from ..onboarding.setup_notes import FLY, ON_THIS_MACHINE
from ..onboarding.signed_configs import load_signed, save_signed, sign_ahead
from ..onboarding.state_folder import STATE_VARIABLE
from ..onboarding.token_store import handed_over, load_tokens
from . import fly_app
from .config_step import differs, wanted_config
from .context import SetupContext
from .journey import SetupStep
from .pairing_step import vins_of

_REMEMBER_S = 275 * 86400  # 60 days before a config of 11 months ends


def signed_is_right(context: SetupContext) -> bool:
    """Whether configs.jws holds the present config for the present cars."""
    from ..onboarding.access_token import read_claims

    signed = load_signed(context.folder)
    if not signed or signed[-1].exp < context.console.clock.time() + 365 * 86400:
        return False
    wanted = wanted_config(context, context.console.clock.time())
    vins = set(vins_of(context))
    return all(vins <= set(one.vins) and not differs(read_claims(one.token), wanted) for one in signed)


def _look(context: SetupContext) -> str | None:
    if context.options.variable("TESLA_ACCESS_TOKEN"):
        return f"TESLA_ACCESS_TOKEN lives 8 hours: {_date(context)}"
    tokens = load_tokens(context.folder)
    if context.notes.where == FLY:
        if handed_over(tokens):
            _ = context.owner  # which the server lends: so it has the tokens, and refreshes them
            return f"{context.notes.fly_app} renews it (`fly ssh console -C '{fly_app.STATUS_THERE}'`)"
        return _date(context) if context.notes.handed_over == "no" else None
    if not signed_is_right(context):
        return None
    if context.notes.where == ON_THIS_MACHINE:
        return f"the server on this machine renews it from {context.folder.path} ({STATE_VARIABLE} in serve.env)"
    return f"{_date(context)}; or let the server do it: {STATE_VARIABLE} and this folder, on its machine alone"


def _date(context: SetupContext) -> str:
    when = datetime.datetime.fromtimestamp(context.console.clock.time() + _REMEMBER_S, datetime.UTC)
    return f"remember {when:%Y-%m}: run `teslafast setup` again before the config ends"


def _act(context: SetupContext) -> None:
    now = context.console.clock.time()
    if not signed_is_right(context):
        save_signed(context.folder, sign_ahead(wanted_config(context, now), vins_of(context), context.key(), now))
    if context.notes.where == FLY:
        question = "Shall the server renew this by itself? It gets the refresh token and signed configs, not the key"
        answer = context.console.ask(question, "yes", False) if context.console.ask else "yes"
        if answer.strip().lower() not in ("", "y", "yes"):
            context.notes.handed_over = "no"
            return
        question = "Shall it also show what cars report to Tesla? For that it gets the client secret, too"
        secret = context.console.ask(question, "no", False) if context.console.ask else "no"
        fly_app.hand_over(context, with_secret=secret.strip().lower() in ("y", "yes"))
        context.forget_owner()


KEEPING_STEP = SetupStep(Step.KEEPING, _look, _act, "sign the next configs, and hand the renewal over to the server")
