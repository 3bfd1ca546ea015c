"""How long a client waits before it tries again."""

import pytest
from teslafast.backoff import LIMIT_S, delay_s


@pytest.mark.parametrize("luck", [0.0, 0.5, 0.999])
def test_the_delay_doubles_up_to_its_limit_and_is_at_least_half_of_that(luck: float) -> None:
    delays = [delay_s(attempt, luck) for attempt in range(2000)]
    assert delays[:5] == [delays[0] * 2**attempt for attempt in range(5)]
    assert delays == sorted(delays)
    assert LIMIT_S / 2 <= delays[-1] <= LIMIT_S
    assert delays[0] >= 0.25
