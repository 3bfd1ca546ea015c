"""What a server would refuse at its start, tried without starting anything: settings that fit, and the files that they name."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ..certificates import anchors
from ..config import Settings
from ..dashboards.tokens import Verifier
from ..errors import Misconfigured
from ..outputs import Context
from ..outputs.settings import planned
from ..server import tls
from ..server.app_key_page import app_key_page
from ..server.key_reload import read_key_file


def check_start(settings: Settings, environment: Mapping[str, str]) -> None:
    """Raises Misconfigured."""
    for plan in planned(environment, settings):  # each is made: its package must be there, and its library may refuse a setting
        plan.make(Context("check", Counter(), plan.shared, shape=plan.shape))
    key = settings.jwt_public_key_path
    if key is None:
        Verifier.from_settings(settings)
    else:
        Verifier.with_keys(settings, read_key_file(settings, key).keys)
    tls.contexts(settings)
    app_key_page(settings)
    if settings.ca_path is not None and not settings.tls:
        anchors.load_anchors(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), settings.ca_path)
    if settings.cluster_url:
        from ..cluster.access import login_of, require_extra

        require_extra()
        login_of(settings)
    _check_folder("JOURNAL_PATH", settings.journal_path)


def _check_folder(variable: str, path: Path | None) -> None:
    if path is not None and not path.absolute().parent.is_dir():
        raise Misconfigured(variable, f"{path.absolute().parent} is not a folder", "make it, or give a path in one that exists")
