"""
Step 4: the app is registered in North America and in Europe, and Tesla has our key.

The owner's region is not known yet, and Tesla recommends all: one success is enough, another region's failure is a note.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..errors import Declined, PermanentFault, Unhealthy
from ..onboarding.accounts import noted_base
from ..onboarding.app_key import public_hex
from ..onboarding.refusals_of_tesla import UNKNOWN_REFUSAL, Kind, Step, explain
from ..onboarding.tesla_hosts import REGION_NAMES, region_of
from ..rfc3339 import rfc3339
from .context import SetupContext
from .journey import SetupStep
from .outcome import Blocked, Waiting


def bases(context: SetupContext) -> list[str]:
    """The regions' addresses; that of the owner's as well, where it is known and another."""
    found = list(context.oauth.hosts.bases().values())
    return found + [base for base in [_owners(context)] if base and base not in found]


def _owners(context: SetupContext) -> str:
    """The address of the owner's region, "" while it is not known."""
    return noted_base(context.notes, context.oauth.hosts)


def name_of(base: str) -> str:
    """A region's name, or the host that stands for it."""
    return REGION_NAMES.get(region_of(base), base.partition("://")[2])


def key_at_tesla(context: SetupContext, base: str) -> str:
    """The key that is registered in a region, "" if none is. Raises Declined, Unhealthy, Waiting."""
    try:
        return context.partner(base).registered_key(context.domain)
    except Declined as error:
        meant = explain(error.status, error.words or error.fault)
        # Nobody knows how Tesla answers for a domain that it has never seen; without one, it was a 500. Registering shows it.
        may_be_new = meant.kind is Kind.DO or meant == UNKNOWN_REFUSAL
        if (may_be_new and error.status in (400, 404, 412, 422)) or error.status >= 500:
            return ""
        raise


def is_registered(context: SetupContext, base: str) -> bool:
    """Whether a region has our key. Raises Blocked if it has another's, or at the billing limit; Declined, Unhealthy."""
    context.check_limit()
    found = key_at_tesla(context, base)
    if not found:
        return False
    if found != public_hex(context.key()):
        raise another_key(context, base)
    context.notes.registered.setdefault(region_of(base) or base, rfc3339(time.time_ns()))
    return True


def another_key(context: SetupContext, base: str) -> Blocked:
    """What is said where Tesla has a key for the domain that is not ours."""
    says = f"Tesla ({name_of(base)}) has another's key for {context.domain}, not the one of app.key"
    remedy = "put back the app.key that was registered; or serve and register this one anew, and pair every car again"
    return Blocked(says, remedy, again=Step.APP_KEY)


def register(context: SetupContext, base: str) -> None:
    """Registers the app in a region, if it is not yet; waited for. Raises NotNow."""
    context.patiently(f"registration in {name_of(base)}", lambda: _register(context, base))


def _register(context: SetupContext, base: str) -> None:
    """Tried once: looked at first, since an answer may have been lost. Raises Blocked, Declined, Unhealthy."""
    if is_registered(context, base):
        return
    try:
        got = context.partner(base).register(context.domain)
    except Declined as error:
        # For an app that is registered already, Tesla has been seen to say that the key or the domain is taken.
        if "already been taken" in error.words and is_registered(context, base):
            return
        raise
    if got and got != public_hex(context.key()):
        raise another_key(context, base)
    context.notes.registered[region_of(base) or base] = rfc3339(time.time_ns())


def _look(context: SetupContext) -> str | None:
    registered = context.patiently("registration", lambda: _regions_with_our_key(context))
    owners = _owners(context)
    needed = owners or bases(context)[0]
    if context.tried_regions and (needed not in registered if owners else not registered):
        _shown(context, needed)
        registered.append(needed)
    failed = [base for base in bases(context) if base not in registered]
    if not registered or (owners and owners not in registered) or (failed and not context.tried_regions):
        return None
    said = ", ".join(name_of(base) for base in registered)
    note = f"; not in {', '.join(name_of(base) for base in failed)}" if failed else ""
    return f"{said}: Tesla has fetched the key, and it is ours{note}"


def _regions_with_our_key(context: SetupContext) -> list[str]:
    """Asks each region once. A region that does not answer has none, unless no region answers. Raises Blocked, or why not."""
    registered: list[str] = []
    refused: list[Declined | Unhealthy] = []
    for base in bases(context):
        try:
            if is_registered(context, base):
                registered.append(base)
        except (Declined, Unhealthy) as error:
            if _is_final(error):
                raise
            refused.append(error)
    if len(refused) == len(bases(context)):
        raise _hopeful(refused)
    return registered


def _is_final(error: Declined | Unhealthy) -> bool:
    """Whether a refusal holds for every region, and for good."""
    return isinstance(error, Declined) and explain(error.status, error.words or error.fault).kind is Kind.STOP


def _hopeful(refused: Sequence[Declined | Unhealthy]) -> Declined | Unhealthy:
    """Of several regions' refusals, one that waiting may mend; the first if there is none."""

    def may_pass(error: Declined | Unhealthy) -> bool:
        if isinstance(error, Declined):
            return explain(error.status, error.words or error.fault).kind is Kind.WAIT
        return not isinstance(error, PermanentFault)

    return next(filter(may_pass, refused), refused[0])


def _shown(context: SetupContext, base: str) -> None:
    """
    After a registration that Tesla took: that it shows our key. A server error is no answer any more, but what is waited for.
    Raises NotNow.
    """
    domain = context.domain
    found = context.patiently(f"the key in {name_of(base)}", lambda: context.partner(base).registered_key(domain))
    if not found:
        raise Waiting("Tesla took the registration, and does not show the key yet", "run setup again in a few minutes")
    if found != public_hex(context.key()):
        raise another_key(context, base)


def _act(context: SetupContext) -> None:
    context.tried_regions = True
    for failure in context.patiently("registration", lambda: _register_everywhere(context)):
        context.console.line(f"  ! {failure.fault}: {failure.remedy}")


def _register_everywhere(context: SetupContext) -> list[Declined | Unhealthy]:
    """Tries each region once; why some did not take the app. Raises Blocked; or why not, if none did, or not the owner's."""
    refused: list[Declined | Unhealthy] = []
    for base in bases(context):
        try:
            _register(context, base)
        except (Declined, Unhealthy) as error:
            if _is_final(error) or base == _owners(context):
                raise
            refused.append(error)
    if len(refused) == len(bases(context)):
        raise _hopeful(refused)
    return refused


REGISTRATION_STEP = SetupStep(Step.REGISTRATION, _look, _act, "register the app's domain in North America and Europe")
