"""
The app's public key at its well-known path, where Tesla fetches it: at the registration, and at every pairing of a vehicle.

TESLA_PUBLIC_KEY_PATH is read at the start, and again when it changes. A file that is no public key on P-256 stops the start; a
running server logs it, and goes on with the key that it has.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path

from ..certificates import anchors
from ..config import Settings
from ..dashboards.tokens import Grant
from ..disk_thread import DiskCalls
from ..errors import Misconfigured
from ..http_messages import Answer, Request
from ..logs import fields, log
from .routes import Page
from .watched_files import FileReload

APP_KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem"
APP_KEY_TYPE = "application/x-pem-file"
APP_KEY_KEPT_S = 300  # in caches: Tesla learns of a new key as soon as of anything else that is changed at the portal

_REMEDY = "give the public half of the app's key: openssl ec -in private-key.pem -pubout -out public-key.pem"


class AppKeyPage(FileReload[bytes]):
    """Watches over the key's file."""

    name = "app_key"

    def __init__(self, path: Path, disk: DiskCalls | None = None) -> None:
        """Reads the key. Raises Misconfigured."""
        super().__init__(path, disk)
        self._use(self.read())

    def page(self, request: Request, grant: Grant | None) -> Answer:
        """For everybody: it is public."""
        known = {word.removeprefix("W/") for word in request.tokens("if-none-match")}
        return self._unchanged if known & {self._tag, "*"} else self._answer

    def use(self, found: bytes) -> None:
        if found != self._answer.body:
            self._use(found)
            log.info("app_key_renewed", extra=fields(path=str(self.path)))

    def refuse(self, error: Misconfigured) -> None:
        log.error("app_key_refused", extra=fields(reason=str(error)))

    def read(self) -> bytes:
        from ..certificates import app_key  # brings `cryptography` along: only for those who have a key to serve

        path = self.path
        content = anchors.read_bytes("TESLA_PUBLIC_KEY_PATH", path)
        try:
            return app_key.public_pem(content)
        except ValueError as error:
            if form := anchors.in_another_form("TESLA_PUBLIC_KEY_PATH", path, content):
                raise form from None
            raise Misconfigured("TESLA_PUBLIC_KEY_PATH", f"{path} {error}", _REMEDY) from None

    def _use(self, pem: bytes) -> None:
        self._tag = f'"{hashlib.sha256(pem).hexdigest()[:32]}"'
        headers = (("Cache-Control", f"public, max-age={APP_KEY_KEPT_S}"), ("ETag", self._tag))
        self._answer = Answer(HTTPStatus.OK, pem, APP_KEY_TYPE, headers)
        self._unchanged = Answer(HTTPStatus.NOT_MODIFIED, b"", APP_KEY_TYPE, headers)


def app_key_page(settings: Settings, disk: DiskCalls | None = None) -> AppKeyPage | None:
    """None without TESLA_PUBLIC_KEY_PATH. Raises Misconfigured."""
    return AppKeyPage(settings.tesla_public_key_path, disk) if settings.tesla_public_key_path is not None else None


def app_key_files(page: AppKeyPage | None) -> dict[str, Page]:
    """Path → page, for routes.py."""
    return {APP_KEY_PATH: page.page} if page is not None else {}
