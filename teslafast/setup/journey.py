"""
The way through the steps.

Each step is a `SetupStep`: `look` says what is there, None if it is not done; `act` does it. The order is fixed and every run
begins at the first step that it was asked for, because what a file says may not be true any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import Declined, Misconfigured, PermanentFault, Unhealthy
from ..onboarding.refusals_of_tesla import Step
from ..onboarding.state_folder import STATE_VARIABLE
from .context import SetupContext
from .outcome import NotNow, Outcome, StepState, as_not_now

EXIT_STREAMING, EXIT_WRONG, EXIT_WAITING = 0, 1, 3


@dataclass(frozen=True)
class SetupStep:
    """
    look   what is there, as a sentence; None if the step is not done. Raises NotNow, Declined, Unhealthy, Misconfigured
    act    does it; raises the same
    would  what `act` would do, for --dry-run and --status
    """

    step: Step
    look: Callable[[SetupContext], str | None]
    act: Callable[[SetupContext], None]
    would: str


def go(steps: Sequence[SetupStep], context: SetupContext) -> Iterator[Outcome]:
    """The outcome of each step, as it ends. A run that changes something stops at the first step that is not well."""
    for step in steps:
        if step.step not in context.options.steps:
            continue
        try:
            outcome = _one(step, context)
        except BaseException:  # Ctrl-C, too
            context.save()  # what was decided stays, also if the step could not go on: nobody is asked twice
            raise
        outcome = _kept(outcome, context)
        yield outcome
        if not outcome.well and not context.options.look_only:
            return


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """0: every step is well, 3: somebody is waited for, 1: something is wrong."""
    states = {outcome.state for outcome in outcomes}
    if StepState.BLOCKED in states:
        return EXIT_WRONG
    return EXIT_WAITING if StepState.WAITING in states else EXIT_STREAMING


def _one(step: SetupStep, context: SetupContext) -> Outcome:
    try:
        found = step.look(context)
        if found is not None:
            return Outcome(step.step, StepState.DONE, found)
        if context.options.look_only:
            return Outcome(step.step, StepState.WAITING, "not done", f"would {step.would}")
        step.act(context)
        found = step.look(context)
    except NotNow as error:
        return Outcome(step.step, error.state, error.says, _filled(error.remedy, context), error.teslas, error.again)
    except Declined as error:
        meant = as_not_now(error)
        return Outcome(step.step, meant.state, meant.says, _filled(meant.remedy, context), meant.teslas, meant.again)
    except EOFError:
        return Outcome(step.step, StepState.WAITING, "nobody answers any more", "use a terminal, or --yes with options")
    except Unhealthy as error:
        state = StepState.BLOCKED if isinstance(error, PermanentFault) else StepState.WAITING
        return Outcome(step.step, state, error.fault, error.remedy)
    except Misconfigured as error:
        if is_usage(error):
            raise
        return Outcome(step.step, StepState.BLOCKED, f"{error.subject}: {error.fault}", error.remedy)
    if found is None:
        return Outcome(step.step, StepState.BLOCKED, "did all it could, and is still not done", "see what stands above")
    return Outcome(step.step, StepState.ACTED, found)


def _kept(outcome: Outcome, context: SetupContext) -> Outcome:
    """The outcome, once what was decided is on disk; that it is not, where the disk is full."""
    try:
        context.save()
    except Misconfigured as error:
        return Outcome(outcome.step, StepState.BLOCKED, f"{error.subject}: {error.fault}", error.remedy)
    return outcome


def _filled(remedy: str, context: SetupContext) -> str:
    """The remedy with the domain of this set-up, so that it can be copied."""
    return remedy.replace("https://DOMAIN", f"https://{context.notes.domain or 'DOMAIN'}")


def is_usage(error: Misconfigured) -> bool:
    """Whether an option or a variable is wrong, and not something that a step has found: a folder that is full, for example."""
    return error.subject != STATE_VARIABLE and error.subject.startswith(("--", "TESLA_", "TESLAFAST_", "HTTPS_PROXY"))
