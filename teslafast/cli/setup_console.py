"""
The terminal of `teslafast setup`: where its lines go, how it asks, and what shows that it still waits.

Without `--json` lines go to stdout; with it stdout is for objects, and what a person must see goes to stderr. On a terminal a
wait is one line that is rewritten. Elsewhere (CI, a log) a line comes every so often: a run that waits ten minutes must not look
dead.
"""

from __future__ import annotations

import base64
import select
import sys
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import click

from .terminal import has_colours, obeys_escapes, shows

if TYPE_CHECKING:
    from ..setup.console import SetupConsole
    from ..setup.options import SetupOptions

_CLEAR = "\r\x1b[K"
LONGEST_LINE = 16 << 10  # characters that are read of an answer; a pasted address has about 300
STILL_WAITING_S = 30.0  # between two lines of a wait that nobody sees being rewritten
FIRST_WAITING_S = 10.0  # before the first of them: most waits are over by then


def console_of(options: SetupOptions, as_json: bool) -> SetupConsole:
    """Where this run speaks, and whom it may ask."""
    from .. import qr_code
    from ..setup.console import SetupConsole

    terminal, stays = obeys_escapes(sys.stderr), sys.stderr if as_json else sys.stdout

    def must(text: str) -> None:
        if terminal:
            click.echo(_CLEAR, nl=False, err=True)
        click.echo(text, file=stays, color=True)
        stays.flush()

    return SetupConsole(
        line=_left_out if as_json else must,
        must=must,
        status=_rewritten if terminal else _now_and_then(stays, STILL_WAITING_S if as_json else FIRST_WAITING_S),
        ask=None if options.yes or options.look_only else _asker(as_json),
        paste=_paster(as_json),
        typed=typed_line if sys.stdin.isatty() and not options.yes else None,
        copy=_copier(stays) if obeys_escapes(stays) else None,
        open=_no_browser if options.look_only else _browser,
        coloured=has_colours(stays),
        has_blocks=shows(stays, qr_code.BLOCKS),
    )


def _asker(as_json: bool) -> Callable[[str, str, bool], str]:
    def ask(question: str, default: str, secret: bool) -> str:
        shown = f"  {question}" + (f" [{default}]" if default else "")
        if secret and sys.stdin.isatty():
            return str(click.prompt(shown, default="", hide_input=True, show_default=False, err=as_json))
        click.echo(f"{shown}: ", nl=False, err=as_json)
        line = sys.stdin.readline(LONGEST_LINE)
        if not line:
            click.echo(err=as_json)  # what comes next begins a line of its own
            raise EOFError
        return line.strip() or default

    return ask


def _paster(as_json: bool) -> Callable[[str], str]:
    def paste(question: str) -> str:
        click.echo(f"{question}: ", nl=False, err=as_json)
        return sys.stdin.readline(LONGEST_LINE)

    return paste


def typed_line() -> str:
    """A line that a person has typed meanwhile, "" if there is none."""
    readable, _, _ = select.select([sys.stdin], [], [], 0.0)
    return sys.stdin.readline(LONGEST_LINE).strip() if readable else ""


def _copier(terminal: IO[str]) -> Callable[[str], None]:
    """Puts a text into the clipboard of the person's machine, through ssh too: OSC 52, which most terminals know."""

    def copy(text: str) -> None:
        terminal.write(f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07")
        terminal.flush()

    return copy


def _rewritten(text: str) -> None:
    click.echo(f"{_CLEAR}{text}", nl=False, err=True)


def _now_and_then(file: IO[str], first_s: float) -> Callable[[str], None]:
    """`text` "": the wait is over."""
    due: list[float] = []

    def status(text: str) -> None:
        now = time.monotonic()
        if not text:
            due.clear()
        elif not due:
            due.append(now + first_s)
        elif now >= due[0]:
            due[0] = now + STILL_WAITING_S
            click.echo(f"  … {text}", file=file)
            file.flush()

    return status


def _browser(url: str) -> None:
    import webbrowser

    webbrowser.open(url)


def _left_out(text: str) -> None:
    """With --json, stdout is for objects, and stderr for the one line that says what is missing."""


def _no_browser(url: str) -> None:
    """Nothing is opened by a run that only looks."""
