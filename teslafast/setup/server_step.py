"""
Step 2: a server that runs, and that serves the app's public key where Tesla fetches it.

Where it runs is asked once: on Fly.io (fly_app.py), on this machine (own_server.py), or somewhere else already.
"""

from __future__ import annotations

from ..doctor.health import check_health
from ..errors import Misconfigured, PermanentFault, Unhealthy
from ..onboarding.app_key import public_hex, public_pem
from ..onboarding.refusals_of_tesla import Step
from ..onboarding.served_key import NotServed, check_served_key
from ..onboarding.setup_notes import ELSEWHERE, FLY, ON_THIS_MACHINE
from ..onboarding.state_folder import GIVEN_CA_FILE
from ..urls import parse_url
from . import fly_app, home, own_server
from .context import SetupContext
from .journey import SetupStep
from .options import check_on
from .outcome import Blocked, NotNow, Waiting, not_served

PUBLIC_KEY_FILE = "public-key.pem"


def decide(context: SetupContext) -> str:
    """fly, here or elsewhere, and with it the notes' url. Raises Waiting, Misconfigured."""
    notes, options = context.notes, context.options
    given = check_on(options.on) or check_on(options.variable("TESLAFAST_ON"), "TESLAFAST_ON")
    if not given and options.fly_app:
        given = FLY
    if not given and not notes.where:
        missing = Waiting("it is not known where the server runs", "give --on fly, --on here, or --on https://YOUR-SERVER")
        number = context.console.choose(
            "Where will the server run?", ("Fly.io", "this machine", "somewhere else, already running"), missing
        )
        given = (FLY, ON_THIS_MACHINE, ELSEWHERE)[number]
        if given == ELSEWHERE:
            given = context.console.answer_as("Its address (https://…)", "", missing, _elsewhere)
    before = notes.where
    if given in (FLY, ON_THIS_MACHINE):
        notes.where = given
    elif given:
        notes.where, notes.url = ELSEWHERE, given
        _default_domain(context)
    elif notes.where == ELSEWHERE:
        check_on(notes.url)
    if before not in ("", notes.where) and not options.look_only:
        context.folder.remove(GIVEN_CA_FILE)  # of the other server
    if notes.where == FLY:
        fly_app.name(context)
    elif notes.where == ON_THIS_MACHINE:
        notes.url = own_server.url(context)
    return notes.where


def _elsewhere(text: str) -> str:
    """A server's address; a place's word is none. Raises Misconfigured."""
    given = check_on(text)
    if given in (FLY, ON_THIS_MACHINE):
        raise Misconfigured("--on", f"{text!r} is not an address", "give one such as https://road.example.com")
    return given


def _default_domain(context: SetupContext) -> None:
    """The name in the server's address is the domain, unless another is given."""
    options, host = context.options, parse_url(context.notes.url, ("https", "http"), default="https", example="").hostname or ""
    if not (options.domain or options.variable("TESLAFAST_DOMAIN") or context.notes.domain) and "." in host:
        try:
            parse_url(f"https://{host}", ("https",), default="", example="")
            context.notes.domain = host if not host.replace(".", "").isdigit() else ""
        except Misconfigured:
            context.notes.domain = ""


def _look(context: SetupContext) -> str | None:
    where = decide(context)
    if where == ON_THIS_MACHINE and not context.domain_is_known and context.console.ask is not None:
        home.introduce(context)
    _ = context.hostname, context.port  # decided with the place, and kept
    if where == FLY and fly_app.lacks(context):
        return None
    if where == ON_THIS_MACHINE and own_server.lacks(context):
        return None
    try:
        return _found(context)
    except NotNow as error:
        again = isinstance(error, Waiting) or where == FLY  # another deploy may put right what is served there
        if context.options.look_only or context.acted or not again:
            raise
        return None


def _found(context: SetupContext) -> str:
    """What a look from outside finds. Raises NotNow, Misconfigured."""
    notes = context.notes
    try:
        well = check_health(notes.url)
    except PermanentFault as error:
        raise Blocked(f"the server cannot be asked: {error.fault}", error.remedy) from None
    except Unhealthy as error:
        raise Waiting(f"the server is not well: {error.fault}", own_server.start_remedy(context, error.fault)) from None
    trial = notes.url if context.is_trial(context.domain) else ""
    try:
        at = check_served_key(context.domain, public_hex(context.key()), trial)
    except NotServed as error:
        if notes.where != ON_THIS_MACHINE or trial:
            raise not_served(error) from None
        home.check_name(context)
        seen = home.key_seen_otherwise(context, public_hex(context.key())) if error.silent else ""
        if not seen:
            if error.silent:
                error.remedy += f". {home.NOT_FROM_HERE}"
            raise not_served(error) from None
        return f"{notes.url} is well ({well.partition(':')[0]}); the key of https://{context.domain}: {seen}"
    how = "asked on this machine alone: no DNS knows the domain" if trial else "publicly trusted"
    return f"{notes.url} is well ({well.partition(':')[0]}); {at} is ours, {how}"


def _act(context: SetupContext) -> None:
    context.acted = True
    if context.folder.read(PUBLIC_KEY_FILE) != public_pem(context.key()):
        context.folder.write(PUBLIC_KEY_FILE, public_pem(context.key()))
    if context.notes.where == FLY:
        fly_app.deploy(context)
    elif context.notes.where == ON_THIS_MACHINE:
        own_server.prepare(context)
    else:
        public = context.folder.path / PUBLIC_KEY_FILE
        context.console.line(f"  the server there needs TESLA_PUBLIC_KEY_PATH: a copy of {public}")
    _await(context)


def _await(context: SetupContext) -> None:
    """Until the server is well and serves the key. Raises NotNow."""
    last: list[NotNow] = []

    def look() -> str | None:
        try:
            return _found(context)
        except Waiting as error:
            last[:] = [error]
            return None

    if context.until(f"waiting for {context.notes.url}", look) is None and last:
        raise last[0]


SERVER_STEP = SetupStep(Step.SERVER, _look, _act, "make what is missing, and start the server")
