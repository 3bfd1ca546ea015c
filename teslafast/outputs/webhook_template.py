"""
A body of another form than ours: what ntfy, Telegram and others want to be posted.

A template is a JSON file: `body` is what is posted, `headers` go with it, and in all its strings ${title}, ${text}, ${vin},
${type}, ${id} and ${time} stand for the event's. They are put in after the JSON has been read: no value breaks out of its string.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import Any

import orjson

from ..errors import Misconfigured

TEXT_AT_MOST = 1000  # characters: Telegram takes 4096, ntfy 4096 bytes, and nobody reads more on a phone
FILE_AT_MOST = 64 * 1024
PLACES = ("title", "text", "vin", "type", "id", "time")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_RESERVED = {"host", "content-length", "transfer-encoding", "connection", "content-type"}

Render = Callable[[bytes, str, str], tuple[bytes, bytes]]


def read_template(path: Path) -> Render:
    """What makes a body and header lines of an event's text, id and time. Raises Misconfigured if the file is no template."""
    try:
        with path.open("rb") as file:
            content: Any = orjson.loads(file.read(FILE_AT_MOST))
        body, headers = content["body"], content.get("headers", {})
        _fill({"body": body, "headers": headers}, dict.fromkeys(PLACES, ""))
        usable = isinstance(headers, dict) and all(
            _HEADER.fullmatch(name) and name.lower() not in _RESERVED and isinstance(headers[name], str) for name in headers
        )
    except OSError as error:
        raise Misconfigured(
            "WEBHOOK_URL", f"{path}: {error.strerror}", "give the template's path after the # of the URL"
        ) from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        fault = f"{path} is not a template ({error})"
        raise Misconfigured("WEBHOOK_URL", fault, f"give JSON with a body; placeholders are {', '.join(PLACES)}") from None
    if not usable:
        raise Misconfigured("WEBHOOK_URL", f"{path} has a header that cannot be set", "give names and texts of other headers")

    def render(text: bytes, name: str, time: str) -> tuple[bytes, bytes]:
        values = places(orjson.loads(text), name, time)
        return orjson.dumps(_fill(body, values)), b"".join(_line(key, _fill(value, values)) for key, value in headers.items())

    return render


def places(event: Mapping[str, Any], name: str, time: str) -> dict[str, str]:
    """What stands for the placeholders."""
    vin = str(event.get("vin", ""))
    title, text = _words(event)
    return {"title": title, "text": text[:TEXT_AT_MOST], "vin": vin, "type": str(event["type"]), "id": name, "time": time}


def _words(event: Mapping[str, Any]) -> tuple[str, str]:
    vin = event.get("vin", "")
    match event["type"]:
        case "alerts":
            names = [f"{one['name']} (ended)" if one.get("endedAt") else str(one["name"]) for one in event["alerts"]]
            return f"Alert from {vin}", ", ".join(names)
        case "errors":
            return f"Error from {vin}", ", ".join(f"{one['name']}: {one.get('body', '')}" for one in event["errors"])
        case "connectivity":
            return f"{vin} is {'online' if event['status'] == 'CONNECTED' else 'offline'}", f"{event['status']}"
        case "gap":
            return "Events are missing", f"Events {event['from']} to {event['to']} could not be sent in time."
        case _:
            return f"Data from {vin}", ", ".join(f"{key}: {orjson.dumps(value).decode()}" for key, value in event["data"].items())


def _fill(value: Any, values: Mapping[str, str]) -> Any:
    """KeyError, ValueError: a placeholder that there is not."""
    match value:
        case str():
            return Template(value).substitute(values)
        case dict():
            return {key: _fill(one, values) for key, one in value.items()}
        case list():
            return [_fill(one, values) for one in value]
    return value


def _line(name: str, value: str) -> bytes:
    """One header line: what is not ASCII, or would end the line, becomes `?`."""
    clean = "".join(character if " " <= character <= "~" else "?" for character in value)
    return f"{name}: {clean}\r\n".encode()
