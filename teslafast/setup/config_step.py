"""
Step 10: the car's config. It is sent only if what the car has is not what it should have.

Before a push, the key is compared with the one that Tesla has. Then the car is waited for: it takes the config when it next talks
to Tesla.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..certificates import chain
from ..errors import Misconfigured
from ..onboarding import jws, presets, vehicle_config
from ..onboarding.app_key import require_same_key
from ..onboarding.fleet_api import Sent
from ..onboarding.refusals_of_tesla import Step
from ..onboarding.vehicle_config import ConfigStatus
from ..onboarding.vehicle_host import check_root
from .context import SetupContext, short_vin
from .journey import SetupStep
from .options import DEFAULT_PRESET
from .outcome import Blocked, Waiting
from .pairing_step import vins_of
from .road_test_step import ca_of
from .vehicle_steps import ask_owner

EXPIRY_S = 335 * 86400  # 11 months: below what Tesla takes
LEAST_LEFT_S = 60 * 86400  # a config that ends sooner is sent again
_WAKE = (
    "open the Tesla app or drive a little: the car takes it when it next talks to Tesla; after an hour, restart the car's screen"
)
_SKIPPED_AGAIN = {"missing_key": Step.PAIRING}


def wanted_fields(context: SetupContext) -> dict[str, float]:
    """The fields of the preset, with those of --field. Raises Misconfigured."""
    options, notes = context.options, context.notes
    preset = options.preset or options.variable("TESLAFAST_PRESET") or notes.preset or DEFAULT_PRESET
    if preset not in presets.PRESETS:
        raise Misconfigured("--preset", f"{preset!r} is not a preset", f"give one of: {', '.join(presets.PRESETS)}")
    if options.fields:
        notes.fields = vehicle_config.parse_fields(options.fields)
    elif options.preset:
        notes.fields = {}
    notes.preset = preset
    return {**presets.PRESETS[preset], **notes.fields}


def wanted_config(context: SetupContext, now: float) -> dict[str, Any]:
    """The config that the cars should have. Raises Misconfigured."""
    check_root(context.hostname, context.domain)
    return vehicle_config.build(context.hostname, context.port, ca_of(context), wanted_fields(context), int(now + EXPIRY_S))


def digest_of_config(config: Mapping[str, Any]) -> str:
    """What was asked for, without when it ends."""
    return hashlib.sha256(json.dumps({**config, "exp": 0}, sort_keys=True).encode()).hexdigest()[:16]


def differs(present: object, wanted: Mapping[str, Any]) -> bool:
    """Whether a car's config is another one than is wanted. What Tesla adds to it does not count."""
    if not isinstance(present, Mapping):
        return True
    if any(present.get(name) != wanted[name] for name in ("hostname", "port")) or not _same_ca(present.get("ca"), wanted["ca"]):
        return True
    have = present.get("fields")
    if not isinstance(have, Mapping) or have.keys() != wanted["fields"].keys():
        return True
    return any(not _holds(have[name], entry) for name, entry in wanted["fields"].items())


def _holds(have: object, entry: Mapping[str, Any]) -> bool:
    return isinstance(have, Mapping) and all(have.get(name) == value for name, value in entry.items())


def _same_ca(one: object, other: str) -> bool:
    try:
        return chain.read(str(one).encode()) == chain.read(other.encode())
    except ValueError:
        return False


def _states(context: SetupContext, vins: Sequence[str]) -> dict[str, tuple[Mapping[str, Any], ConfigStatus]]:
    """What each car has, and what that means."""
    found: dict[str, tuple[Mapping[str, Any], ConfigStatus]] = {}
    for vin in vins:
        answer = ask_owner(context, f"config of {short_vin(vin)}", lambda vin=vin: context.owner.show(vin))  # type: ignore[misc]
        status = vehicle_config.interpret(
            answer, context.console.clock.time(), _known(context, vin, answer), context.notes.domain
        )
        found[vin] = (answer, status)
    return found


