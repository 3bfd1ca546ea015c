"""
What a JetStream server's answers mean, and the stream's configuration as it is sent to one.

An answer is a message of nats-py (`data`, `headers`) that may be anything; codes are those of nats-server's errors.json. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from ..config import Settings
from .engine import Failed, Got, Later, Looked, NoStream, Published, Stored, StreamInfo, StreamMessage, WrongLast

WRONG_LAST_SEQUENCE = (10071, 10164)  # the latter: another write to the subject is in process (or the leader is not so far yet)
NOT_A_LEADER_YET = 10163
STREAM_NOT_FOUND = 10059
UNAVAILABLE = {10008: 0.25, 10009: 0.25, 10005: 1.0}  # servers that recover, elect, or are too few just now
NO_RESPONDERS = "503"
NO_MESSAGE = "404"
NOBODY_FOR_STREAMS = "nobody there answers for streams"
_LAST = re.compile(r"(\d+)\s*$")

# What is compared with a stream that exists already: another one is not the log that this node was told of.
COMPARED = ("subjects", "retention", "discard", "storage", "num_replicas", "max_bytes", "max_age", "deny_delete", "allow_direct")
_SETTING_OF = {"num_replicas": "CLUSTER_REPLICAS", "max_bytes": "CLUSTER_MAX_BYTES", "max_age": "CLUSTER_MAX_AGE"}


def limits_of(settings: Settings) -> dict[str, Any]:
    """Of the stream, as `stream_config` takes them."""
    return {
        "num_replicas": settings.cluster_replicas,
        "max_bytes": settings.cluster_max_bytes,
        "max_age": int(settings.cluster_max_age * 1e9),
    }


def stream_config(stream: str, prefix: str, limits: Mapping[str, Any]) -> dict[str, Any]:
    """`limits`: num_replicas, max_bytes, and max_age in ns. No limit per subject: it would make holes."""
    return {
        "name": stream,
        "subjects": [f"{prefix}.*"],
        "retention": "limits",
        "discard": "old",
        "storage": "file",
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_consumers": -1,
        "max_msg_size": -1,
        "deny_delete": True,
        "deny_purge": True,
        "allow_direct": True,
        "duplicate_window": 1_000_000_000,  # none of our messages has an id
        "metadata": {"teslafast": "1"},
        **limits,
    }


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What is otherwise in an existing stream: `num_replicas is 1, not 3 (CLUSTER_REPLICAS)`; an age is told in seconds."""
    told = []
    for name in COMPARED:
        if found.get(name) != wanted[name]:
            there, here = (_seconds(limits.get(name)) if name == "max_age" else limits.get(name) for limits in (found, wanted))
            setting = f" ({_SETTING_OF[name]})" if name in _SETTING_OF else ""
            told.append(f"{name} is {there}, not {here}{setting}")
    return told


def _seconds(age_ns: Any) -> str:
    return f"{age_ns / 1e9:g}s" if isinstance(age_ns, int) else str(age_ns)


def _said(message: Any) -> tuple[dict[str, Any], str]:
    """The answer's JSON ({} if it is none), and its status ("" if it has none)."""
    status = str((message.headers or {}).get("Status", ""))
    try:
        said = orjson.loads(message.data) if message.data else {}
    except orjson.JSONDecodeError:
        said = {}
    return (said if isinstance(said, dict) else {}), status


def _error(said: Mapping[str, Any]) -> tuple[int, str] | None:
    error = said.get("error")
    if not isinstance(error, dict):
        return None
    code = error.get("err_code", error.get("code", 0))
    return (code if isinstance(code, int) else 0), str(error.get("description", error))


def published(message: Any) -> Published:
    said, status = _said(message)
    if status == NO_RESPONDERS:
        return Later(0.1)
    error = _error(said)
    if error is None:
        number = said.get("seq")
        return (
            Stored(number) if isinstance(number, int) and number > 0 else Failed(f"not an answer: {bytes(message.data)[:80]!r}")
        )
    code, text = error
    if code == WRONG_LAST_SEQUENCE[0]:
        last = _LAST.search(text)
        return WrongLast(int(last[1])) if last else Later(0.05)
    if code == WRONG_LAST_SEQUENCE[1]:
        return Later(0.001)
    if code == NOT_A_LEADER_YET:
        return Later(0.05)
    return _otherwise(code, text)


def _otherwise(code: int, text: str) -> Later | NoStream | Failed:
    if code == STREAM_NOT_FOUND:
        return NoStream()
    if code in UNAVAILABLE:
        return Later(UNAVAILABLE[code], f"{text} ({code})")
    return Failed(f"{text} ({code})", code)


def looked(message: Any) -> Looked:
    said, status = _said(message)
    if status == NO_RESPONDERS:
        return Later(0.25, NOBODY_FOR_STREAMS)
    error = _error(said)
    if error is not None:
        return _otherwise(*error)
    try:
        state = said["state"]
        last = int(state["last_seq"])
        first = int(state["first_seq"]) if state["messages"] else last + 1  # a stream that never had one says 0
        now_ms = _seconds_of(str(said["ts"])) * 1000 if "ts" in said else 0
        return StreamInfo(str(said["created"]), first, last, int(state["bytes"]), now_ms)
    except (KeyError, TypeError, ValueError):
        return Failed(f"not an answer: {bytes(message.data)[:80]!r}")


def _seconds_of(text: str) -> int:
    """Since 1970, of `2026-11-26T14:30:25.911007724Z`. Raises ValueError."""
    return int(datetime.fromisoformat(text[:19] + "+00:00").timestamp())


def config_of(message: Any) -> dict[str, Any] | None:
    """The configuration in an answer to a look; None if it is not one."""
    config = _said(message)[0].get("config")
    return config if isinstance(config, dict) else None


def got(message: Any) -> Got:
    headers = message.headers or {}
    status = str(headers.get("Status", ""))
    if status == NO_MESSAGE:
        return None
    if status == NO_RESPONDERS:
        return Later(0.25)
    try:
        time_ms = _seconds_of(headers["Nats-Time-Stamp"]) * 1000
        return StreamMessage(int(headers["Nats-Sequence"]), headers["Nats-Subject"], time_ms, message.data)
    except (KeyError, ValueError):
        return Failed(f"not an answer: {bytes(message.data)[:80]!r} {status}")
