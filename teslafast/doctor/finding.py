"""
One line of the doctor's report: what was checked, its state, what was found, and the remedy.

    ✓ well    ✗ wrong: somebody cannot connect    ! worth knowing, nothing is broken    – could not be checked
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from ..errors import Misconfigured
from ..text import one_line


class State(StrEnum):
    WELL = "well"
    WRONG = "wrong"
    NOTE = "note"
    SKIPPED = "skipped"


MARKS = {State.WELL: "✓", State.WRONG: "✗", State.NOTE: "!", State.SKIPPED: "–"}


@dataclass(frozen=True)
class Finding:
    """`check`: a short fixed name; `remedy`: empty if there is nothing to do."""

    check: str
    state: State
    says: str
    remedy: str = ""

    @property
    def line(self) -> str:
        """For a terminal."""
        return f"{MARKS[self.state]} {self.check}: {one_line(self.says)}" + (f" — {self.remedy}" if self.remedy else "")

    @property
    def row(self) -> dict[str, str]:
        """For a program."""
        return asdict(self)


def well(check: str, says: str) -> Finding:
    return Finding(check, State.WELL, says)


def wrong(check: str, says: str, remedy: str) -> Finding:
    return Finding(check, State.WRONG, says, remedy)


def note(check: str, says: str, remedy: str) -> Finding:
    return Finding(check, State.NOTE, says, remedy)


def skipped(check: str, why: str) -> Finding:
    return Finding(check, State.SKIPPED, why)


def from_error(check: str, error: Misconfigured) -> Finding:
    """A setting or file that the operator can mend, in the words of the error."""
    return wrong(check, f"{error.subject} {error.fault}", error.remedy)


def summary(findings: Sequence[Finding]) -> str:
    """The last line for a terminal: how much there is to do."""
    wrong_ones, notes = (sum(one.state is state for one in findings) for state in (State.WRONG, State.NOTE))
    return f"{wrong_ones} to mend, {notes} worth knowing"
