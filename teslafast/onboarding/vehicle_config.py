"""
A vehicle's telemetry config: built so that vehicles accept it, and read back with the meaning of each of its states.

Tesla accepts a port that is text, a `ca` without its root, and a name that no vehicle finds, and then the vehicle never streams
(docs/protocol.md). So `build` refuses them here, with the reason.
"""

import datetime
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..certificates import chain
from ..errors import Misconfigured
from ..text import one_line
from .field_names import KNOWN, unknown_fields
from .vehicle_host import check_vehicle_host

ALERT_TYPES = ("service",)
LONGEST_INTERVAL_S = 86400 * 30  # a month: whoever wants a field less often does not want it streamed

LEAST_EXPIRY_S = 3600  # a vehicle that sleeps takes its config hours later; a shorter one would never stream
LONGEST_EXPIRY_S = 360 * 86400  # Tesla refuses about a year ("expiration should be …"); others report 364 days as its limit

KEYS_AT_MOST = 20  # that a vehicle takes

_SWITCH = "in the car, turn on Controls → Safety → Allow Third-Party App Data Streaming"

# Tesla's word for skipping a vehicle -> (meaning, remedy); docs/protocol.md
SKIPPED: Mapping[str, tuple[str, str]] = {
    "missing_key": (
        "your app's virtual key is not on this vehicle",
        f"{{pair}}; a Model S or X with an Intel Atom computer (2018 to 2021) takes no key: {_SWITCH}",
    ),
    "unsupported_hardware": (
        "its computer cannot stream (a Model S or X from before 2021 with software older than 2025.20)",
        "update its software if Tesla offers 2025.20 or later for it",
    ),
    "unsupported_firmware": (
        "its software is too old (2024.26 is the first that accepts signed configs)",
        "update the vehicle's software, then configure again",
    ),
    "max_configs": (
        "too many apps already stream from it",
        "remove another app's access in the Tesla app (Security & Privacy, third-party apps), then configure again",
    ),
}


@dataclass(frozen=True)
class ConfigStatus:
    """`state`: taken, waiting, rejected, none or limited; its meaning, and a remedy ("" if there is nothing to do)."""

    state: str
    meaning: str
    remedy: str = ""

    @property
    def settled(self) -> bool:
        """Whether waiting longer will change nothing."""
        return self.state != "waiting"


