"""
A vehicle's telemetry config: built so that vehicles accept it, and read back with the meaning of each of its states.

Tesla accepts a port that is text, a `ca` without its root, and a misspelt field name, and then the vehicle never streams
(docs/protocol.md). So `build` refuses them here, with the reason.
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
LONGEST_INTERVAL_S = 86400 * 30  # a month: whoever wants a field less often does not want it streamed

# Tesla's word for skipping a vehicle -> (meaning, remedy); docs/protocol.md
SKIPPED: Mapping[str, tuple[str, str]] = {
    "missing_key": (
        "your app's virtual key is not on this vehicle",
        "open https://tesla.com/_ak/YOUR-APP'S-DOMAIN on the owner's phone, approve it, then configure again",
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

# What vehicles report when streaming fails: the start of the report's `error_name` -> (meaning, remedy); docs/protocol.md
ERROR_MEANINGS: Mapping[str, tuple[str, str]] = {
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
class ConfigStatus:
    """`state`: taken, waiting, rejected, none or limited; its meaning, and a remedy ("" if there is nothing to do)."""

    state: str
    meaning: str
    remedy: str = ""

    @property
    def settled(self) -> bool:
        """Whether waiting longer will change nothing."""
        return self.state != "waiting"


def build(hostname: str, port: int, ca: str, fields: Mapping[str, float], expires: int) -> dict[str, Any]:
    """The `config` object. `ca`: PEM, root included; `fields`: least seconds between two signals; `expires`: s since 1970."""
    if "." not in hostname or not all(hostname.split(".")):
        remedy = "give the full name under your app's domain, for example telemetry.example.com"
        raise Misconfigured("--hostname", f"{hostname!r} is not a name that a vehicle can find", remedy)
    unknown = sorted(set(fields) - set(FIELDS[1:]))
    if unknown:
        raise Misconfigured("--field", f"{unknown[0]!r} is not a field", _spelling(unknown[0]))
    return {
        "hostname": hostname,
        "port": int(port),  # vehicles silently ignore a port that is text
        "ca": validate_ca(ca),
        "fields": {name: {"interval_seconds": _plain(interval)} for name, interval in fields.items()},
        "alert_types": list(ALERT_TYPES),
        "delivery_policy": "latest",  # the vehicle sends again what was not acknowledged
        "exp": int(expires),
    }


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _spelling(word: str) -> str:
    """The remedy for a field that does not exist: the one that is spelt most like it, if any is."""
    import difflib

    similar = difflib.get_close_matches(word, FIELDS[1:], 1)
    if similar:
        return f"did you mean {similar[0]}?"
    return "list the fields: teslafast vehicle configure --preset everything --dry-run"


def validate_ca(ca: str) -> str:
    """The certificates without the text between them. Raises Misconfigured unless they are CAs, one of them a root."""
    remedy = "give the PEM of everything above the server's certificate: intermediates and root"
    try:
        certificates = chain.read(ca.encode())
    except ValueError:
        raise Misconfigured("--ca", "holds no readable certificate", remedy) from None
    if not all(map(chain.is_ca, certificates)):
        leaf = next(one for one in certificates if not chain.is_ca(one))
        fault = f"{chain.name_of(leaf.subject)!r} is not a CA: vehicles do not accept a server's certificate in place of its CA"
        raise Misconfigured("--ca", fault, remedy)
    if not any(map(chain.is_root, certificates)):
        top = chain.name_of(certificates[-1].issuer)
        raise Misconfigured("--ca", f"ends below its root: {top!r} is missing", remedy)
    return chain.write(certificates)


def interpret(answer: Mapping[str, Any], now: float) -> ConfigStatus:
    """The meaning of the answer to `GET …/fleet_telemetry_config`. `now`: seconds since 1970."""
    config = answer.get("config")
    if answer.get("key_paired") is False:
        return ConfigStatus("rejected", *SKIPPED["missing_key"])
    if answer.get("limit_reached"):
        return ConfigStatus("limited", *SKIPPED["max_configs"])
    if not isinstance(config, Mapping):
        if answer.get("synced"):
            remedy = f"most often {SKIPPED['max_configs'][0]}; see `teslafast vehicle errors`, then configure again"
            return ConfigStatus("rejected", "the vehicle has rejected its config (synced, but there is none)", remedy)
        return ConfigStatus("none", "it has no config", "send one: teslafast vehicle configure")
    expires = config.get("exp")
    if isinstance(expires, int) and expires <= now:
        return ConfigStatus("rejected", f"its config expired on {_day(expires)}", "send it again: teslafast vehicle configure")
    if not answer.get("synced"):
        return ConfigStatus(
            "waiting", "the vehicle fetches its config when it next connects to Tesla", "wake or drive it, or wait"
        )
    until = f", until {_day(expires)}" if isinstance(expires, int) else ""
    where = f"{config.get('hostname')}:{config.get('port')}"
    return ConfigStatus("taken", f"streams {len(config.get('fields') or {})} fields to {where}{until}")


def _day(seconds: int) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"  # beyond the calendar


def explain_error(report: Mapping[str, Any]) -> tuple[str, str]:
    """(meaning, remedy) of a reported error, ("", "") for one that is not known here."""
    name = str(report.get("error_name"))
    return next((explained for start, explained in ERROR_MEANINGS.items() if name.startswith(start)), ("", ""))


def to_json(config: Mapping[str, Any]) -> str:
    """The config as JSON for people: indented, in insertion order."""
    return json.dumps(config, indent=2)


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
