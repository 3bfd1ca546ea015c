"""
Reads JWT_PUBLIC_KEY_PATH again when it changes: its keys are used from then on. A key that cannot be used is logged and passed
over; a file without one that can is logged, and changes nothing.
"""

from __future__ import annotations

from pathlib import Path

from ..certificates import anchors
from ..config import Settings
from ..dashboards.keys import KeySet, read_key_set
from ..dashboards.tokens import Verifier
from ..disk_thread import DiskCalls
from ..errors import Misconfigured
from ..logs import fields, log
from .watched_files import FileReload

IGNORED_AT_MOST = 16  # lines for one file: it may hold thousands


class KeyReload(FileReload[KeySet]):
    """Watches over the keys of `verifier`."""

    name = "keys"

    def __init__(self, settings: Settings, path: Path, disk: DiskCalls | None = None) -> None:
        """Reads the keys. Raises Misconfigured."""
        self._settings = settings
        super().__init__(path, disk)
        found = self.read()
        self.verifier = Verifier.with_keys(settings, found.keys)
        self._used = found.keys
        self._tell_ignored(found)

    def read(self) -> KeySet:
        return read_key_file(self._settings, self.path)

    def use(self, found: KeySet) -> None:
        self.verifier.use(found.keys)
        changed = {(key.name, key.algorithms) for key in found.keys} != {(key.name, key.algorithms) for key in self._used}
        self._used = found.keys
        event = "token_keys_renewed" if changed else "token_keys_unchanged"  # a file that is mounted by itself stays as it was
        log.info(event, extra=fields(path=str(self.path), keys=len(found.keys)))
        self._tell_ignored(found)

    def _tell_ignored(self, found: KeySet) -> None:
        for reason in found.ignored[:IGNORED_AT_MOST]:
            log.warning("token_key_ignored", extra=fields(path=str(self.path), reason=reason, ignored=len(found.ignored)))

    def refuse(self, error: Misconfigured) -> None:
        log.error("token_keys_refused", extra=fields(reason=str(error)))


def read_key_file(settings: Settings, path: Path) -> KeySet:
    """The keys in the file of JWT_PUBLIC_KEY_PATH. Raises Misconfigured."""
    content = anchors.read_bytes("JWT_PUBLIC_KEY_PATH", path)
    try:
        # In PEM only ASCII counts, so any encoding of the text between blocks will do.
        return read_key_set(content.decode("latin-1"), settings.jwt_algorithms, path)
    except Misconfigured:
        if content.lstrip()[:1] not in (b"{", b"[") and (form := anchors.in_another_form("JWT_PUBLIC_KEY_PATH", path, content)):
            raise form from None
        raise


def verifier_of(settings: Settings, disk: DiskCalls | None = None) -> tuple[Verifier, KeyReload | None]:
    """The verifier of these settings, and what keeps its keys up to date if they are in a file. Raises Misconfigured."""
    if settings.jwt_public_key_path is None:
        return Verifier.from_settings(settings), None
    keys = KeyReload(settings, settings.jwt_public_key_path, disk)
    return keys.verifier, keys
