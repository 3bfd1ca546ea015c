"""Step 5: the owner's consent, and tokens that can be refreshed."""

from __future__ import annotations

import math

from ..errors import Declined, Misconfigured
from ..onboarding import login
from ..onboarding.access_token import read_token
from ..onboarding.fleet_api import token_in
from ..onboarding.oauth import Attempt
from ..onboarding.refusals_of_tesla import AUTHORISE, SCOPES_FOR_TELEMETRY, Step
from ..onboarding.token_store import HERE, TokenStore, digest_of, handed_over
from .context import SetupContext
from .journey import SetupStep
from .outcome import Blocked, Waiting, as_not_now
from .portal_step import redirect_of

_LOGIN_TRIES = 3
_LISTEN_S = 0.5  # between two looks at what was typed meanwhile
_LOGIN_REMEDY = "run `teslafast login` (or setup without --yes), or set TESLA_REFRESH_TOKEN"


def _store(context: SetupContext) -> TokenStore:
    return TokenStore(context.folder, context.oauth)


def _look(context: SetupContext) -> str | None:
    if context.options.variable("TESLA_ACCESS_TOKEN"):
        facts = read_token(token_in(context.options.environment))
        lacking = [scope for scope in SCOPES_FOR_TELEMETRY if facts and facts.scopes and scope not in facts.scopes]
        if lacking:
            raise Waiting(f"TESLA_ACCESS_TOKEN lacks the scope {', '.join(lacking)}", AUTHORISE)
        return "TESLA_ACCESS_TOKEN is set, and wins"
    store = _store(context)
    tokens = store.load()
    if tokens is None or (not tokens.refresh_token and tokens.owner == HERE):
        return None
    if handed_over(tokens):
        _ = context.owner
        return f"{tokens.owner} has the tokens, and alone refreshes them; it lends one for this run"
    try:
        context.patiently("Tesla's token endpoint", store.access_token)
    except Blocked as error:  # login_required, and the like
        if context.options.look_only or not _another_way(context, tokens.adopted):
            raise error from None
        context.console.line(f"  ! {error.says}: {error.remedy}")
        return None
    tokens = store.load() or tokens
    if lacking := login.missing_scopes(tokens):
        if context.console.ask is None and not context.options.paste:
            raise Waiting(f"the owner's token lacks the scope {', '.join(lacking)}", AUTHORISE, again=Step.LOGIN)
        return None
    return f"scopes {' '.join(tokens.scopes) or 'unknown'}; tokens in {context.folder.path / 'tokens.json'}"


def _another_way(context: SetupContext, adopted: str) -> bool:
    """Whether there is another refresh token than the dead one's ancestor, or a person."""
    given = context.options.variable("TESLA_REFRESH_TOKEN")
    return context.console.ask is not None or context.options.paste or bool(given and digest_of(given) != adopted)


def _act(context: SetupContext) -> None:
    store = _store(context)
    context.forget_owner()
    tokens, given = store.load(), context.options.variable("TESLA_REFRESH_TOKEN")
    try:
        if given and (tokens is None or tokens.adopted != digest_of(given)):
            login.checked(context.patiently("Tesla's token endpoint", lambda: store.adopt(given)))
            return
        for left in range(_LOGIN_TRIES - 1, -1, -1):
            try:
                attempt = context.oauth.attempt(redirect_of(context))
                login.finish(store, attempt, _answer(context, attempt))
                return
            except Declined as error:  # a code lives two minutes: whoever was slow gets a new page
                if not left or "invalid_auth_code" not in error.words:
                    raise
                context.console.line("  ! the code was too old, or used already: once more")
    except Declined as error:
        raise as_not_now(error) from None
    except Misconfigured as error:
        if error.subject != login.LOGIN_SUBJECT:
            raise
        raise Waiting(error.fault, error.remedy, again=Step.LOGIN) from None  # something else was pasted


def _answer(context: SetupContext, attempt: Attempt) -> str:
    """The address at which the login ended. Raises Waiting."""
    options, console = context.options, context.console
    missing = Waiting("nobody has logged in", _LOGIN_REMEDY, again=Step.LOGIN)
    unattended = console.ask is None and not (options.paste or options.redirect)
    if unattended:
        raise missing
    if options.paste or not login.is_local(attempt.redirect):
        if console.paste is None:
            raise missing
        _show(context, attempt)
        return console.paste("  paste the address that you end at (it will not load)") or _raise(missing)
    with login.LoopbackListener(attempt) as listener:  # before the address is seen: a browser is quick
        _show(context, attempt)
        console.open(attempt.url)
        other = "paste the address that you end at (it will not load)" if console.typed else "Ctrl-C, then --paste"
        for passed in range(math.ceil(options.wait_s / _LISTEN_S)):
            console.status(f"waiting for the browser, {passed * _LISTEN_S:.0f} s (none here? {other})")
            if answer := listener.wait(_LISTEN_S) or _typed(context, attempt):
                return answer
    raise Waiting("nobody has logged in", f"{_LOGIN_REMEDY}; {_redirect_remedy(attempt)}", again=Step.LOGIN)


def _typed(context: SetupContext, attempt: Attempt) -> str:
    """An address that was pasted while the browser was waited for; "" if there is none."""
    line = context.console.typed() if context.console.typed else ""
    if line:
        try:
            login.read_answer(line, attempt)
        except Misconfigured as error:
            context.console.line(f"  ! {error.fault}: {error.remedy}")
            return ""
    return line


def _redirect_remedy(attempt: Attempt) -> str:
    """What the page may have said instead, which only the person has seen."""
    return (
        f"if Tesla's page says “We don't recognize this redirect_uri”, add exactly {attempt.redirect} to the app's Allowed "
        "Redirect URIs, and wait a few minutes"
    )


def _show(context: SetupContext, attempt: Attempt) -> None:
    context.console.must("  log in as the car's OWNER, and leave every box ticked:")
    context.console.must(f"    {attempt.url}")


def _raise(error: Waiting) -> str:
    raise error


LOGIN_STEP = SetupStep(Step.LOGIN, _look, _act, "open Tesla's login page, and keep the tokens")
