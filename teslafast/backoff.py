"""
How long a client waits before it tries again: twice as long each time, up to a limit, never two clients in step.

The delay of attempt n lies between half and all of first * 2**n, so a server that comes back is not met by everyone at once.
Pure: `luck` in [0, 1) is the caller's chance.
"""

FIRST_S = 0.5  # a connection that was only cut is back at once, and yet a fleet does not knock all in the same instant
LIMIT_S = 30.0  # a server that was away for hours has its clients back within half a minute


def delay_s(attempt: int, luck: float) -> float:
    """Seconds to wait after `attempt` failures in a row (0 = the first)."""
    # 2**6 is beyond the limit already; a larger exponent would only overflow one day.
    ceiling = min(LIMIT_S, FIRST_S * 2.0 ** min(attempt, 6))
    return ceiling * (1 + luck) / 2
