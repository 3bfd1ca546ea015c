"""Templates: those of docs/outputs/webhook.md against fakes of ntfy and Telegram, and files that are none."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from teslafast.errors import Misconfigured, Undelivered
from teslafast.outputs import Context, Event
from teslafast.outputs.webhook import WebhookOutput, WebhookSettings
from teslafast.outputs.webhook_template import TEXT_AT_MOST, places, read_template

from tests.support import ROOT
from tests.support.webhook_receiver import Answer, Posted, Receiver

VIN = "5YJ3E1EA7KF000001"
ALERTS = {
    "type": "alerts",
    "seq": 1,
    "vin": VIN,
    "alerts": [{"name": 'VCFRONT_a"1', "endedAt": None}, {"name": "DI_a2", "endedAt": "2026-11-23T08:00:00.123Z"}],
}


def documented(name: str) -> str:
    page = (ROOT / "docs" / "outputs" / "webhook.md").read_text()
    (block,) = re.findall(rf"^```json {name}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return str(block)


def post(url: str, *events: dict[str, Any]) -> None:
    async def scene() -> None:
        output = WebhookOutput(WebhookSettings(urls=(url,), private=True), Context("epoch", Counter()))
        await output.connect()
        try:
            await output.send([Event(one["seq"], 1, VIN, json.dumps(one).encode(), 1) for one in events])
        finally:
            await output.close()

    asyncio.run(scene())


class Ntfy:
    """As ntfy's server reads a JSON publish to its root: what it cannot read is 400."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def __call__(self, posted: Posted) -> Answer:
        message = posted.json
        form = {"topic": str, "title": str, "message": str, "tags": list, "priority": int}
        if posted.path != "/" or set(message) - set(form) or any(not isinstance(message[key], form[key]) for key in message):
            return Answer(400)
        if not posted.headers.get("authorization", "").startswith("Bearer tk_"):
            return Answer(403)
        self.messages.append(message)
        return Answer(200)


class Telegram:
    """As api.telegram.org answers sendMessage; `busy`: how often it is over its limit first."""

    def __init__(self, busy: int = 0) -> None:
        self.busy = busy
        self.messages: list[dict[str, Any]] = []

    def __call__(self, posted: Posted) -> Answer:
        if posted.path != "/bot123:abc/sendMessage":
            return Answer(404, body=b'{"ok":false,"error_code":404,"description":"Not Found"}')
        message = posted.json
        if not message.get("chat_id") or not 0 < len(message.get("text", "")) <= 4096:
            return Answer(400, body=b'{"ok":false,"error_code":400,"description":"Bad Request: message text is empty"}')
        if self.busy:
            self.busy -= 1
            return Answer(429, body=b'{"ok":false,"error_code":429,"parameters":{"retry_after":3}}')
        self.messages.append(message)
        return Answer(200, body=b'{"ok":true,"result":{}}')


def test_ntfy_gets_a_message_with_a_title_and_its_token(tmp_path: Path) -> None:
    template = tmp_path / "ntfy.json"
    template.write_text(documented("ntfy"))
    with Receiver(judge=(ntfy := Ntfy())) as receiver:
        post(f"http://127.0.0.1:{receiver.port}/#{template}", ALERTS)
    (message,) = ntfy.messages
    assert (message["topic"], message["title"]) == ("my-tesla", f"Alert from {VIN}")
    assert message["message"] == 'VCFRONT_a"1, DI_a2 (ended)'


def test_telegram_gets_a_text_and_its_limit_is_heard(tmp_path: Path) -> None:
    template = tmp_path / "telegram.json"
    template.write_text(documented("telegram"))
    with Receiver(judge=(telegram := Telegram(busy=1))) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/bot123:abc/sendMessage#{template}"
        with pytest.raises(Undelivered) as caught:
            post(url, ALERTS)
        assert caught.value.retry_after_s == 3
        post(url, ALERTS)
    assert telegram.messages == [{"chat_id": "123456789", "text": f'Alert from {VIN}: VCFRONT_a"1, DI_a2 (ended)'}]


@pytest.mark.parametrize(
    ("event", "title", "text"),
    [
        ({"type": "errors", "vin": VIN, "errors": [{"name": "e", "body": "b"}]}, f"Error from {VIN}", "e: b"),
        ({"type": "connectivity", "vin": VIN, "status": "CONNECTED"}, f"{VIN} is online", "CONNECTED"),
        ({"type": "connectivity", "vin": VIN, "status": "DISCONNECTED"}, f"{VIN} is offline", "DISCONNECTED"),
        ({"type": "data", "vin": VIN, "data": {"Soc": 64.5, "Gear": None}}, f"Data from {VIN}", "Soc: 64.5, Gear: null"),
        ({"type": "gap", "from": 3, "to": 9}, "Events are missing", "Events 3 to 9 could not be sent in time."),
    ],
)
def test_each_kind_is_said_in_words(event: dict[str, Any], title: str, text: str) -> None:
    found = places(event, "epoch-1", "now")
    assert (found["title"], found["text"]) == (title, text)


def test_a_long_text_is_cut() -> None:
    event = {"type": "data", "vin": VIN, "data": {f"Field_{number}": number for number in range(1000)}}
    assert len(places(event, "epoch-1", "now")["text"]) == TEXT_AT_MOST


def test_a_value_cannot_add_a_header_or_leave_its_string(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"headers": {"Title": "${text}"}, "body": {"a": ["${text}"], "n": 1}}')
    nasty = 'x"}\r\nEvil: 1\r\n\r\né'
    text = json.dumps({"type": "errors", "vin": VIN, "errors": [{"name": nasty, "body": "${vin}"}]}).encode()
    body, headers = read_template(path)(text, "epoch-1", "now")
    assert json.loads(body) == {"a": [nasty + ": ${vin}"], "n": 1}
    assert headers == b'Title: x"}??Evil: 1?????: ${vin}\r\n'


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"body": "${nothing}"}',
        '{"body": "$"}',
        '{"body": 1, "headers": []}',
        '{"body": "x", "headers": {"a": 1}}',
    ]
    + [f'{{"body": "x", "headers": {{"{name}": "x"}}}}' for name in ("Host", "content-length", "a b", "", "a\\r\\nb")],
)
def test_a_file_that_is_no_template_stops_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(Misconfigured) as caught:
        read_template(path)
    assert caught.value.subject == "WEBHOOK_URL"


def test_a_template_that_does_not_exist_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        read_template(tmp_path / "none.json")
