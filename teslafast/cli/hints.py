"""
What is probably a mistake in an environment, although a server starts with it: told at start and by `teslafast settings`.

    a name that is nearly a setting's     JWT_SECRE, RING_BYTE, port: the server would use the default without a word
    a setting of an output that is off    KINESIS_STREAM_V without KINESIS_STREAM: nothing would come of it
    a value with quotes, blanks or CR     an .env file is read differently by a shell, by Docker and by systemd
    a file that is a mount of its own     a renewal will not be seen (certificates/mounts.py)
    a HOST with several addresses         only one of them is listened on
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..certificates.mounts import MOUNT_INFO, mounted_alone
from ..config import Settings
from ..environment import SettingRow, doubtful, rows
from ..outputs import OUTPUTS, SharedSettings
from ..outputs.settings import settings_class
from ..text import typing_errors

# What commands read besides the rows of settings.
OTHER_VARIABLES = (
    "TESLA_ACCESS_TOKEN",
    "TESLA_API_BASE_URL",
    "TESLA_AUTH_URL",
    "TESLA_CLIENT_ID",
    "TESLA_CLIENT_SECRET",
    "TESLA_REFRESH_TOKEN",
    "TESLA_TOKEN_URL",
    "TESLAFAST_DOMAIN",
    "TESLAFAST_STATE",
    "TESLAFAST_TOKEN",
)
SETTING_TYPOS_AT_MOST = 2  # typing errors; in a short name one is already a lot
_FREE_NAMES = ("KAFKA_",)  # librdkafka's own settings: any name is one


@dataclass(frozen=True)
class Hint:
    """`variable`: whose; `meaning`: a sentence that follows its name. A secret's value is never part of it."""

    variable: str
    meaning: str


def all_rows() -> list[SettingRow]:
    """The rows of the server's settings, then of every output's."""
    return _each_once(
        [*rows(Settings), *rows(SharedSettings), *(row for output in OUTPUTS for row in rows(settings_class(output)))]
    )


def rows_in_use(environment: Mapping[str, str]) -> list[SettingRow]:
    """As `all_rows`, without those of outputs that are not set: a server does not import these."""
    used = (output for output in OUTPUTS if environment.get(output.switch, "").strip())
    return _each_once([*rows(Settings), *rows(SharedSettings), *(row for output in used for row in rows(settings_class(output)))])


def _each_once(found: list[SettingRow]) -> list[SettingRow]:
    """An output may read a setting of the server's, too: the server's row stands for both."""
    first: dict[str, SettingRow] = {}
    for row in found:
        first.setdefault(row.variable, row)
    return list(first.values())


def hints(
    environment: Mapping[str, str],
    settings: Settings | None,
    known: Sequence[SettingRow],
    mount_info: Path = MOUNT_INFO,
) -> list[Hint]:
    """`settings`: None if they cannot be read; then only names and values are looked at, those of the rows in `known`."""
    found = [*_misspelt(environment, known), *_of_no_use(environment), *_odd_values(environment, known)]
    if settings is not None:
        found += [*_mounted(settings, mount_info), *_ambiguous(settings)]
    return found


def _misspelt(environment: Mapping[str, str], known: Iterable[SettingRow]) -> Iterable[Hint]:
    names = {row.variable for row in known}.union(OTHER_VARIABLES, (output.switch for output in OUTPUTS))
    for name in sorted(environment):
        if name not in names and not name.startswith(_FREE_NAMES) and (meant := _nearest(name, names)):
            yield Hint(name, f"is not a setting: did you mean {meant}?")


def _of_no_use(environment: Mapping[str, str]) -> Iterable[Hint]:
    """Imports an output's settings only if a name begins as theirs do."""
    shared = {row.variable for cls in (Settings, SharedSettings) for row in rows(cls)}
    for output in OUTPUTS:
        beginning = output.switch.partition("_")[0] + "_"
        named = {name for name, text in environment.items() if name.startswith(beginning) and text.strip()}
        if not named or output.switch in named:
            continue
        own = {row.variable for row in rows(settings_class(output)) if not row.family} - shared
        yield from (Hint(name, f"does nothing: {output.switch} is not set") for name in sorted(named & own))


def _nearest(name: str, known: Iterable[str]) -> str:
    """The setting that was probably meant, "" if none is near enough."""
    word, names = name.upper(), sorted(known)
    for one in names:
        if word in (one, f"{one}_FILE", one.removesuffix("_PATH")):
            return one
    allowed = min(SETTING_TYPOS_AT_MOST, len(word) // 5)
    near = ((typing_errors(word, one, allowed), one) for one in names if len(one) > 4 and allowed)
    return min((found for found in near if found[0] <= allowed), default=(0, ""))[1]


def _odd_values(environment: Mapping[str, str], known: Iterable[SettingRow]) -> Iterable[Hint]:
    for row in known:
        text = environment.get(row.variable, "")
        if text.strip() and (doubt := doubtful(text)):
            shown = "its value" if row.secret else repr(text)
            yield Hint(row.variable, f"{shown} {doubt}, which is part of it here: Docker's env files take neither quotes nor CR")


NOT_RENEWED = ("JOURNAL_PATH", "TESLAFAST_STATE")  # a volume of their own is what they should have


def _mounted(settings: Settings, mount_info: Path) -> Iterable[Hint]:
    files = {row.variable: getattr(settings, row.name) for row in rows(Settings) if row.variable not in NOT_RENEWED}
    paths: dict[str, Any] = {variable: path for variable, path in files.items() if isinstance(path, Path)}
    for variable, path in paths.items():
        if mounted_alone([path], mount_info):
            yield Hint(variable, f"{path} is a mount of its own: a renewal will not be seen; mount its folder instead")


def _ambiguous(settings: Settings) -> Iterable[Hint]:
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM) if settings.host else []
    except (OSError, UnicodeError):
        return  # the server says so when it listens
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if len(addresses) > 1:
        meaning = f"{settings.host} is {' and '.join(addresses)}: the server listens on the first alone; give an address"
        yield Hint("HOST", meaning)
