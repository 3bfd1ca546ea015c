"""
What may be set for ZeroMQ, and the files of keys that Tesla's server has for it.

    ZMQ_SERVER_KEY_PATH      {"secret": "…", "public": "…"}     each 40 characters of Z85
    ZMQ_ALLOWED_KEYS_PATH    ["…", …]                           subscribers' public keys
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ..config import Settings
from ..environment import Rule, refuse, setting
from ..errors import Misconfigured

KEY_FILE_BYTES = 1024 * 1024  # some 20,000 keys
_TCP = re.compile(r"tcp://(\*|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})")
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


def _endpoint(text: str) -> str:
    given = text.strip()
    if given.startswith("ipc://") and len(given) > len("ipc://"):
        return given
    tcp = _TCP.fullmatch(given)
    return given if tcp and 0 < int(tcp[2]) <= 65535 else refuse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZmqSettings:
    bind: str = setting(
        "ZMQ_BIND",
        "",
        _endpoint,
        "tcp://*:5284, tcp://ADDRESS:PORT or ipc://PATH",
        "publishes events at this address: `tcp://*:5284`",
    )
    server_key_path: Path | None = setting(
        "ZMQ_SERVER_KEY_PATH",
        None,
        Path,
        "path of a JSON file",
        "CURVE: the server's keys; empty = neither encrypted nor restricted",
    )
    allowed_keys_path: Path | None = setting(
        "ZMQ_ALLOWED_KEYS_PATH",
        None,
        Path,
        "path of a JSON file",
        "CURVE: public keys of the subscribers; empty = any subscriber",
    )

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[ZmqSettings], ...]:
        return (
            Rule(
                "ZMQ_ALLOWED_KEYS_PATH",
                lambda it: it.allowed_keys_path is not None and it.server_key_path is None,
                "is set, but ZMQ_SERVER_KEY_PATH is not",
                "set both",
            ),
        )


def server_key(path: Path) -> tuple[bytes, bytes]:
    """(secret, public). Raises Misconfigured; no message shows a key."""
    said = _read("ZMQ_SERVER_KEY_PATH", path)
    keys = [said.get(name) for name in ("secret", "public")] if isinstance(said, dict) else []
    if not keys or not all(map(_is_key, keys)):
        form = 'give {"secret": KEY, "public": KEY}, each 40 characters of Z85'
        raise Misconfigured("ZMQ_SERVER_KEY_PATH", f"{path} is not a pair of keys", form)
    return str(keys[0]).encode(), str(keys[1]).encode()


def allowed_keys(path: Path) -> frozenset[bytes]:
    """Raises Misconfigured."""
    said = _read("ZMQ_ALLOWED_KEYS_PATH", path)
    if not isinstance(said, list) or not said or not all(map(_is_key, said)):
        raise Misconfigured(
            "ZMQ_ALLOWED_KEYS_PATH", f"{path} is not a list of public keys", "give [KEY, …], each 40 characters of Z85"
        )
    return frozenset(key.encode() for key in said)


def _is_key(key: object) -> bool:
    return isinstance(key, str) and _Z85.fullmatch(key) is not None


def _read(variable: str, path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return orjson.loads(file.read(KEY_FILE_BYTES))
    except OSError as error:
        raise Misconfigured(variable, f"{path} cannot be read: {error.strerror}", "give a file that teslafast may read") from None
    except orjson.JSONDecodeError:
        raise Misconfigured(variable, f"{path} is not JSON", "give the JSON file of keys that Tesla's server takes") from None
