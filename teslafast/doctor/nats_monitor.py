"""
CLUSTER_MONITOR_URL: what only a NATS server's monitoring page tells, and no client is told.

What a server has acknowledged survives a power cut only with `sync_interval: always`. The default is two minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from .. import https
from ..errors import Misconfigured, Unhealthy
from .finding import Finding, note, skipped, well, wrong
from .tls_probe import STEP_S

DISK = "NATS disk"


def check_disk(urls: Sequence[str]) -> Iterator[Finding]:
    """A line each server that is asked; one that says so if none is."""
    if not urls:
        yield skipped(
            DISK, "unknown whether an acknowledged record survives a power cut: set CLUSTER_MONITOR_URL to the servers' /varz"
        )
    for url in urls:
        yield _disk(url)


def _disk(url: str) -> Finding:
    try:
        page = _page(https.get_unverified(url, STEP_S))
    except (Unhealthy, Misconfigured) as error:
        return wrong(DISK, f"{error.fault}", "give nats-server `http: HOST:8222`, and CLUSTER_MONITOR_URL that address")
    name = page.get("server_name", url)
    streams = page.get("jetstream")
    config = streams.get("config") if isinstance(streams, dict) else None
    if "server_id" not in page:
        return wrong(DISK, f"{url} is not a NATS server's /varz", "set CLUSTER_MONITOR_URL to http://HOST:8222/varz")
    if not isinstance(config, dict):
        return note(DISK, f"{name} keeps no streams", "name the servers that do in CLUSTER_MONITOR_URL")
    if config.get("sync_always"):
        return well(DISK, f"{name} has sync_interval: always: what is acknowledged survives a power cut")
    interval = config.get("sync_interval")
    every = f"{interval / 1e9:g}s" if isinstance(interval, int) else "unknown"
    says = f"{name} has sync_interval: {every}: a power cut may take what was acknowledged in that time"
    return note(DISK, says, "set jetstream { sync_interval: always }, and restart the servers one at a time")


def _page(reply: https.Reply) -> dict[str, Any]:
    try:
        said = orjson.loads(reply.body) if reply.status == 200 else None
    except orjson.JSONDecodeError:
        said = None
    return said if isinstance(said, dict) else {}
