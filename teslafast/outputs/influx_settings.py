"""
What may be set for InfluxDB, and which of its three interfaces that means. No message shows the token or the URL's password.

    INFLUX_ORG set                v2    POST /api/v2/write        InfluxDB 2, Cloud, and 3
    INFLUX_TOKEN, and no org      v3    POST /api/v3/write_lp     InfluxDB 3
    neither                       v1    POST /write               InfluxDB 1, 3 without a login; a login in the URL
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlencode

from ..config import Settings
from ..environment import Rule, refuse, setting
from ..errors import Misconfigured
from ..urls import parse_url

V1, V2, V3 = "v1", "v2", "v3"


def _url(text: str) -> SplitResult:
    try:
        parts = parse_url(text.strip(), ("http", "https"), default="http", example="http://host:8086")
    except Misconfigured:
        refuse(text)
    return refuse(text) if parts.query or parts.fragment or not _is_word(parts.path or "/") else parts


def _is_word(text: str) -> bool:
    """Whether it may stand in the head of a request."""
    return text.isascii() and text.isprintable() and " " not in text


def _token(text: str) -> str:
    return text.strip() if _is_word(text.strip()) else refuse(text)


def _name(text: str) -> str:
    return text.strip() if text.strip().isprintable() else refuse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxSettings:
    url: SplitResult = setting(
        "INFLUX_URL",
        None,
        _url,
        "http://host:8086 or https://host, without a query",
        "stores events in this InfluxDB: `http[s]://[user:password@]host[:port]`",
        secret=True,
    )
    token: str = setting("INFLUX_TOKEN", "", _token, "a token without blanks", "of InfluxDB 2 and 3", secret=True)
    org: str = setting("INFLUX_ORG", "", _name, "a name or an id", "the organization, of InfluxDB 2")
    bucket: str = setting(
        "INFLUX_BUCKET",
        "",
        _name,
        "a name",
        "the bucket; for InfluxDB 3 and 1 the database; for 1 also DATABASE/RETENTION_POLICY",
    )

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[InfluxSettings], ...]:
        """What no variable shows alone."""
        return (
            Rule("INFLUX_BUCKET", lambda it: not it.bucket, "is not set", "name the bucket, or InfluxDB 1's database"),
            Rule(
                "INFLUX_TOKEN",
                lambda it: bool(it.token) and it.url.username is not None,
                "is set, but INFLUX_URL has a login as well",
                "give a token for InfluxDB 2 and 3, a login for InfluxDB 1",
            ),
        )

    @property
    def version(self) -> str:
        return V2 if self.org else V3 if self.token else V1

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.url.scheme == "https" else 80)

    def target(self) -> str:
        """Path and query of a write."""
        base = self.url.path.rstrip("/")
        if self.version == V2:
            return f"{base}/api/v2/write?" + urlencode(
                {"org": self.org, "bucket": self.bucket, "precision": "ns"}, quote_via=quote
            )
        if self.version == V3:
            chosen = {"db": self.bucket, "precision": "nanosecond", "accept_partial": "true", "no_sync": "false"}
            return f"{base}/api/v3/write_lp?" + urlencode(chosen, quote_via=quote)
        database, _, policy = self.bucket.partition("/")
        chosen = {"db": database, "precision": "ns"} | ({"rp": policy} if policy else {})
        return f"{base}/write?" + urlencode(chosen, quote_via=quote)

    def authorization(self) -> str:
        """The header's value, "" if there is none."""
        if self.token:
            return f"{'Token' if self.version == V2 else 'Bearer'} {self.token}"
        if self.url.username is None:
            return ""
        login = f"{unquote(self.url.username)}:{unquote(self.url.password or '')}"
        return f"Basic {b64encode(login.encode()).decode()}"
