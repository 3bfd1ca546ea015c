"""
`teslafast --env-file FILE …`: variables from a file, for every command.

The file is one that systemd, Docker and a shell read alike: a line is NAME=VALUE, `#` begins a comment line, a value may stand in
single or double quotes. What the environment has already wins, as it does in compose. Nothing is expanded: `$` is a `$`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import click

from ..errors import Misconfigured
from ..text import one_line

LONGEST_ENV_FILE = 1 << 20  # bytes: a hundred settings take a few KB, a list of 50,000 VINs 900 KB
LONGEST_SHOWN = 40  # characters of a line that cannot be read: the rest may be a secret
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(["'])(.*)\1""")


def load_env_file(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """The option's callback: runs before any command reads a variable. Raises Misconfigured."""
    if path is not None:
        for name, value in read(path).items():
            os.environ.setdefault(name, value)


def read(path: Path) -> dict[str, str]:
    """The variables of the file. Raises Misconfigured."""
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_ENV_FILE + 1)
        text = content.decode()
    except OSError as error:
        raise Misconfigured("--env-file", f"{path}: {error.strerror}", "give a file that you may read") from None
    except UnicodeDecodeError:
        raise Misconfigured("--env-file", f"{path} is not UTF-8 text", "give a file of lines NAME=VALUE") from None
    if len(content) > LONGEST_ENV_FILE:
        raise Misconfigured("--env-file", f"{path} is larger than {LONGEST_ENV_FILE} bytes", "give a file of lines NAME=VALUE")
    return dict(_variables(text, path))


def _variables(text: str, path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        found = _LINE.fullmatch(stripped)
        if found is None or "\0" in stripped:
            shown = one_line(stripped.partition("=")[0], LONGEST_SHOWN)
            raise Misconfigured("--env-file", f"{path}, line {number}: {shown!r} is not a setting", "write NAME=VALUE")
        value = found[2]
        quoted = _QUOTED.fullmatch(value)
        yield found[1], quoted[2] if quoted else value
