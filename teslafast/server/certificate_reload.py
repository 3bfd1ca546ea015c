"""
Reloads the server's certificate and the vehicles' anchors without a restart, and tells how many days the certificate has left.

    CERT_PATH or KEY_PATH changes ──▶ the pair is tried on a context of its own
        valid ──▶ loaded into the contexts in use: new handshakes show it, sessions can still be resumed
    CA_PATH changes ──▶ new contexts are made, if its certificates differ from those in use
        valid ──▶ new handshakes use them: an anchor cannot be removed from a context, and no session of the old ones is resumed
    invalid  ──▶ logged and counted; what was in use stays

Reading and trying is for the disk's thread (`_read`); what is in use changes on the event loop (`_use_found`).

Open connections stay as they are. SIGHUP counts as a change of everything. A change is read when the files have stayed the same
from one look to the next, because certificate and key are seldom written at the same moment. From WARN_DAYS on, a daily log line
says that the certificate is about to expire.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..certificates import anchors
from ..certificates.mounts import mounted_alone
from ..config import Settings
from ..disk_thread import AtOnce, DiskCalls
from ..errors import Misconfigured
from ..logs import fields, log
from ..metrics import Counts
from . import tls
from .watched_files import Rereading, WatchedFiles

if TYPE_CHECKING:
    from cryptography import x509

    from .ticket_keys import TicketKeys

WARN_DAYS = 21  # certbot renews 30 days before the end: by then something is wrong
_DAY_S = 86400.0

_Read = TypeVar("_Read")

# What a file on the disk can do wrong besides what Misconfigured tells: `cryptography` refuses it, or there is no room.
_UNUSABLE = (Misconfigured, OSError, ValueError)


class _Tried(NamedTuple):
    """A pair that is valid."""

    pair: anchors.ServerPair
    leaf: x509.Certificate


class _NewAnchors(NamedTuple):
    """Contexts for anchors that differ from those in use; `leaf`: the certificate that they show."""

    anchors: frozenset[bytes]
    leaf: x509.Certificate
    contexts: tls.Contexts


class _Found(NamedTuple):
    """What was read: what is valid, or the reason why it is not; None: it is as it was."""

    pair: _Tried | Exception | None
    anchors: _NewAnchors | Exception | None


class CertificateReload:
    """Watches over `contexts`, those in use; `use` is called with what replaces them. Call `check` about once a second."""

    def __init__(
        self,
        settings: Settings,
        contexts: tls.Contexts,
        use: Callable[[tls.Contexts], None],
        counts: Counts,
        tickets: TicketKeys | None = None,
        disk: DiskCalls | None = None,
    ) -> None:
        self._settings = settings
        self._tickets = tickets
        self.contexts = contexts
        self._use = use
        self._counts = counts
        self._certificate = Path(settings.cert_path or "")
        self._served = _leaf(self._certificate, anchors.read_bytes("CERT_PATH", self._certificate))
        self._pair = WatchedFiles(self._certificate, Path(settings.key_path or ""))
        asks = any(context is not None and context.asked is not ssl.CERT_NONE for context in contexts)
        self._bundle = WatchedFiles(settings.ca_path) if asks and settings.ca_path is not None else WatchedFiles()
        self._anchors = self._found_anchors()
        self.rereading = Rereading(disk or AtOnce(), self._certificate, self._read, self._use_found)
        self._now = 0.0
        self._warned_s = -_DAY_S

    @property
    def ends_s(self) -> float:
        """When the certificate in use ends, as Unix time."""
        return self._served.not_valid_after_utc.timestamp()

    @property
    def names(self) -> list[str]:
        """For which hosts the certificate in use is."""
        from ..certificates import chain

        return chain.names(self._served)

    @property
    def anchors(self) -> frozenset[bytes]:
        """The CAs in use for vehicles, as DER; empty where none are asked for."""
        return self._anchors

    def days(self, now: float) -> float:
        """Until the certificate in use ends (`now`: seconds since 1970); negative if it has."""
        return (self.ends_s - now) / _DAY_S

    def check(self, now: float, monotonic: float) -> None:
        """Looks at the files every LOOK_EVERY_S, and at the days left."""
        self._now = now
        self.rereading.check(monotonic)
        if self.days(now) < WARN_DAYS and monotonic - self._warned_s >= _DAY_S:
            self._warned_s = monotonic
            log.warning("certificate_ends", extra=fields(days=round(self.days(now), 1), path=str(self._certificate)))

    def renew(self, now: float) -> None:
        """Reads all files again; those that are valid are used then."""
        self._now = now
        self.rereading.now()

    # ---- in the disk's thread

    def _read(self, forced: bool) -> _Found | None:
        pair, bundle = self._pair.look(), self._bundle.look()
        if not (forced or pair or bundle):
            return None
        found = None
        if forced or pair:
            self._pair.take()
            found = _or_error(self._tried)
        self._bundle.take()
        return _Found(found, _or_error(self._changed_anchors))  # the anchors may have waited for a valid pair

    def _changed_anchors(self) -> _NewAnchors | None:
        anchors = self._found_anchors()
        if anchors == self._anchors:
            return None
        leaf = self._tried().leaf  # a new context also loads the pair that is there now
        return _NewAnchors(anchors, leaf, tls.contexts(self._settings, self._tickets))

    def _found_anchors(self) -> frozenset[bytes]:
        return frozenset(der for path in self._bundle.paths for der in anchors.anchors(path))

    def _tried(self) -> _Tried:
        """What is in the files now. Raises Misconfigured if the pair is invalid."""
        pair = anchors.ServerPair.read(self._settings)
        pair.load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        leaf = _leaf(self._certificate, pair.contents[0])
        starts, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        if not starts.timestamp() <= self._now < ends.timestamp():
            fault = f"{self._certificate} is valid from {starts:%Y-%m-%d} to {ends:%Y-%m-%d} only"
            raise Misconfigured("CERT_PATH", fault, "give a certificate that is valid today")
        return _Tried(pair, leaf)

    # ---- on the event loop

    def _use_found(self, found: _Found) -> None:
        if found.pair is not None:
            self._use_pair(found.pair)
        if found.anchors is not None:
            self._use_anchors(found.anchors)

    def _use_pair(self, tried: _Tried | Exception) -> None:
        if isinstance(tried, _Tried):
            try:
                for context in filter(None, self.contexts):
                    tried.pair.load(context)
            except _UNUSABLE as error:
                tried = error
        if isinstance(tried, Exception):
            self._counts.certificate_reloads["refused"] += 1
            log.error("certificate_refused", extra=fields(reason=str(tried), kept_days=round(self.days(self._now), 1)))
            return
        before, leaf = self._served, tried.leaf
        self._now_in_use(leaf)
        self._counts.certificate_reloads["taken"] += 1
        told: dict[str, object] = {"path": str(self._certificate), "days": round(self.days(self._now), 1)}
        if leaf == before:  # SIGHUP without a new certificate, or a mount that does not show it
            log.info("certificate_unchanged", extra=fields(**told, mounted_alone=bool(mounted_alone([self._certificate]))))
        else:
            log.info("certificate_renewed", extra=fields(**told, serial=f"{leaf.serial_number:x}"))

    def _use_anchors(self, new: _NewAnchors | Exception) -> None:
        if isinstance(new, Exception):
            self._counts.anchor_reloads["refused"] += 1
            log.error("anchors_refused", extra=fields(reason=str(new), kept=len(self._anchors)))
            return
        everything, vehicles = new.contexts
        self.contexts = everything if self.contexts[0] else None, vehicles if self.contexts[1] else None
        self._use(self.contexts)
        self._now_in_use(new.leaf)
        self._counts.anchor_reloads["taken"] += 1
        added, removed = len(new.anchors - self._anchors), len(self._anchors - new.anchors)
        self._anchors = new.anchors
        log.info("anchors_renewed", extra=fields(path=str(self._settings.ca_path), added=added, removed=removed))

    def _now_in_use(self, leaf: x509.Certificate) -> None:
        self._served = leaf
        self._warned_s = -_DAY_S


def _or_error(read: Callable[[], _Read]) -> _Read | Exception:
    try:
        return read()
    except _UNUSABLE as error:
        return error


def _leaf(path: Path, content: bytes) -> x509.Certificate:
    """The first certificate in the file. Raises Misconfigured."""
    from ..certificates import chain

    try:
        return chain.read(content)[0]
    except ValueError as error:
        raise Misconfigured("CERT_PATH", f"{path} {error}", "give the PEM chain, server first") from None