def build(
    hostname: str,
    port: int,
    ca: str,
    fields: Mapping[str, float],
    expires: int,
    *,
    new: Collection[str] = (),
    included: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """
    The `config` object. `ca`: PEM, root included; `fields`: least seconds between two signals; `expires`: s since 1970; `new`:
    fields that are sent although this version does not know them; `included`: fields that are sent along with a field.
    """
    host = check_vehicle_host(hostname)
    along = included or {}
    unknown_fields({*fields, *(name for names in along.values() for name in names)}.difference(new))
    if alone := sorted(set(along).difference(fields)):
        raise Misconfigured("--include", f"{alone[0]} is not asked for", f"add it: --field {alone[0]}=60")
    return {
        "hostname": host,
        "port": int(port),  # vehicles silently ignore a port that is text
        "ca": validate_ca(ca),
        "fields": {
            name: {"interval_seconds": _plain(interval)} | ({"include_fields": [*along[name]]} if name in along else {})
            for name, interval in fields.items()
        },
        "alert_types": list(ALERT_TYPES),
        "delivery_policy": "latest",  # the vehicle sends again what was not acknowledged
        "exp": int(expires),
    }


def not_known_here(config: Mapping[str, Any]) -> list[str]:
    """The fields of a config that this version does not know; Tesla answers for them."""
    asked = config["fields"]
    return sorted({*asked, *(name for entry in asked.values() for name in entry.get("include_fields", ()))}.difference(KNOWN))


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def validate_ca(ca: str) -> str:
    """The certificates without the text between them. Raises Misconfigured unless they are CAs, one of them a root."""
    remedy = "give the PEM of everything above the server's certificate: intermediates and root"
    try:
        certificates = chain.read(ca.encode())
    except ValueError as error:
        raise Misconfigured("--ca", str(error), remedy) from None
    if not all(map(chain.is_ca, certificates)):
        leaf = next(one for one in certificates if not chain.is_ca(one))
        fault = f"{chain.name_of(leaf.subject)!r} is not a CA: vehicles do not accept a server's certificate in place of its CA"
        raise Misconfigured("--ca", fault, remedy)
    if not any(map(chain.is_root, certificates)):
        top = chain.name_of(certificates[-1].issuer)
        raise Misconfigured("--ca", f"ends below its root: {top!r} is missing", remedy)
    return chain.write(certificates)


def pairing_link(domain: str, vin: str = "") -> str:
    """Where the owner's phone gives the app's key to a car. `domain`: "" if it is not known."""
    return f"https://tesla.com/_ak/{domain or 'DOMAIN'}" + (f"?vin={vin}" if vin and domain else "")


def interpret(answer: Mapping[str, Any], now: float, known: Mapping[str, Any] | None = None, domain: str = "") -> ConfigStatus:
    """
    The meaning of the answer to `GET …/fleet_telemetry_config`. `now`: seconds since 1970; `known`: the vehicle's entry in
    `fleet_status`, which decides what a missing key means; `domain`: the app's, for the link with which it is paired.

    Facts come before hints: a vehicle that has taken its config streams, although old Model S and X never have a key.
    """
    config = answer.get("config")
    if isinstance(config, Mapping):
        expires = config.get("exp")
        if isinstance(expires, int) and expires <= now:
            return ConfigStatus(
                "rejected", f"its config expired on {_day(expires)}", "send it again: teslafast vehicle configure"
            )
        if answer.get("synced"):
            until = f", until {_day(expires)}" if isinstance(expires, int) else ""
            where = one_line(f"{config.get('hostname')}:{config.get('port')}")
            fields = config.get("fields")
            return ConfigStatus("taken", f"streams {len(fields) if isinstance(fields, Mapping) else 0} fields to {where}{until}")
    if answer.get("key_paired") is False and not can_do_without_key(known):
        return ConfigStatus("rejected", *missing_key(known, domain))
    if answer.get("limit_reached"):
        return ConfigStatus("limited", *SKIPPED["max_configs"])
    if isinstance(config, Mapping):
        return ConfigStatus(
            "waiting", "the vehicle fetches its config when it next connects to Tesla", "wake or drive it, or wait"
        )
    if answer.get("synced"):
        meaning = "the vehicle has rejected its config (synced, but there is none), or none was ever sent"
        remedy = f"send one: teslafast vehicle configure; if it was rejected, most often {SKIPPED['max_configs'][0]}: see"
        return ConfigStatus("rejected", meaning, f"{remedy} `teslafast vehicle errors`")
    return ConfigStatus("none", "it has no config", "send one: teslafast vehicle configure")


def can_do_without_key(known: Mapping[str, Any] | None) -> bool:
    """
    Whether a vehicle streams although its config's answer says `key_paired: false`, which is a hint and no verdict: it is in
    Tesla's list of paired ones, or its in-car switch is on (Model S and X with an Intel Atom never have a key).
    """
    entry = known or {}
    return entry.get("key_paired") is True or entry.get("safety_screen_streaming_toggle_enabled") is True


def missing_key(known: Mapping[str, Any] | None, domain: str = "") -> tuple[str, str]:
    """
    (meaning, remedy) for a vehicle without the app's key. `known`: its entry in `fleet_status`. Where
    `vehicle_command_protocol_required` is false, the in-car switch takes the key's place; but the flag is wrong for some Model 3
    and Y, so both remedies are said.
    """
    pair = f"open {pairing_link(domain)} on the owner's phone, approve it, then configure again"
    if not domain:
        pair += " (DOMAIN: your app's)"
    needs_key, switch = (
        (known or {}).get("vehicle_command_protocol_required"),
        (known or {}).get("safety_screen_streaming_toggle_enabled"),
    )
    meaning, both = SKIPPED["missing_key"]
    keys = (known or {}).get("total_number_of_keys")
    if isinstance(keys, int) and keys >= KEYS_AT_MOST:
        return f"{meaning}, and it has {keys} keys: it takes no more", f"remove one in the car (Controls → Locks); then {pair}"
    if needs_key is True:
        return meaning, pair
    if needs_key is False or switch is False:
        meaning = "Tesla says that this vehicle takes no virtual key: the owner allows streaming in the car"
        return meaning, f"{_SWITCH}; if the car has no such switch (Tesla's flag is wrong for some Model 3 and Y), {pair}"
    return meaning, both.format(pair=pair)


def check_expiry(seconds: float) -> None:
    """Raises Misconfigured unless a config may be valid for so long."""
    if not LEAST_EXPIRY_S <= seconds <= LONGEST_EXPIRY_S:
        fault = (
            f"{seconds:g} s is too short" if seconds < LEAST_EXPIRY_S else f"{seconds / 86400:g} days is more than Tesla takes"
        )
        raise Misconfigured("--expires", fault, "give 1h to 360d")


def _day(seconds: int) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"  # beyond the calendar


def to_json(config: Mapping[str, Any]) -> str:
    """The config as JSON for people: indented, in insertion order."""
    return json.dumps(config, indent=2)


def parse_included(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`Location=GpsHeading,VehicleSpeed` … of a command line → the fields that are sent along. Raises Misconfigured."""
    included = {}
    for word in words:
        name, _, others = word.partition("=")
        along = tuple(filter(None, (other.strip() for other in others.split(","))))
        if not along:
            remedy = "give NAME=OTHER[,OTHER…], for example Location=GpsHeading"
            raise Misconfigured("--include", f"{word!r} names nothing to send along", remedy)
        included[name.strip()] = along
    return included


def parse_fields(words: Sequence[str]) -> dict[str, float]:
    """`Soc=60` … of a command line → the least number of seconds between two signals. Raises Misconfigured."""
    fields = {}
    for word in words:
        name, separator, seconds = word.partition("=")
        try:
            interval = float(seconds) if separator else 0.0
        except ValueError:
            interval = 0.0
        if not 1 <= interval <= LONGEST_INTERVAL_S:
            raise Misconfigured(
                "--field", f"{word!r} has no usable interval", "give NAME=SECONDS, for example Soc=60 (1 to 2592000)"
            )
        fields[name] = interval
    return fields
