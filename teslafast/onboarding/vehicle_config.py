"""
A vehicle's telemetry config: made so that vehicles take it, and read back with what each state of it means.

Facts from tesla-protocol.md 8 and from the threads that it names: a port that is text, a `ca` without its root, a field name with
a typing error are accepted by some link of the chain and then never work. So `build` refuses them here, in words.
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..certificates import chain
from ..errors import Misconfigured
from ..protocol.signals import FIELDS

ALERT_TYPES = ("service",)

# why Tesla leaves a vehicle out of a config that was sent, and what to do (tesla-protocol.md 8.1)
SKIPPED: Mapping[str, tuple[str, str]] = {
    "missing_key": (
        "your app's virtual key is not on this vehicle",
        "open https://tesla.com/_ak/YOUR-APP'S-DOMAIN on the owner's phone, approve it, then configure again",
    ),
    "unsupported_hardware": (
        "its computer cannot stream (a Model S or X from before 2021 whose software is older than 2025.20)",
        "update its software if Tesla offers 2025.20 or later for it",
    ),
    "unsupported_firmware": (
        "its software is too old (2024.26 is the first that takes signed configs)",
        "update the vehicle's software, then configure again",
    ),
    "max_configs": (
        "too many apps stream from it already",
        "remove another app's access in the Tesla app (Security & Privacy, third-party apps), then configure again",
    ),
}

# what a vehicle or Tesla's cloud reports when streaming fails (tesla-protocol.md 8.1): the start of a report's name or text
ERRORS: Mapping[str, tuple[str, str]] = {
    "config_manager_error": (
        "the vehicle refused the config: its signature, or a value in it",
        "configure again with the key whose public half your app's domain serves; the port must be a number",
    ),
    "cloud_manager_error": (
        "the vehicle could not connect to your server",
        "run `teslafast doctor https://HOST:PORT`: port, certificate, or something in between that ends TLS",
    ),
}


@dataclass(frozen=True)
class Verdict:
    """`state`: taken, waiting, rejected, none or limited; what that means, and what to do ("" if nothing)."""

    state: str
    says: str
    remedy: str = ""

    @property
    def settled(self) -> bool:
        """Whether waiting longer will change nothing."""
        return self.state != "waiting"


def build(hostname: str, port: int, ca: str, fields: Mapping[str, float], expires: int) -> dict[str, Any]:
    """The `config` object. `ca`: PEM, root included; `fields`: least seconds between two signals; `expires`: s since 1970."""
    if "." not in hostname or not all(hostname.split(".")):
        remedy = "give the full name under your app's domain, for example telemetry.example.com"
        raise Misconfigured("--hostname", f"{hostname!r} is no name that a vehicle could find", remedy)
    unknown = sorted(set(fields) - set(FIELDS[1:]))
    if unknown:
        raise Misconfigured("--field", f"{unknown[0]!r} is no field", f"did you mean {nearest(unknown[0])}?")
    return {
        "hostname": hostname,
        "port": int(port),  # as text, vehicles ignore it without a word
        "ca": checked_ca(ca),
        "fields": {name: {"interval_seconds": _plain(interval)} for name, interval in fields.items()},
        "alert_types": list(ALERT_TYPES),
        "delivery_policy": "latest",  # what was not acknowledged is sent again
        "exp": int(expires),
    }


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def nearest(word: str) -> str:
    """The field whose name is most like it."""
    import difflib

    return difflib.get_close_matches(word, FIELDS[1:], 1, 0)[0]


def checked_ca(ca: str) -> str:
    """The certificates alone, without what was written between them. Raises Misconfigured unless they are CAs up to a root."""
    remedy = "give the PEM of everything above the server's certificate: intermediates and root"
    try:
        certificates = chain.read(ca.encode())
    except ValueError:
        raise Misconfigured("--ca", "holds no readable certificate", remedy) from None
    if not all(map(chain.is_ca, certificates)):
        leaf = next(one for one in certificates if not chain.is_ca(one))
        fault = f"{chain.name_of(leaf.subject)!r} is no CA: vehicles do not take a server's certificate in place of its CA"
        raise Misconfigured("--ca", fault, remedy)
    if not any(map(chain.is_root, certificates)):
        top = chain.name_of(certificates[-1].issuer)
        raise Misconfigured("--ca", f"ends below its root: {top!r} is missing", remedy)
    return chain.write(certificates)


def judge(answer: Mapping[str, Any], now: float) -> Verdict:
    """What `GET …/fleet_telemetry_config` says of one vehicle. `now`: seconds since 1970."""
    config = answer.get("config")
    if answer.get("key_paired") is False:
        return Verdict("rejected", *SKIPPED["missing_key"])
    if answer.get("limit_reached"):
        return Verdict("limited", *SKIPPED["max_configs"])
    if not isinstance(config, Mapping):
        if answer.get("synced"):
            remedy = f"most often {SKIPPED['max_configs'][0]}; see `teslafast vehicle errors`, then configure again"
            return Verdict("rejected", "the vehicle has rejected its config (synced, but there is none)", remedy)
        return Verdict("none", "there is no config for it", "send one: teslafast vehicle configure")
    expires = config.get("exp")
    if isinstance(expires, int) and expires <= now:
        return Verdict("rejected", f"its config expired on {_day(expires)}", "send it again: teslafast vehicle configure")
    if not answer.get("synced"):
        return Verdict("waiting", "the vehicle takes its config when it next talks to Tesla", "wake or drive it, or wait")
    until = f", until {_day(expires)}" if isinstance(expires, int) else ""
    where = f"{config.get('hostname')}:{config.get('port')}"
    return Verdict("taken", f"streams {len(config.get('fields') or {})} fields to {where}{until}")


def _day(seconds: int) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"  # beyond the calendar


def explain_error(report: Mapping[str, Any]) -> tuple[str, str]:
    """(what a reported error means, what to do), ("", "") for one that is not known here."""
    return ERRORS.get(str(report.get("error_name")), ("", ""))


def shown(config: Mapping[str, Any]) -> str:
    """The config as JSON for people: sorted by nothing, indented."""
    return json.dumps(config, indent=2)


def parse_fields(words: Sequence[str]) -> dict[str, float]:
    """`Soc=60` … of a command line → least seconds between two signals. Raises Misconfigured."""
    fields = {}
    for word in words:
        name, separator, seconds = word.partition("=")
        try:
            interval = float(seconds) if separator else 0.0
        except ValueError:
            interval = 0.0
        if not 1 <= interval <= 86400 * 30:
            raise Misconfigured("--field", f"{word!r} gives no interval", "give for example Soc=60 (seconds, 1 at least)")
        fields[name] = interval
    return fields
