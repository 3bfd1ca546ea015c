"""
What vehicles report to Tesla when streaming fails (`fleet_telemetry_errors`), in plain words, each with its remedy. One table.

A report's name alone says little, as a status does: so its words are looked at first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


_CA_IS_ANOTHERS = (
    "the vehicle does not accept your server's certificate: the `ca` of its config is another's, or the name differs",
    "send the config again with the CA of the server's certificate: teslafast setup, or vehicle configure --ca",
)
_OTHER_KEY = (
    "the vehicle refused the config: it is signed with another key than the one that was paired",
    "compare the keys and configure again with the one whose public half your app's domain serves: teslafast setup --from server",
)
# What such a report says besides its name: (words in lower case, (meaning, remedy)); the first that fits counts
ERROR_WORDS: tuple[tuple[str, tuple[str, str]], ...] = (
    ("unknown issuer", _OTHER_KEY),
    ("verification error", _OTHER_KEY),
    ("invalidsignature", _OTHER_KEY),
    ("bad certificate", _CA_IS_ANOTHERS),
    ("unknown authority", _CA_IS_ANOTHERS),
    ("x509", _CA_IS_ANOTHERS),
    (
        "network is unreachable",
        (
            "the vehicle had no way to your server: no net at that moment, or the address is a private one",
            "if it goes on, look from outside: teslafast doctor https://HOST:PORT; the host needs a public IPv4 address",
        ),
    ),
    (
        "no such host",
        ("the vehicle does not find your server's name", "make an A record for the host of the config; DNS may take minutes"),
    ),
    (
        "connection refused",
        ("nothing listens at the port of the config", "start the server; behind a router, forward the port: teslafast doctor"),
    ),
    (
        "timeout",
        ("your server's port does not answer the vehicle", "open the port in the firewall; behind a router, forward it"),
    ),
)


def explain_error(report: Mapping[str, Any]) -> tuple[str, str]:
    """(meaning, remedy) of a reported error, ("", "") for one that is not known here."""
    name, words = str(report.get("error_name")), str(report.get("error")).lower()
    if name.startswith(tuple(ERROR_MEANINGS)):
        found = next((explained for part, explained in ERROR_WORDS if part in words), None)
        if found is not None:
            return found
    return next((explained for start, explained in ERROR_MEANINGS.items() if name.startswith(start)), ("", ""))
