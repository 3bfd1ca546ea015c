"""
`teslafast health`: asks a server's `/health` the way a container's health check does, with the standard library alone.

Nothing secret passes, and a check on the machine itself cannot know the certificate's hostname: so certificates are not verified.
"""

from __future__ import annotations

import json

from .. import https
from ..config import Settings
from ..errors import Unhealthy
from ..urls import origin, parse_url

PATIENCE_S = 5.0  # for each step; container health checks give up after 5 to 30 s


def local_url(settings: Settings) -> str:
    """Where a server with these settings answers on this machine."""
    host = settings.host if settings.host not in ("", "0.0.0.0", "::") else "127.0.0.1"  # noqa: S104 — compared, not bound
    return origin("https" if settings.tls and settings.dashboard_tls else "http", host, settings.port)


def check_health(url: str) -> str:
    """One line saying that the server is well. Raises Unhealthy if it is not, Misconfigured if the URL is unusable."""
    parts = parse_url(url, ("http", "https"), default="http", example="http://127.0.0.1:3000")
    if len(parts.path) < 2:
        parts = parts._replace(path="/health")
    reply = https.get_unverified(parts._replace(fragment="").geturl(), PATIENCE_S)
    try:
        report = json.loads(reply.body)
        status = report["status"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unhealthy(
            f"{url}: HTTP {reply.status}, but not a health report", "give the address of a teslafast server"
        ) from None
    if reply.status != 200 or status != "ok":
        raise Unhealthy(f"{url}: HTTP {reply.status}, {status}", "see the server's log")
    return f"ok: {report.get('vehicles')} vehicles, {report.get('dashboards')} dashboards, seq {report.get('seq')}"