def _known(context: SetupContext, vin: str, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its entry in `fleet_status`, asked for only if the answer says that the key is missing: that is a hint and no verdict."""
    if answer.get("key_paired") is False and vin not in context.statuses:
        context.statuses |= ask_owner(context, "key on the car", lambda: context.owner.fleet_status([vin]))
    return context.statuses.get(vin, {})


def _is_right(context: SetupContext, answer: Mapping[str, Any], status: ConfigStatus, wanted: Mapping[str, Any]) -> bool:
    config = answer.get("config")
    if status.state != "taken" or differs(config, wanted) or not isinstance(config, Mapping):
        return False
    expires = config.get("exp")
    return not isinstance(expires, int) or expires > context.console.clock.time() + LEAST_LEFT_S


def _look(context: SetupContext) -> str | None:
    wanted = wanted_config(context, context.console.clock.time())
    states = _states(context, vins_of(context))
    if not all(_is_right(context, answer, status, wanted) for answer, status in states.values()):
        context.seen = states
        return None
    _remember(context, wanted)
    said = "; ".join(f"{short_vin(vin)} {status.meaning}" for vin, (_, status) in states.items())
    return f"{context.notes.preset}: {said}"


def _act(context: SetupContext) -> None:
    wanted = wanted_config(context, context.console.clock.time())
    on_its_way = {vin for vin, (answer, _) in context.seen.items() if _is_waiting(context, answer, wanted)}
    targets = [vin for vin in vins_of(context) if vin not in on_its_way and not _has(context, vin, wanted)]
    if targets:
        _push(context, wanted, targets)
    _await(context, wanted)


def _has(context: SetupContext, vin: str, wanted: Mapping[str, Any]) -> bool:
    seen = context.seen.get(vin)
    return seen is not None and _is_right(context, *seen, wanted)


def _is_waiting(context: SetupContext, answer: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the wanted config is at Tesla and the car has not taken it yet: pushing it again makes it worse."""
    config, soon = answer.get("config"), context.console.clock.time() + LEAST_LEFT_S
    expires = config.get("exp") if isinstance(config, Mapping) else None
    return not answer.get("synced") and not differs(config, wanted) and isinstance(expires, int) and expires > soon


def _push(context: SetupContext, wanted: Mapping[str, Any], vins: list[str]) -> None:
    dollars = presets.dollars_a_month(wanted_fields(context))
    context.console.line(f"  {context.notes.preset}: {len(wanted['fields'])} fields, about ${dollars:.2f} a month for each car")
    for name in vehicle_config.not_known_here(wanted):
        context.console.line(f"  ! {name} is not a field that this version knows: Tesla decides whether it is one")
    base = context.owner.base_url
    try:
        registered = context.patiently("registration", lambda: context.partner(base).registered_key(context.domain))
        require_same_key(registered, context.key(), context.domain)
    except Misconfigured as error:
        raise Blocked(f"app.key {error.fault}", error.remedy, again=Step.REGISTRATION) from None
    sent = ask_owner(context, "config", _sending(context, wanted, vins))
    digest = digest_of_config(wanted)
    context.notes.pushed |= {vin: digest for vin in vins if vin not in sent.skipped}
    context.save()
    for vin, word in sent.skipped.items():
        known = context.statuses.get(vin)
        meaning, remedy = (
            vehicle_config.missing_key(known, context.domain)
            if word == "missing_key"
            else vehicle_config.SKIPPED.get(word, (f"Tesla skipped it: {word}", "look up Tesla's word in its documentation"))
        )
        raise Waiting(f"{short_vin(vin)} {word}: {meaning}", remedy, again=_SKIPPED_AGAIN.get(word))
    context.console.line("  signed, and taken by Tesla")


def _sending(context: SetupContext, wanted: Mapping[str, Any], vins: list[str]) -> Callable[[], Sent]:
    """
    Sends the config. Called again because no answer came, or a bad one, it looks first: Tesla may have taken it, and what is sent
    often is taken late.
    """
    tried: list[bool] = []

    def send() -> Sent:
        answers = {vin: context.owner.show(vin) for vin in vins} if tried else {}
        left = [vin for vin in vins if vin not in answers or differs(answers[vin].get("config"), wanted)]
        tried.append(True)
        return context.owner.send_signed(left, jws.token(wanted, context.key())) if left else Sent(len(vins), {})

    return send


def _await(context: SetupContext, wanted: Mapping[str, Any]) -> None:
    """Until every car has taken its config. Raises NotNow."""

    def look() -> bool | None:
        context.seen = _states(context, vins_of(context))
        for vin, (answer, status) in context.seen.items():
            if status.state in ("rejected", "limited"):
                raise _rejected(vin, answer, status)
        return all(_is_right(context, *seen, wanted) for seen in context.seen.values()) or None

    if context.until("the car takes it when it next talks to Tesla: open the Tesla app, or drive a little", look) is None:
        vin = next(vin for vin, seen in context.seen.items() if not _is_right(context, *seen, wanted))
        raise Waiting(f"{short_vin(vin)} has not taken its config yet", f"{_WAKE}; nothing need be sent again")


def _rejected(vin: str, answer: Mapping[str, Any], status: ConfigStatus) -> Waiting:
    if answer.get("synced") and answer.get("config") is None:
        meaning, remedy = vehicle_config.SKIPPED["max_configs"]
        return Waiting(f"{short_vin(vin)} has rejected its config (synced, but there is none): most often {meaning}", remedy)
    again = Step.PAIRING if answer.get("key_paired") is False else None
    return Waiting(f"{short_vin(vin)} {status.meaning}", status.remedy, again=again)


def _remember(context: SetupContext, wanted: Mapping[str, Any]) -> None:
    context.notes.pushed |= {vin: digest_of_config(wanted) for vin in vins_of(context)}


CONFIG_STEP = SetupStep(Step.CONFIG, _look, _act, "sign the config, send it, and wait until the car has taken it")
