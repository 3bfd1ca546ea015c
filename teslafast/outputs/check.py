"""
Whether outputs can be reached, without a server: each is asked once, all at the same time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import Misconfigured
from . import Checkable, Context, Output
from .settings import OutputPlan

CHECK_S = 10.0  # for each: a broker that takes longer to let us in is not one to rely on
CHECK_CLOSE_S = 1.0  # the answer is known by then: a broker that is slow to say goodbye must not hold it back


class Verdict(NamedTuple):
    """`says`: in one line, what was found or what is wrong."""

    output: str
    well: bool
    says: str


async def check(plans: Sequence[OutputPlan]) -> list[Verdict]:
    """A verdict an output, in the order of the plans."""
    return await asyncio.gather(*(_check(plan) for plan in plans))


async def _check(plan: OutputPlan) -> Verdict:
    name = plan.name
    try:
        output = plan.make(Context("check", Counter(), plan.shared, shape=plan.shape))
    except Misconfigured as error:
        return Verdict(name, False, str(error))
    try:
        async with asyncio.timeout(CHECK_S):
            return Verdict(name, True, await _asked(output))
    except TimeoutError:
        return Verdict(name, False, f"no answer within {CHECK_S:g} s")
    except Exception as error:
        return Verdict(name, False, str(error) or type(error).__name__)


async def _asked(output: Output) -> str:
    if isinstance(output, Checkable):
        return await output.check()
    try:
        await output.connect()
        return "connected"
    finally:
        async with asyncio.timeout(CHECK_CLOSE_S):
            await output.close()
