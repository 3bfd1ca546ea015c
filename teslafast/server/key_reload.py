"""Reads JWT_PUBLIC_KEY_PATH again when it changes: valid keys are used from then on, others are logged and change nothing."""

from __future__ import annotations

from pathlib import Path

from ..certificates import anchors
from ..config import Settings
from ..dashboards.tokens import Verifier, keys_of
from ..errors import Misconfigured
from ..logs import fields, log
from .certificate_reload import WatchedFiles


class KeyReload:
    """Watches over the keys of `verifier`. Call `check` about once a second."""

    name = "keys"

    def __init__(self, settings: Settings, path: Path) -> None:
        """Reads the keys. Raises Misconfigured."""
        self._settings = settings
        self._files = WatchedFiles(path)
        self.verifier = Verifier.from_settings(settings, self._text())

    def check(self, monotonic: float) -> None:
        if self._files.changed(monotonic):
            self.renew()

    def renew(self) -> None:
        """Reads the keys again, now."""
        self._files.take()
        try:
            keys = keys_of(self._settings, self._text())
        except Misconfigured as error:
            log.error("token_keys_refused", extra=fields(reason=str(error)))
            return
        self.verifier.use(keys)
        log.info("token_keys_renewed", extra=fields(path=str(self._files.paths[0]), keys=len(keys)))

    def _text(self) -> str:
        return anchors.read_file("JWT_PUBLIC_KEY_PATH", self._files.paths[0])


def verifier_of(settings: Settings) -> tuple[Verifier, KeyReload | None]:
    """The verifier of these settings, and what keeps its keys up to date if they are in a file. Raises Misconfigured."""
    if settings.jwt_public_key_path is None:
        return Verifier.from_settings(settings), None
    keys = KeyReload(settings, settings.jwt_public_key_path)
    return keys.verifier, keys
