"""
What a NATS server refuses until a person mends something: as Misconfigured, which names the setting and the remedy.

    Attempts   those to connect for the first time: when they end the start instead of being made again
    troubles   what of them are worth a line with a remedy afterwards, too

Servers that are away are waited for. Pure.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Sequence

from ..config import Settings
from ..errors import Misconfigured
from .access import Right

DOCTOR = "`teslafast doctor` examines each server"
AWAY_REMEDY = f"start the NATS servers of CLUSTER_URL, or correct it; {DOCTOR}"
RIGHTS_REMEDY = f"add it to this user's permissions in the NATS servers' configuration; {DOCTOR}"
PERMISSIONS_VIOLATION = "permissions violation"  # nats-py lowers what the server said
# Codes of nats-server's errors.json that no waiting mends.
NO_STREAMS_CODES = {10039: "JetStream is off in this login's account", 10076: "JetStream is off"}
NO_CLUSTERED_SERVERS = 10074  # more replicas than one server that stands alone can keep


class NatsLogin:
    """Who logs in, and whom it trusts: the settings that a refusal is about."""

    def __init__(self, settings: Settings) -> None:
        self._nkey = settings.cluster_nkey_path
        self._creds = settings.cluster_creds_path
        self._ca = settings.cluster_ca_path

    @property
    def setting(self) -> str:
        if self._nkey is not None:
            return "CLUSTER_NKEY_PATH"
        return "CLUSTER_CREDS_PATH" if self._creds is not None else "CLUSTER_URL"

    def refusal(self, error: Exception) -> Misconfigured | None:
        """None: it may go by itself."""
        said = " ".join(str(error).split()).lower()
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._unverified(error)
        if "speaks no tls" in said:
            fault = "says tls://, and a NATS server there speaks no TLS"
            return Misconfigured("CLUSTER_URL", fault, f"give the servers a tls section, or write nats://; {DOCTOR}")
        if isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in (error.reason or ""):
            remedy = "take `verify` out of their tls section, and let nodes log in by an nkey"
            return Misconfigured("CLUSTER_URL", "leads to NATS servers that want a client certificate", remedy)
        if "authorization violation" in said or "user authentication" in said:
            return self._not_let_in(expired="expired" in said)
        return None

    def _unverified(self, error: ssl.SSLCertVerificationError) -> Misconfigured:
        why = error.verify_message or error.reason
        if "mismatch" in why:
            fault = f"names a NATS server otherwise than its certificate does: {why}"
            return Misconfigured("CLUSTER_URL", fault, f"write the name that stands in the certificate; {DOCTOR}")
        what = (
            "is not set, and the certificate of a NATS server does not verify"
            if self._ca is None
            else "is not the CA of a NATS server"
        )
        return Misconfigured(
            "CLUSTER_CA_PATH", f"{what}: {why}", f"give the CA that has signed the servers' certificates; {DOCTOR}"
        )

    def _not_let_in(self, *, expired: bool) -> Misconfigured:
        if self._nkey is not None:
            fault = f"{self._nkey}: the NATS servers do not let in whose nkey it is"
            remedy = f"add its public key to the users in their configuration; {DOCTOR}, and tells the key"
            return Misconfigured("CLUSTER_NKEY_PATH", fault, remedy)
        if self._creds is not None:
            fault = f"{self._creds}: the NATS servers do not let in whose credentials these are"
            remedy = "make new ones with nsc: these have expired" if expired else "look whether the servers know the account"
            return Misconfigured("CLUSTER_CREDS_PATH", fault, f"{remedy}; {DOCTOR}")
        return Misconfigured(
            "CLUSTER_URL", "leads to NATS servers that want a login", "set CLUSTER_NKEY_PATH or CLUSTER_CREDS_PATH"
        )


class Attempts:
    """
    To connect for the first time, one after the other, each to the next of `servers` addresses.

    The start ends once every address has been tried, if one of them refuses us for good. The others may only be away: but what is
    wrong at one of them is wrong whether they come back or not.
    """

    def __init__(self, login: NatsLogin, servers: int) -> None:
        self._login = login
        self._servers = servers
        self._failed = 0
        self._refusal: Misconfigured | None = None

    def failed(self, error: Exception) -> Misconfigured | None:
        """One more; what ends the start."""
        self._failed += 1
        self._refusal = self._refusal or self._login.refusal(error)
        return self._refusal if self._failed >= self._servers else None


def denied(rights: Sequence[Right], said: Collection[str]) -> list[Right]:
    """Which of these a server has refused, in its words, to a message to each one's probe."""
    found = []
    for right in rights:
        verb = "subscription" if right.verb == "subscribe" else "publish"
        if any(f"for {verb} to" in one and f'"{right.probe.lower()}"' in one for one in said):
            found.append(right)
    return found


def lacking(login: NatsLogin, rights: Sequence[Right]) -> Misconfigured:
    """At least one."""
    names = ", ".join(f"{right.verb} {right.subject}" for right in rights)
    remedy = f"add {'it' if len(rights) == 1 else 'them'} to this user's permissions in the NATS servers' configuration; {DOCTOR}"
    return Misconfigured(login.setting, f"this login lacks {'a right' if len(rights) == 1 else 'rights'}: {names}", remedy)
