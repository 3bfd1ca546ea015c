"""A height between the four samples around a place: pure, whatever the samples come from."""

from __future__ import annotations

import math
from collections.abc import Callable

Sample = Callable[[int, int], float | None]  # row, column → metres; None: unknown


def height_between(row: float, column: float, rows: int, columns: int, sample: Sample) -> int | None:
    """
    Whole metres at a place inside a grid of at least two rows and columns; None if a sample that it is drawn from is unknown.

    row, column   0 at the first sample, rows - 1 and columns - 1 at the last
    """
    top, left = min(int(row), rows - 2), min(int(column), columns - 2)
    down, right = row - top, column - left
    corners = (
        ((1 - down) * (1 - right), top, left),
        ((1 - down) * right, top, left + 1),
        (down * (1 - right), top + 1, left),
        (down * right, top + 1, left + 1),
    )
    metres = 0.0
    for share, at_row, at_column in corners:
        if share:
            known = sample(at_row, at_column)
            if known is None:
                return None
            metres += share * known
    return math.floor(metres + 0.5)
