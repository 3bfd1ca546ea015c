"""What may be set for Kinesis. Credentials are Amazon's own variables and files, which boto3 finds; none of them is read here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..config import Settings
from ..environment import Rule, refuse, setting
from ..errors import Misconfigured
from ..urls import parse_url

TYPE_MARK = "{type}"
_STREAM = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_REGION = re.compile(r"[a-z0-9-]{2,40}")
_FORM = "a stream's name: letters, digits, _, . and -, 128 at most"


def stream_name(text: str) -> str:
    return text.strip() if _STREAM.fullmatch(text.strip()) else refuse(text)


def _stream_or_pattern(text: str) -> str:
    return text.strip() if stream_name(text.strip().replace(TYPE_MARK, "connectivity")) else refuse(text)


def _endpoint(text: str) -> str:
    try:
        parts = parse_url(text.strip(), ("http", "https"), default="https", example="https://host:4566")
    except Misconfigured:
        refuse(text)
    return refuse(text) if parts.query or parts.fragment or parts.username else parts.geturl()


def _region(text: str) -> str:
    return text.strip() if _REGION.fullmatch(text.strip()) else refuse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class KinesisSettings:
    stream: str = setting(
        "KINESIS_STREAM",
        "",
        _stream_or_pattern,
        f"{_FORM}; {TYPE_MARK} in it stands for the type of record",
        "sends records to this stream; `{type}` in it becomes `V`, `alerts`, `errors` or `connectivity`",
    )
    of_data: str = setting("KINESIS_STREAM_V", "", stream_name, _FORM, "another stream for records of type `V`")
    of_alerts: str = setting("KINESIS_STREAM_ALERTS", "", stream_name, _FORM, "another stream for alerts")
    of_errors: str = setting("KINESIS_STREAM_ERRORS", "", stream_name, _FORM, "another stream for errors")
    of_connectivity: str = setting("KINESIS_STREAM_CONNECTIVITY", "", stream_name, _FORM, "another stream for connectivity")
    endpoint: str = setting(
        "KINESIS_ENDPOINT", "", _endpoint, "http[s]://host[:port]", "the service's address, if it is not Amazon's own"
    )
    region: str = setting("AWS_REGION", "", _region, "a region such as eu-west-1", "the region, if Amazon's files do not name it")

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[KinesisSettings], ...]:
        return ()

    def stream_of(self, topic: str) -> str:
        """The stream for a type of record: `V`, `alerts`, `errors`, `connectivity`."""
        own = {"V": self.of_data, "alerts": self.of_alerts, "errors": self.of_errors, "connectivity": self.of_connectivity}
        return own[topic] or self.stream.replace(TYPE_MARK, topic)
