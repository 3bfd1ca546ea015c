"""How a step ended, and the two ways in which it cannot go on now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from ..errors import Declined, TeslafastError
from ..onboarding.refusals_of_tesla import Kind, Step, explain
from ..onboarding.served_key import NotServed
from ..text import one_line


class StepState(StrEnum):
    """done: it was done already; acted: it is done now; waiting: a person, a car or Tesla is next; blocked: it is wrong."""

    DONE = "done"
    ACTED = "acted"
    WAITING = "waiting"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Outcome:
    """`says`: what is the case; `remedy`: what to do, or ""; `teslas`: Tesla's own sentence; `again`: a step to do over."""

    step: Step
    state: StepState
    says: str
    remedy: str = ""
    teslas: str = ""
    again: Step | None = None

    @property
    def row(self) -> dict[str, object]:
        """For a program."""
        row: dict[str, object] = {
            "step": self.step.number,
            "name": self.step.value,
            "state": self.state.value,
            "says": one_line(self.says),
            "remedy": self.remedy,
        }
        if self.teslas:
            row["tesla"] = self.teslas
        if self.again is not None and self.again is not self.step:
            row["again"] = self.again.number
        return row

    @property
    def well(self) -> bool:
        return self.state in (StepState.DONE, StepState.ACTED)


class NotNow(TeslafastError):
    """A step cannot go on. `state`: waiting or blocked."""

    state = StepState.WAITING

    def __init__(self, says: str, remedy: str, teslas: str = "", again: Step | None = None) -> None:
        super().__init__(f"{says} — {remedy}")
        self.says = says
        self.remedy = remedy
        self.teslas = teslas
        self.again = again


class Waiting(NotNow):
    """A person, a car or Tesla is next."""


class Blocked(NotNow):
    """Something is wrong, and trying again does not make it right."""

    state = StepState.BLOCKED


def not_served(error: NotServed) -> NotNow:
    """What a domain that does not serve the key means for a set-up."""
    return (Blocked if error.wrong else Waiting)(error.fault, error.remedy, again=Step.SERVER)


def as_not_now(error: Declined) -> NotNow:
    """What a refusal of Tesla's means for a set-up."""
    meant = explain(error.status, error.words or error.fault)
    remedy = error.remedy if meant.remedy != error.remedy else meant.remedy
    kind = Blocked if meant.kind is Kind.STOP else Waiting
    seconds = retry_after_s(error)
    says = f"{meant.meaning}: Tesla asks for {seconds} s" if seconds else meant.meaning
    return kind(says, remedy, one_line(error.fault), meant.again)


def retry_after_s(error: Declined) -> int:
    """How long Tesla wants to be left alone, 0 if it does not say."""
    found = re.search(r"retry (?:in|after) (\d{1,9})", error.fault.lower())
    return int(found[1]) if found else 0
