"""
What may be set for PostgreSQL. No message shows the URL: it holds a password.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

from ..config import Settings
from ..environment import Rule, refuse, setting

SCHEMES = ("postgres", "postgresql")
NAME_BYTES = 48  # PostgreSQL has 63 for a name; ours ends in `_epochs_epoch_key` at the longest
_NAMED_FILES = {  # a parameter of the URL → the variable that libpq, and asyncpg, take it from otherwise
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "passfile": "PGPASSFILE",
    "servicefile": "PGSERVICEFILE",
}
_FILES_AT_HOME = (".pgpass", ".pg_service.conf", ".postgresql/root.crt")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class TableName:
    """`schema` "": where the search path leads to."""

    schema: str
    table: str

    def quoted(self, ending: str = "") -> str:
        """As SQL takes it; the names hold nothing that ends a quotation."""
        name = f'"{self.table}{ending}"'
        return f'"{self.schema}".{name}' if self.schema else name

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.schema else self.table


def database_url(text: str) -> str:
    """A URL with a host, or with the folder of a socket as `host` in its query."""
    stripped = text.strip()
    parts = urlsplit(stripped)
    if parts.scheme not in SCHEMES or parts.port == 0 or not (parts.hostname or parse_qs(parts.query).get("host")):
        refuse(text)
    return stripped


def table_name(text: str) -> TableName:
    schema, _, table = text.strip().rpartition(".")
    usable = _NAME.fullmatch(table) and (_NAME.fullmatch(schema) or "." not in text)
    return TableName(schema, table) if usable and len(table) <= NAME_BYTES and len(schema) <= 63 else refuse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    url: str = setting(
        "POSTGRES_URL",
        "",
        database_url,
        "postgres://user:password@host:5432/database; percent-encode what is special in the password",
        "stores events in this database: `postgres://[user:password@]host[:port]/database[?sslmode=verify-full]`",
        secret=True,
    )
    table: TableName = setting(
        "POSTGRES_TABLE",
        TableName("", "telemetry"),
        table_name,
        f"a name of letters, digits and _, {NAME_BYTES} at most, or SCHEMA.NAME",
        "the table for values; others are called after it",
    )

    def files(self) -> list[Path]:
        """That asyncpg may read when it connects: those that the URL or the environment names, and those of the user's home."""
        named = dict(parse_qsl(urlsplit(self.url).query))
        paths = [named.get(name) or os.environ.get(variable) for name, variable in _NAMED_FILES.items()]
        with suppress(RuntimeError):  # there is no home
            paths += [str(Path.home() / name) for name in _FILES_AT_HOME]
        return [Path(path) for path in paths if path]

    @staticmethod
    def rules(server: Settings) -> tuple[Rule[PostgresSettings], ...]:
        return ()
