"""Reads JWT_PUBLIC_KEY_PATH again when it changes: valid keys are used from then on, others are logged and change nothing."""

from __future__ import annotations

from pathlib import Path

from ..certificates import anchors
from ..config import Settings
from ..dashboards.keys import VerifyingKey
from ..dashboards.tokens import Verifier, keys_of
from ..disk_thread import DiskCalls
from ..errors import Misconfigured
from ..logs import fields, log
from .watched_files import FileReload


class KeyReload(FileReload[tuple[VerifyingKey, ...]]):
    """Watches over the keys of `verifier`."""

    name = "keys"

    def __init__(self, settings: Settings, path: Path, disk: DiskCalls | None = None) -> None:
        """Reads the keys. Raises Misconfigured."""
        self._settings = settings
        super().__init__(path, disk)
        self.verifier = Verifier.from_settings(settings, self._text())

    def read(self) -> tuple[VerifyingKey, ...]:
        return keys_of(self._settings, self._text())

    def use(self, found: tuple[VerifyingKey, ...]) -> None:
        self.verifier.use(found)
        log.info("token_keys_renewed", extra=fields(path=str(self.path), keys=len(found)))

    def refuse(self, error: Misconfigured) -> None:
        log.error("token_keys_refused", extra=fields(reason=str(error)))

    def _text(self) -> str:
        return anchors.read_file("JWT_PUBLIC_KEY_PATH", self.path)


def verifier_of(settings: Settings, disk: DiskCalls | None = None) -> tuple[Verifier, KeyReload | None]:
    """The verifier of these settings, and what keeps its keys up to date if they are in a file. Raises Misconfigured."""
    if settings.jwt_public_key_path is None:
        return Verifier.from_settings(settings), None
    keys = KeyReload(settings, settings.jwt_public_key_path, disk)
    return keys.verifier, keys
