"""
The server's certificate, renewed without a restart, and how many days it has left.

    CERT_PATH or KEY_PATH changes, or SIGHUP ──▶ the pair is tried on a context of its own
        good ──▶ loaded into the contexts in use: handshakes from now on show it, connections stay as they are
        bad  ──▶ said and counted; the old pair stays

A change is taken in when the files have stood still from one look to the next, because certificate and key are seldom written at
one moment. From WARN_DAYS on the log says once a day that the end is near.
"""

from __future__ import annotations

import datetime
import ssl
from collections import Counter
from pathlib import Path

from . import tls
from .config import Settings
from .errors import Misconfigured
from .logs import log, of

LOOK_EVERY_S = 10.0
WARN_DAYS = 21
_DAY_S = 86400.0

_Stamp = tuple[tuple[int, int, int] | None, ...]


class Renewal:
    """Over the contexts in use. `check` is called now and then; `outcomes` counts "taken" and "refused"."""

    def __init__(self, settings: Settings, contexts: tls.Contexts, outcomes: Counter[str]) -> None:
        self._settings = settings
        self._contexts = [context for context in contexts if context is not None]
        self._outcomes = outcomes
        self._certificate, self._key = Path(settings.cert_path or ""), Path(settings.key_path or "")
        self._ends = _validity(self._certificate)[1]
        self._loaded = self._seen = self._stamp()
        self._looked_s = 0.0
        self._warned_s = -_DAY_S

    def days(self, now: float) -> float:
        """Until the certificate in use ends (`now`: seconds since 1970); negative if it has."""
        return (self._ends.timestamp() - now) / _DAY_S

    def check(self, now: float, monotonic: float) -> None:
        """Looks at the files every LOOK_EVERY_S, and at the calendar."""
        if monotonic - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = monotonic
        stamp, before = self._stamp(), self._seen
        self._seen = stamp
        if stamp == before != self._loaded:
            self.renew(now)
        if self.days(now) < WARN_DAYS and monotonic - self._warned_s >= _DAY_S:
            self._warned_s = monotonic
            log.warning("certificate_ends", extra=of(days=round(self.days(now), 1), path=str(self._certificate)))

    def renew(self, now: float) -> bool:
        """Takes the files as they are now, if they are any good."""
        self._loaded = self._seen = self._stamp()
        try:
            tls.load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._settings)
            starts, ends = _validity(self._certificate)
            if not starts.timestamp() <= now < ends.timestamp():
                fault = f"{self._certificate} is valid from {starts:%Y-%m-%d} to {ends:%Y-%m-%d} only"
                raise Misconfigured("CERT_PATH", fault, "give a certificate that is valid today")
            for context in self._contexts:
                tls.load_chain(context, self._settings)
        except Misconfigured as error:
            self._outcomes["refused"] += 1
            log.error("certificate_refused", extra=of(reason=str(error), kept_days=round(self.days(now), 1)))
            return False
        self._ends = ends
        self._warned_s = -_DAY_S
        self._outcomes["taken"] += 1
        log.info("certificate_renewed", extra=of(path=str(self._certificate), days=round(self.days(now), 1)))
        return True

    def _stamp(self) -> _Stamp:
        """Changes when a file does: also where a link is turned to another folder, as certbot and Kubernetes do it."""
        return tuple(map(_stamp_of, (self._certificate, self._key)))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _validity(path: Path) -> tuple[datetime.datetime, datetime.datetime]:
    """From when to when the first certificate in the file is valid. Raises Misconfigured."""
    from cryptography import x509

    try:
        leaf = x509.load_pem_x509_certificate(tls.read_file("CERT_PATH", path).encode())
    except ValueError:
        raise Misconfigured("CERT_PATH", f"{path} holds no readable certificate", "give the PEM chain, server first") from None
    return leaf.not_valid_before_utc, leaf.not_valid_after_utc
