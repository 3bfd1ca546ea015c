"""Reads JWT_PUBLIC_KEY_PATH again when it changes: valid keys are used from then on, others are logged and change nothing."""

from __future__ import annotations

from pathlib import Path

from ..certificates import anchors
from ..config import Settings
from ..dashboards.tokens import Verifier, keys_of
from ..errors import Misconfigured
from ..logs import fields, log
from .watched_files import FileReload


class KeyReload(FileReload):
    """Watches over the keys of `verifier`."""

    name = "keys"

    def __init__(self, settings: Settings, path: Path) -> None:
        """Reads the keys. Raises Misconfigured."""
        self._settings = settings
        super().__init__(path)
        self.verifier = Verifier.from_settings(settings, self._text())

    def reread(self) -> None:
        try:
            keys = keys_of(self._settings, self._text())
        except Misconfigured as error:
            log.error("token_keys_refused", extra=fields(reason=str(error)))
            return
        self.verifier.use(keys)
        log.info("token_keys_renewed", extra=fields(path=str(self.path), keys=len(keys)))

    def _text(self) -> str:
        return anchors.read_file("JWT_PUBLIC_KEY_PATH", self.path)


def verifier_of(settings: Settings) -> tuple[Verifier, KeyReload | None]:
    """The verifier of these settings, and what keeps its keys up to date if they are in a file. Raises Misconfigured."""
    if settings.jwt_public_key_path is None:
        return Verifier.from_settings(settings), None
    keys = KeyReload(settings, settings.jwt_public_key_path)
    return keys.verifier, keys
