"""
`teslafast health`: asks a server's `/health` the way a container's health check does, with the standard library alone.

Nothing secret passes, and a check on the machine itself cannot know the certificate's hostname: so certificates are not verified.
"""

from __future__ import annotations

import http.client
import json
import ssl
from urllib.parse import urlsplit

from ..config import Settings
from ..errors import Misconfigured, Unhealthy

TIMEOUT_S = 5.0
LONGEST_ANSWER = 64 * 1024


def here(settings: Settings) -> str:
    """Where a server with these settings answers on this machine."""
    host = settings.host if settings.host not in ("", "0.0.0.0", "::") else "127.0.0.1"  # noqa: S104 — compared, not bound
    scheme = "https" if settings.tls and settings.dashboard_tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def health(url: str) -> str:
    """One line saying that the server is well. Raises Unhealthy if it is not, Misconfigured if the URL is none."""
    scheme, host, port, path = _parts(url)
    try:
        status, body = _get(scheme, host, port, path if len(path) > 1 else "/health")
    except (OSError, UnicodeError, http.client.HTTPException) as error:  # UnicodeError: what no host can be called
        raise Unhealthy(f"{url}: no answer ({error or type(error).__name__})") from None
    try:
        report = json.loads(body)
        said = report["status"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unhealthy(f"{url}: HTTP {status}, and no health report") from None
    if status != 200 or said != "ok":
        raise Unhealthy(f"{url}: HTTP {status}, {said}")
    return f"ok: {report.get('vehicles')} vehicles, {report.get('dashboards')} dashboards, seq {report.get('seq')}"


def _parts(url: str) -> tuple[str, str, int | None, str]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme in ("http", "https") and parts.hostname:
            return parts.scheme, parts.hostname, parts.port, parts.path
    except ValueError:
        pass  # a bracket or a port that is none
    raise Misconfigured("URL", f"{url!r} is no address", "give for example http://127.0.0.1:3000")


def _get(scheme: str, host: str, port: int | None, path: str) -> tuple[int, bytes]:
    if scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(LONGEST_ANSWER)
    finally:
        connection.close()
