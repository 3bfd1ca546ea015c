"""
What vehicles have reported to Tesla about this server, in our own log beside our own lines, once each.

Asked for only while a car is missing, and only where the client secret is there: the list wants the app's own token. It has days
of reports and no order that one could rely on, so those that it holds are remembered by what tells one from another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..logs import fields, log
from ..text import one_line
from .upkeep_state import ERRORS_KEPT
from .vehicle_errors import ERROR_MEANINGS, explain_error

LOGGED_AT_ONCE = 20  # of one answer: what more there is says the same
OTHER_CAUSE = "other"  # for metrics: names that cars make up are no labels


@dataclass(frozen=True)
class NewErrors:
    """`known`: the digests to remember; `causes`: of the new ones; `newest`: the last one, in words."""

    known: tuple[str, ...]
    causes: tuple[str, ...]
    newest: str


def log_new(reports: Iterable[Mapping[str, Any]], vins: Collection[str], known: tuple[str, ...]) -> NewErrors:
    """Logs what is new about these vehicles, oldest first."""
    of_these = {_digest(report): report for report in reports if report.get("vin") in vins}
    ours = [report for digest, report in of_these.items() if digest not in known]
    ours.sort(key=lambda report: str(report.get("created_at")))
    for report in ours[-LOGGED_AT_ONCE:]:
        meaning, remedy = explain_error(report)
        log.warning(
            "tesla_reported",
            extra=fields(
                cause=cause_of(report),
                vin=str(report.get("vin")),
                at=one_line(str(report.get("created_at")), 40),
                name=one_line(str(report.get("error_name")), 40),
                reason=one_line(str(report.get("error"))),
                meaning=meaning,
                remedy=remedy,
            ),
        )
    return NewErrors(tuple(of_these)[:ERRORS_KEPT], tuple(map(cause_of, ours)), _in_words(ours[-1]) if ours else "")


def cause_of(report: Mapping[str, Any]) -> str:
    """A word of ours for an error's name: a small, fixed set."""
    name = str(report.get("error_name"))
    return next((start for start in ERROR_MEANINGS if name.startswith(start)), OTHER_CAUSE)


def _digest(report: Mapping[str, Any]) -> str:
    apart = "\0".join(str(report.get(name)) for name in ("vin", "created_at", "error_name", "error", "txID"))
    return hashlib.sha256(apart.encode("utf-8", "replace")).hexdigest()[:16]


def _in_words(report: Mapping[str, Any]) -> str:
    when, name = one_line(str(report.get("created_at")), 40), one_line(str(report.get("error_name")), 40)
    return f"{when} {name}: {one_line(str(report.get('error')), 160)}"
