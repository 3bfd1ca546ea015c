"""
Step 8: the app's key is on the car, which the owner's phone allows.

Tesla's list of paired vehicles decides. A Model S or X with an Intel Atom computer never has a key; its in-car switch takes the
key's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import qr_code
from ..onboarding.refusals_of_tesla import Step
from ..onboarding.vehicle_config import can_do_without_key, missing_key, pairing_link
from .context import SetupContext, short_vin
from .journey import SetupStep
from .outcome import Waiting
from .vehicle_steps import ask_owner

# What the phone may say → what it means, and the step to do over.
PHONE_ANSWERS: tuple[tuple[str, str, str, Step], ...] = (
    (
        "not registered",
        "“This third party isn't registered with Tesla”: the app is not registered there, or its key is not served",
        "look at both again: teslafast setup --from server --until registration",
        Step.SERVER,
    ),
    (
        "not granted",
        "“forbidden because you have not granted access”: the phone is logged in as somebody else, or there is no consent yet",
        "log in with the account of the phone; accounts.tesla.com → Security must list the app: teslafast setup --only login",
        Step.LOGIN,
    ),
    (
        "owner needed",
        "“Unable to share vehicle”: a driver's phone, a leased car, or a car that is offline",
        "open the link on the owner's phone, with the car awake and near; a lessor's car may never be paired",
        Step.PAIRING,
    ),
    (
        "nothing happens",
        "the Tesla app did not take the link",
        "force-quit the Tesla app (4.27.3 or later) and open the link again; with several cars choose the car in the app first",
        Step.PAIRING,
    ),
)


def vins_of(context: SetupContext) -> list[str]:
    """The vehicles of this set-up. Raises Waiting."""
    from ..onboarding.resolve import resolve_vins

    options = context.options
    if options.vins or options.variable("TESLA_VIN"):
        return resolve_vins(options.vins, options.environment)
    if not context.notes.vins:
        raise Waiting("no vehicle is chosen", "teslafast setup --only vehicle, or give --vin VIN", again=Step.VEHICLE)
    return context.notes.vins


def _unpaired(context: SetupContext) -> dict[str, Mapping[str, Any]]:
    """The vehicles without the key that need one, with what Tesla knows of them."""
    vins = vins_of(context)
    if not all(vin in context.statuses for vin in vins):
        context.statuses = ask_owner(context, "key on the car", lambda: context.owner.fleet_status(vins))
    return {vin: context.statuses.get(vin, {}) for vin in vins if not can_do_without_key(context.statuses.get(vin))}


def _look(context: SetupContext) -> str | None:
    if _unpaired(context):
        return None
    return "; ".join(f"{short_vin(vin)} {_why(context.statuses[vin])}" for vin in vins_of(context))


def _why(status: Mapping[str, Any]) -> str:
    return "is paired" if status.get("key_paired") else "needs no key: its switch for streaming is on"


def _act(context: SetupContext) -> None:
    left = _unpaired(context)
    for vin, status in left.items():
        _invite(context, vin, status)

    def look() -> bool | None:
        context.statuses = {}
        return None if _unpaired(context) else True

    while True:
        if context.until("waiting for the key on the car", look):
            return
        if _ask_phone(context):
            break
    vin, status = next(iter(_unpaired(context).items()))
    meaning, remedy = missing_key(status, context.domain)
    if vin in context.drivers:
        meaning += "; this account is a DRIVER's of it, and only the owner can pair it"
    remedy = remedy.replace("approve it, then configure again", "approve it with the car awake or near, then run setup again")
    raise Waiting(f"{short_vin(vin)}: {meaning}", remedy, again=Step.PAIRING)


def _invite(context: SetupContext, vin: str, status: Mapping[str, Any]) -> None:
    line, link = context.console.line, pairing_link(context.domain, vin)
    if status.get("vehicle_command_protocol_required") is False:
        line(f"  {short_vin(vin)}: {missing_key(status, context.domain)[1]}")
    line(f"  open on the owner's phone with the Tesla app:  {link}")
    if not context.options.no_qr and context.console.has_blocks:
        for row in qr_code.lines(link, coloured=context.console.coloured):
            line(f"  {row}")
    line('  approve "Add virtual key" there; near the car, or with the car awake')


def _ask_phone(context: SetupContext) -> bool:
    """What the phone says decides which step is done over; whether there is nobody to ask. Raises Waiting."""
    if context.console.ask is None or context.options.wait_s <= 0:
        return True
    missing = Waiting("the car has no key yet", "open the link on the owner's phone", again=Step.PAIRING)
    choices = [*(row[0] for row in PHONE_ANSWERS), "it is still waiting: look again"]
    number = context.console.choose("What does the phone say?", choices, missing, default=len(choices))
    if number == len(PHONE_ANSWERS):
        return False
    _, meaning, remedy, again = PHONE_ANSWERS[number]
    raise Waiting(meaning, remedy, again=again)


PAIRING_STEP = SetupStep(Step.PAIRING, _look, _act, "show the link with which the owner's phone adds the key")
