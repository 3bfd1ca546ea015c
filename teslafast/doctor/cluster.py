"""
CLUSTER_URL: whether a node with these settings could join, and what an acknowledgement is worth there.

    NATS HOST:PORT    each server: reached, over TLS, lets us in, recent enough
    NATS rights       everything that a node does, named one by one
    NATS stream       there, and as the settings want it
    NATS replicas     who leads, who follows, on how many machines
    NATS disk         whether sync_interval is always, as CLUSTER_MONITOR_URL tells it
    NATS clock        ours against theirs: events carry the stream's times
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..cluster.access import BESIDES_BYTES, login_of, public_nkey, require_extra
from ..cluster.nats_answers import STREAM_NOT_FOUND, differences, limits_of, stream_config
from ..config import Settings
from ..errors import Misconfigured
from .finding import Finding, from_error, note, skipped, well, wrong
from .nats_monitor import check_disk
from .nats_probe import NatsServer, ProbeOptions, probe_servers

TESTED = (2, 15)  # earlier ones have faults in what a clustered stream does with expected sequences
LEAST = (2, 10)  # earlier ones do not know a stream's metadata
CLOCK_OFF_S = 1.0  # an hour's drive does not care for less; a token that has just expired does for more
NO_JETSTREAM_FOR_ACCOUNT = 10039
STREAM, REPLICAS = "NATS stream", "NATS replicas"


def check_cluster(settings: Settings) -> Iterator[Finding]:
    """Nothing if CLUSTER_URL is not set."""
    if not settings.cluster_url:
        return
    try:
        require_extra()
        options = ProbeOptions(settings.cluster_stream, login_of(settings), _who(settings))
    except Misconfigured as error:
        yield from_error("NATS", error)
        return
    servers = asyncio.run(probe_servers(settings.cluster_url, options))
    for server in servers:
        yield _reached(server, settings)
    let_in = [server for server in servers if server.fault is None]
    if let_in:
        yield from _open_to_anybody(let_in)
        yield from _rights(let_in)
        yield from _stream(let_in, settings)
        yield from _clock(let_in)
    yield from check_disk(settings.cluster_monitor_url)


def _who(settings: Settings) -> str:
    if settings.cluster_nkey_path is not None:
        return f"the nkey {public_nkey(settings.cluster_nkey_path)}"
    return "the credentials in CLUSTER_CREDS_PATH" if settings.cluster_creds_path is not None else "a node without a login"


# ---- each server


def _reached(server: NatsServer, settings: Settings) -> Finding:
    check = f"NATS {server.where}"
    if server.fault is not None:
        return wrong(check, server.fault.says, server.fault.remedy)
    version = str(server.info.get("version", "?"))
    called = f"nats-server {version}, {server.info.get('server_name', 'without a name')}"
    most = server.info.get("max_payload")
    if _parts(version) < LEAST:
        return wrong(check, f"{called}, is too old for the stream", "upgrade it to 2.15 or newer")
    if isinstance(most, int) and settings.max_frame_bytes + BESIDES_BYTES > most:
        says = f"{called}, takes messages of {most} bytes, and MAX_FRAME_BYTES is {settings.max_frame_bytes}"
        return wrong(check, says, f"raise its max_payload, or set MAX_FRAME_BYTES to {most - BESIDES_BYTES} at most")
    if server.answer is None:
        says = f"{called}, lets us in, and nobody there keeps streams"
        return wrong(check, says, "give it a jetstream section with a store_dir, or connect it to servers that have one")
    if not server.heard:
        says = f"{called}, lets us in, and what is published there does not reach the stream"
        return wrong(check, says, "name every server in `routes`, each by a name of its own, and restart this one (SIGUSR2)")
    if _parts(version) < TESTED:
        return note(check, f"{called}, lets us in; teslafast is tested with 2.15", "upgrade the servers, one at a time")
    return well(check, f"{called}, lets us in" + (" over TLS" if "tls:" in settings.cluster_url[0] else ""))


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _open_to_anybody(servers: Sequence[NatsServer]) -> Iterator[Finding]:
    doors = [server.where for server in servers if not server.info.get("auth_required")]
    if doors:
        says = f"{', '.join(doors)} ask nobody for a login: whoever reaches them can forge events"
        yield note("NATS login", says, "give nodes an nkey: CLUSTER_NKEY_PATH, and users in the servers' configuration")


def _rights(servers: Sequence[NatsServer]) -> Iterator[Finding]:
    lacking = {
        right: [server.where for server in servers if right in server.missing] for server in servers for right in server.missing
    }
    for right, where in lacking.items():
        at = "" if len(where) == len(servers) else f" at {', '.join(where)}"
        says = f"a node may not {right.verb} {'to ' if right.verb == 'subscribe' else 'at '}{right.subject}{at}"
        yield wrong("NATS rights", says, f"add it to the user's permissions: {right.verb}: {right.subject}")
    if not lacking:
        yield well("NATS rights", "everything that a node does is allowed")


# ---- the stream


def _stream(servers: Sequence[NatsServer], settings: Settings) -> Iterator[Finding]:
    answers = [server.answer for server in servers if server.answer]
    told = next((answer for answer in answers if "config" in answer), answers[0] if answers else None)
    if told is None:
        if any(server.missing for server in servers):
            yield skipped(STREAM, "cannot be seen before the rights above are given")
        elif any(server.answer is not None for server in servers):
            remedy = "start the other servers: more than half of them must run; then see their logs"
            yield wrong(STREAM, "nobody answers for streams: they recover, or have no leader", remedy)
        return
    error = told.get("error")
    if isinstance(error, Mapping):
        yield _none(error, servers, settings)
        return
    found = _section(told, "config")
    different = differences(
        stream_config(settings.cluster_stream, settings.cluster_stream.lower(), limits_of(settings)), found or {}
    )
    if different:
        remedy = "set CLUSTER_REPLICAS, CLUSTER_MAX_BYTES and CLUSTER_MAX_AGE as it is, or name another CLUSTER_STREAM"
        yield wrong(STREAM, f"{settings.cluster_stream} is another than the settings want: {'; '.join(different)}", remedy)
    else:
        held = _section(told, "state").get("messages", 0)
        yield well(STREAM, f"{settings.cluster_stream} is as the settings want it, and holds {held} messages")
    yield from _replicas(told, servers, settings)


def _section(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(name)
    return found if isinstance(found, Mapping) else {}


def _none(error: Mapping[str, Any], servers: Sequence[NatsServer], settings: Settings) -> Finding:
    code = error.get("err_code")
    if code == NO_JETSTREAM_FOR_ACCOUNT:
        return wrong(STREAM, "the account of this login has no JetStream", "enable it: jetstream: enabled in the account")
    if code != STREAM_NOT_FOUND:
        return wrong(STREAM, f"cannot be seen: {error.get('description')} ({code})", "see the NATS servers' logs")
    alone = not any(server.info.get("cluster") for server in servers)
    if alone and settings.cluster_replicas > 1:
        cannot = f"CLUSTER_REPLICAS is {settings.cluster_replicas}, and the NATS server stands alone"
        says = f"{settings.cluster_stream} does not exist, and cannot be made: {cannot}"
        return wrong(STREAM, says, "set CLUSTER_REPLICAS=1, or run three NATS servers as a cluster")
    return note(STREAM, f"{settings.cluster_stream} does not exist yet", "start a node: it makes the stream")


def _replicas(told: Mapping[str, Any], servers: Sequence[NatsServer], settings: Settings) -> Iterator[Finding]:
    cluster = _section(told, "cluster")
    listed = cluster.get("replicas")
    followers = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    if settings.cluster_replicas == 1:
        if any(server.info.get("cluster") for server in servers):
            yield note(
                REPLICAS,
                "one server keeps the stream: without it the cluster stands still",
                "set CLUSTER_REPLICAS=3 for a new stream",
            )
        return
    if not cluster.get("leader"):
        yield wrong(REPLICAS, "the stream has no leader: nothing is acknowledged", "start the NATS servers that are down")
        return
    behind = [str(one.get("name")) for one in followers if one.get("offline") or not one.get("current")]
    if behind:
        says = f"{cluster['leader']} leads, and {', '.join(behind)} {'is' if len(behind) == 1 else 'are'} away or behind"
        yield wrong(REPLICAS, says, "start it; before another server is stopped, wait until its /healthz says ok")
        return
    machines = {server.address for server in servers}
    if 1 <= len(machines) < len(servers):
        says = f"{len(servers)} addresses of CLUSTER_URL are {len(machines)} {'machine' if len(machines) == 1 else 'machines'}"
        yield note(REPLICAS, f"{says}: losing one may stop the cluster", "run each NATS server on a machine of its own")
        return
    yield well(REPLICAS, f"{cluster['leader']} leads, {' and '.join(str(one.get('name')) for one in followers)} follow")


# ---- clocks


def ahead_s(server: NatsServer) -> float | None:
    """How far our clock is ahead of the server's, at least; negative if behind. None if it did not tell its time."""
    try:
        theirs_s = datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", str((server.answer or {})["ts"]))).timestamp()
    except (KeyError, ValueError):
        return None
    if theirs_s < server.asked_s:
        return server.asked_s - theirs_s
    return min(0.0, server.answered_s - theirs_s)


def _clock(servers: Sequence[NatsServer]) -> Iterator[Finding]:
    off = [(server.where, found) for server in servers if (found := ahead_s(server)) is not None]
    if not off:
        return
    where, worst = max(off, key=lambda one: abs(one[1]))
    if abs(worst) < CLOCK_OFF_S:
        yield well("NATS clock", "agrees with ours")
        return
    says = f"ours is {abs(worst):.1f} s {'ahead of' if worst > 0 else 'behind'} the stream leader's, asked at {where}"
    yield note("NATS clock", f"{says}: events carry the stream's times", "synchronise both with NTP")
