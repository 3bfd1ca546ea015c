"""
Certificate and anchors, renewed without a restart; and how many days the certificate has left.

    CERT_PATH or KEY_PATH changes ──▶ the pair is tried on a context of its own
        good ──▶ loaded into the contexts in use: handshakes from now on show it, sessions are still resumed
    CA_PATH changes ──▶ new contexts are made, if its certificates are others than those in use
        good ──▶ handshakes from now on use them: nothing can be taken out of a context, and no session of the old ones is resumed
    bad  ──▶ said and counted; what was in use stays

Connections stay as they are. SIGHUP is a change of everything. A change is taken in when the files have stood still from one look
to the next, because certificate and key are seldom written at one moment. From WARN_DAYS on the log says once a day that the end
is near.
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from pathlib import Path

from ..certificates import anchors
from ..config import Settings
from ..errors import Misconfigured
from ..logs import fields, log
from ..metrics import Counts
from . import tls

LOOK_EVERY_S = 10.0
WARN_DAYS = 21
_DAY_S = 86400.0

_Stamp = tuple[tuple[int, int, int] | None, ...]


class CertificateReload:
    """Over the contexts in use; `use` is called with those that take their place. `check` is called now and then."""

    def __init__(self, settings: Settings, contexts: tls.Contexts, use: Callable[[tls.Contexts], None], counts: Counts) -> None:
        self._settings = settings
        self._contexts = contexts
        self._use = use
        self._counts = counts
        self._certificate = Path(settings.cert_path or "")
        self._ends = _validity(self._certificate)[1]
        self._pair = _Files(self._certificate, Path(settings.key_path or ""))
        asks = any(context is not None and context.asked is not ssl.CERT_NONE for context in contexts)
        self._bundle = _Files(settings.ca_path) if asks and settings.ca_path is not None else _Files()
        self._anchors = self._found_anchors()
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
        pair, bundle = self._pair.look(), self._bundle.look()
        if pair:
            self._renew_pair(now)
        if pair or bundle:  # anchors may have had to wait for a good pair
            self._renew_anchors(now)
        if self.days(now) < WARN_DAYS and monotonic - self._warned_s >= _DAY_S:
            self._warned_s = monotonic
            log.warning("certificate_ends", extra=fields(days=round(self.days(now), 1), path=str(self._certificate)))

    def renew(self, now: float) -> None:
        """Takes the files as they are now, as far as they are any good."""
        self._renew_pair(now)
        self._renew_anchors(now)

    def _renew_pair(self, now: float) -> None:
        self._pair.take()
        try:
            ends = self._tried(now)
            for context in filter(None, self._contexts):
                anchors.load_chain(context, self._settings)
        except Misconfigured as error:
            self._counts.certificate_reloads["refused"] += 1
            log.error("certificate_refused", extra=fields(reason=str(error), kept_days=round(self.days(now), 1)))
            return
        self._now_in_use(ends)
        self._counts.certificate_reloads["taken"] += 1
        log.info("certificate_renewed", extra=fields(path=str(self._certificate), days=round(self.days(now), 1)))

    def _renew_anchors(self, now: float) -> None:
        self._bundle.take()
        try:
            anchors = self._found_anchors()
            if anchors == self._anchors:
                return
            ends = self._tried(now)  # a new context takes the pair that is there now, too
            everything, vehicles = tls.contexts(self._settings)
        except Misconfigured as error:
            self._counts.anchor_reloads["refused"] += 1
            log.error("anchors_refused", extra=fields(reason=str(error), kept=len(self._anchors)))
            return
        self._contexts = everything if self._contexts[0] else None, vehicles if self._contexts[1] else None
        self._use(self._contexts)
        self._now_in_use(ends)
        self._counts.anchor_reloads["taken"] += 1
        added, removed = len(anchors - self._anchors), len(self._anchors - anchors)
        self._anchors = anchors
        log.info("anchors_renewed", extra=fields(path=str(self._settings.ca_path), added=added, removed=removed))

    def _found_anchors(self) -> frozenset[bytes]:
        return frozenset(der for path in self._bundle.paths for der in anchors.anchors(path))

    def _tried(self, now: float) -> datetime.datetime:
        """When the certificate ends that is there now with its key. Raises Misconfigured if they are no good."""
        anchors.load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._settings)
        starts, ends = _validity(self._certificate)
        if not starts.timestamp() <= now < ends.timestamp():
            fault = f"{self._certificate} is valid from {starts:%Y-%m-%d} to {ends:%Y-%m-%d} only"
            raise Misconfigured("CERT_PATH", fault, "give a certificate that is valid today")
        return ends

    def _now_in_use(self, ends: datetime.datetime) -> None:
        self._ends = ends
        self._warned_s = -_DAY_S


class _Files:
    """Whether files have changed since they were last taken, and have stood still since the last look."""

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self.take()

    def take(self) -> None:
        self._taken = self._seen = self._stamp()

    def look(self) -> bool:
        stamp, before = self._stamp(), self._seen
        self._seen = stamp
        return stamp == before != self._taken

    def _stamp(self) -> _Stamp:
        """Changes when a file does: also where a link is turned to another folder, as certbot and Kubernetes do it."""
        return tuple(map(_stamp_of, self.paths))


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
        leaf = x509.load_pem_x509_certificate(anchors.read_file("CERT_PATH", path).encode())
    except ValueError:
        raise Misconfigured("CERT_PATH", f"{path} holds no readable certificate", "give the PEM chain, server first") from None
    return leaf.not_valid_before_utc, leaf.not_valid_after_utc
