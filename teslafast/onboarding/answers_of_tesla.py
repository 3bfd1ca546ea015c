"""
What an answer of Tesla's holds when it is a refusal: its words, and how long it wants to be left alone.

Every server of Tesla's says both in its own way: the Fleet API in `error`, `error_description`, `messages` (422) and `txid`, the
token endpoint in `error`, `error_description` and `referenceID`; a gateway in front of them with a page of HTML.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

from ..https import Reply

_WORDS = ("error", "error_description", "messages")
_REFERENCES = ("txid", "referenceID")  # what Tesla's support asks for
_LONGEST_PAGE = 200  # bytes that are shown of an answer that is not JSON


def json_of(reply: Reply) -> object:
    """The JSON in an answer, None if it holds none."""
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):  # the latter: a list in a list in a list …
        return None


def words_of(reply: Reply, answer: object) -> str:
    """What is said in a refusal; "" if nothing is. `answer`: its JSON."""
    if answer is None:
        return reply.body[:_LONGEST_PAGE].decode(errors="replace")
    members = answer if isinstance(answer, Mapping) else {}
    said = ": ".join(text for name in _WORDS for text in _texts(members.get(name)))
    reference = next((f"{name} {members[name]}" for name in _REFERENCES if members.get(name)), "")
    return f"{said} ({reference})".strip() if reference else said


def _texts(value: object) -> Iterator[str]:
    """`messages` is a list of sentences, or a list for each attribute: {"public_key_hash": ["has already been taken"]}."""
    if isinstance(value, Mapping):
        for name, texts in value.items():
            yield from (f"{str(name).replace('_', ' ')} {text}" for text in _texts(texts))
    elif isinstance(value, list):
        yield from (str(text) for text in value)
    elif value:
        yield str(value)


def asked_pause_s(reply: Reply, now: float | None = None) -> int:
    """How many seconds Tesla wants to be left alone, as its headers say so; 0 if they do not. `now`: s since 1970."""
    if wait := reply.headers.get("retry-after", "").strip():
        return _seconds(wait, time.time() if now is None else now)
    resets = [value for name, value in reply.headers.items() if name.startswith("ratelimit-") and name.endswith("reset")]
    return max((_seconds(one, 0.0) for one in resets), default=0) if reply.status == 429 else 0


def _seconds(text: str, now: float) -> int:
    """A number of seconds, or a date."""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        return max(math.ceil(parsedate_to_datetime(text).timestamp() - now), 0)
    except (ValueError, OverflowError):
        return 0
