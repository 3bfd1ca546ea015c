"""What is said of a port: the URL under which this machine reaches it, or why the server cannot listen on it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..config import Settings
from ..errors import Misconfigured
from ..urls import origin

if TYPE_CHECKING:
    from .routes import Listener

PLAIN_LISTENERS: frozenset[Listener] = frozenset({"status", "metrics"})


def plain_listeners(settings: Settings) -> Iterator[tuple[str, str, int, Listener]]:
    """Listeners of one page, without TLS, as Tesla's server has them: (variable, host, port, listener)."""
    if settings.status_port is not None:
        yield "STATUS_PORT", "", settings.status_port, "status"
    if settings.metrics_port is not None:
        yield "METRICS_PORT", settings.metrics_host, settings.metrics_port, "metrics"


def url_of(settings: Settings, port: int, listener: Listener, tls: bool) -> str:
    """What one opens or connects to from this machine; a server on all interfaces is reached by `localhost`, too."""
    everywhere = settings.host in ("", "0.0.0.0", "::")  # noqa: S104 — compared, not bound
    scheme = "ws" if listener == "vehicles" else "http"
    path = f"/{listener}" if listener in PLAIN_LISTENERS else "/" if listener == "vehicles" else f"{settings.base_path}/"
    return origin(f"{scheme}s" if tls else scheme, "localhost" if everywhere else settings.host, port) + path


def cannot_listen(variable: str, host: str, port: int, error: OSError | UnicodeError) -> Misconfigured:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        fault = f"port {port} is already in use"
        return Misconfigured(variable, fault, f"stop the other process, or set {variable} to a free port")
    if number == errno.EACCES:
        fault = f"this user may not listen on port {port}"
        return Misconfigured(variable, fault, f"set {variable} to a port above 1023, or grant CAP_NET_BIND_SERVICE")
    reason = error.strerror if isinstance(error, OSError) else "not a valid host name"
    setting = "METRICS_HOST" if variable == "METRICS_PORT" else "HOST"
    return Misconfigured(setting, f"cannot listen on {host!r}: {reason}", "give an address of this machine, or none for all")
