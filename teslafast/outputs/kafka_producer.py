"""
librdkafka's producer as this server uses it: made from the settings, polled by a thread of its own.

    defaults      enable.idempotence=true, message.timeout.ms=0 (for ever: the log is behind it)
    idempotent    only if the settings allow it: with acks=1, for example, one request at a time keeps the order instead

What librdkafka logs becomes our log's debug lines; what it reports as errors goes to `on_error`, in the thread.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from ..errors import Misconfigured
from ..logs import fields, log
from .kafka_settings import SWITCH, KafkaSettings, is_secret, variable_of

POLL_S = 0.1  # how long the thread waits for librdkafka at a time: as long as `stop` may have to wait
_DEFAULTS = {"client.id": "teslafast", "message.timeout.ms": "0"}
_IN_WORDS = re.compile(r"[a-z0-9]+(?:\.[a-z0-9]+)+")
_PROPERTY = re.compile(r"onfiguration property\b")


class _Log:
    """What confluent-kafka takes for a logger."""

    def log(self, level: int, form: str, *words: object) -> None:
        log.debug("kafka_client", extra=fields(reason=form % words))


def made(kafka: Any, settings: KafkaSettings, on_error: Callable[[Any], None]) -> Any:
    """A Producer. Raises Misconfigured with the variable that librdkafka does not take."""
    given = {"bootstrap.servers": settings.servers, **dict(settings.properties)}
    try:
        return _made(kafka, {"enable.idempotence": "true"} | given, on_error)
    except kafka.KafkaException as error:
        first = error
    if "enable.idempotence" not in given:
        try:
            producer = _made(kafka, {"max.in.flight.requests.per.connection": "1"} | given, on_error)
        except kafka.KafkaException:
            raise _blamed(kafka, given, first) from None
        reason = str(first.args[0].str()).strip()
        log.warning("kafka_not_idempotent", extra=fields(reason=reason, remedy="a retry may deliver an event twice"))
        return producer
    raise _blamed(kafka, given, first) from None


def _made(kafka: Any, given: dict[str, str], on_error: Callable[[Any], None]) -> Any:
    return kafka.Producer(_DEFAULTS | given, error_cb=on_error, logger=_Log())


def _blamed(kafka: Any, given: dict[str, str], error: Exception) -> Misconfigured:
    """Whose fault it is: librdkafka says so by other names for some, so each is tried alone."""
    for key, value in given.items():
        try:
            kafka.Producer({key: value}, logger=_Log())
        except (kafka.KafkaException, TypeError, ValueError) as alone:
            words = _words(alone)
            if "No such" in words:
                return Misconfigured(variable_of(key), f"librdkafka has no setting {key}", "look it up in its CONFIGURATION.md")
            if _PROPERTY.search(words):
                shown = "its value" if is_secret(key) else f"{value!r}"
                return Misconfigured(variable_of(key), f"{shown} is not usable", f"give what librdkafka takes for {key}")
    words = _words(error)
    named = [key for key in _IN_WORDS.findall(words) if key in given]
    secret = any(is_secret(key) and value in words for key, value in given.items())
    fault = "librdkafka does not take the settings" + ("" if secret else f": {words}")
    return Misconfigured(variable_of(named[0]) if named else SWITCH, fault, "look it up in its CONFIGURATION.md")


def _words(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return " ".join(str(first.str() if hasattr(first, "str") else first).split())


class Poller:
    """Calls a producer's callbacks in a thread of its own, while it is started."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._ending = threading.Event()  # of the thread that was started last
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """A thread from before, whose `stop` nobody waited for, ends by itself."""
        self._ending.set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._ending,), name="kafka", daemon=True)
        self._thread.start()

    def _run(self, ending: threading.Event) -> None:
        while not ending.is_set():
            self._producer.poll(POLL_S)

    def stop(self) -> None:
        """Returns when the thread has ended: not on the event loop."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
