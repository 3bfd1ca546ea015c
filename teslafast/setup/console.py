"""
Where a set-up speaks: lines that stay, a line that is rewritten while it waits, and questions.

With --yes nobody is asked: a question without an answer is what is missing. A secret is asked for without an echo.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ..errors import Misconfigured
from ..onboarding.vehicle_commands import Clock
from .outcome import Waiting

Meant = TypeVar("Meant")
WIDEST_QUESTION = 110  # characters; a longer one has a line for each choice


def _real_clock() -> Clock:
    return Clock(time.monotonic, time.sleep, time.time)


@dataclass(frozen=True)
class SetupConsole:
    """
    line     prints a line that stays
    must     prints a line without which a person cannot go on, also where others are left out
    status   prints a line that the next one replaces
    ask      a question and its default → the answer; `secret`: without an echo. None: nobody is there; EOFError: any more
    paste    a question → a line of stdin, also with --yes
    typed    a line that a person has typed while something else is waited for, "" if there is none; None: nobody is there
    copy     puts a text into the person's clipboard; None: there is no terminal
    open     opens an address in a browser
    coloured, has_blocks   what a QR code is drawn with: colours; half blocks, without which there is none
    """

    line: Callable[[str], None]
    status: Callable[[str], None]
    must: Callable[[str], None]
    ask: Callable[[str, str, bool], str] | None = None
    paste: Callable[[str], str] | None = None
    typed: Callable[[], str] | None = None
    copy: Callable[[str], None] | None = None
    open: Callable[[str], None] = lambda url: None
    clock: Clock = field(default_factory=_real_clock)
    coloured: bool = False
    has_blocks: bool = True

    def answer(self, question: str, default: str, missing: Waiting, secret: bool = False) -> str:
        """The answer of a person; raises `missing` if there is nobody or if the answer is empty."""
        if self.ask is None:
            raise missing
        try:
            given = self.ask(question, default, secret).strip()
        except EOFError:
            given = ""
        if not given:
            raise missing
        return given

    def answer_as(self, question: str, default: str, missing: Waiting, read: Callable[[str], Meant]) -> Meant:
        """What `read` makes of the answer. One that it does not take is said, and asked for again. Raises `missing`."""
        while True:
            given = self.answer(question, default, missing)
            try:
                return read(given)
            except Misconfigured as error:
                self.line(f"  ✗ {error.fault}: {error.remedy}")

    def answer_or(self, question: str, default: str, read: Callable[[str], Meant]) -> Meant:
        """What `read` makes of the answer, or of the default if nothing is typed or nobody is there. Raises EOFError."""
        while self.ask is not None:
            try:
                return read(self.ask(question, default, False).strip() or default)
            except Misconfigured as error:
                self.line(f"  ✗ {error.fault}: {error.remedy}")
        return read(default)

    def choose(self, question: str, choices: Sequence[str], missing: Waiting, default: int = 1) -> int:
        """Which of the choices, counted from 0. `default`: the number that is taken if nothing is typed."""
        if self.ask is None:
            raise missing
        numbered = [f"{number} {choice}" for number, choice in enumerate(choices, 1)]
        whole = "   ".join([question, *numbered])
        if len(whole) > WIDEST_QUESTION:  # one choice a line
            whole = "\n".join([question, *(f"      {one}" for one in numbered), "  number"])
        while True:
            try:
                given = self.ask(whole, str(default), False).strip() or str(default)
            except EOFError:
                raise missing from None
            if given.isdecimal() and 1 <= int(given) <= len(choices):
                return int(given) - 1
            self.line(f"  give a number from 1 to {len(choices)}")
