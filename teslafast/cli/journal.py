"""The commands `teslafast journal …`: what a journal holds, its events, and a ring of another size. No server may have it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import RingBytes

if TYPE_CHECKING:
    from ..storage.journal_reader import JournalReport

_PATH = click.argument("path", envvar="JOURNAL_PATH", type=click.Path(path_type=Path))


@click.group()
def journal() -> None:
    """
    The journal of a server that is stopped.

    PATH is the journal's file. Default: JOURNAL_PATH.
    """


@journal.command()
@_PATH
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(path: Path, as_json: bool) -> None:
    """Show what the journal holds. Nothing is written."""
    from ..storage.journal_reader import JournalReader

    with JournalReader(path) as opened:
        report = opened.report()
    if as_json:
        click.echo(json.dumps(asdict(report)))
        return
    rows = _rows(report)
    for name, value in rows.items():
        click.echo(f"{name:<{max(map(len, rows))}}  {value}")


def _rows(report: JournalReport) -> dict[str, str]:
    from ..rfc3339 import rfc3339

    shown = {
        "file": f"{report.path} ({report.bytes} bytes)",
        "ring": f"{report.ring_bytes} bytes, of which {report.used_bytes} hold events",
        "events": f"{report.events} (seq {report.oldest} to {report.newest})" if report.events else "none",
        "damaged": f"{report.lost} events cannot be read",
        "vehicles": str(report.vehicles),
        "records": f"kept with {report.own_bytes} of the events",
        "epoch": f"{report.epoch or 'none'}; {'goes on' if report.goes_on else 'a new one begins'} at the next start",
        "closed": "cleanly" if report.closed_cleanly else "not cleanly: the server was killed, or its disk failed",
        "values": "no checkpoint" if report.saved_seq is None else f"saved up to seq {report.saved_seq}",
    }
    if report.times is not None:
        oldest, newest = (rfc3339(time_ms * 1_000_000) for time_ms in report.times)
        shown["time"] = f"{oldest} to {newest}"
    return shown


@journal.command()
@_PATH
@click.option("--since", type=click.IntRange(min=0), default=0, metavar="SEQ", help="Only events after this one.")
@click.option("--vin", "vins", multiple=True, help="Only this vehicle; repeat for more.")
def export(path: Path, since: int, vins: tuple[str, ...]) -> None:
    """Print the events, one JSON object per line, as dashboards get them. Nothing is written."""
    from ..storage.journal_reader import JournalReader

    with JournalReader(path) as opened:
        out = sys.stdout.buffer
        for _, _, vin, text, _ in opened.events(since):
            if not vins or vin in vins:
                out.write(text + b"\n")
        out.flush()


@journal.command()
@_PATH
@click.option(
    "--ring-bytes",
    envvar="RING_BYTES",
    required=True,
    type=RingBytes(),
    help="The new size, for example 256MiB. Default: RING_BYTES.",
)
def resize(path: Path, ring_bytes: int) -> None:
    """
    Give the journal a ring of another size.

    Events keep their seqs and their epoch; of a smaller ring the oldest fall out. The old file is replaced when the new one is
    whole, so the disk needs room for both. Then start the server with the new RING_BYTES.
    """
    from ..storage.journal_resize import resize

    done = resize(path, ring_bytes)
    click.echo(f"{path} has a ring of {ring_bytes} bytes with {done.events} events; {done.left_out} were left out.")
