"""The command line. `main` runs a command, and prints our own errors as one line with an exit status."""

from __future__ import annotations

import os
import sys

import click

from ..errors import Declined, Misconfigured, Unhealthy
from .commands import teslafast
from .terminal import print_anything


def main() -> None:
    """The console script: the commands, with our own errors as one line."""
    _open_standard_streams()
    print_anything(sys.stdout, sys.stderr)
    try:
        teslafast(standalone_mode=False)
    except Misconfigured as error:
        _fail(str(error), 2)
    except (Unhealthy, Declined) as error:
        _fail(str(error), 1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of our output has gone: that is not an error
        sys.exit(1)


def _open_standard_streams() -> None:
    """
    Those that are closed (`2>&-`, some supervisors) lead nowhere from now on.

    Otherwise the next file to be opened, the journal or a connection, would be descriptor 2, and get the log's lines.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor: this one
            os.set_inheritable(descriptor, True)
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", closefd=False))  # noqa: SIM115 — for good


def _fail(line: str, code: int) -> None:
    click.echo(f"teslafast: {line}", err=True)
    sys.exit(code)
