"""
What old firmware sends as text, read as the reference server reads it: with Go's standard library, oddities included.

docs/protocol.md ("Corrections") says which texts. `position` is Go's Sscanf of "(%f %1s, %f %1s)": a float may have underscores
between digits, be hexadecimal, or be decimal with a power of two; spaces are Unicode's, but no line break. `away_from_tie` is for
a caller that rounds a decimal to float32 through a double.
"""

import math
import re
from decimal import Decimal

_SPACE = "[\t\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_WORD = r"[nN][aA][nN]|[+-]?[iI][nN][fF]"
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_HEX_DIGITS = r"[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
_DECIMAL = rf"[+-]?(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS}|p[+-]?[0-9]+)?"
_HEX = rf"[+-]?0[xX](?:_?{_HEX_DIGITS}(?:\.(?:{_HEX_DIGITS})?)?|\.{_HEX_DIGITS})[pP][+-]?{_DIGITS}"
_FLOAT = rf"({_WORD}|{_HEX}|{_DECIMAL})"
_POSITION = re.compile(rf"\({_SPACE}*{_FLOAT}{_SPACE}+([NS]),{_SPACE}+{_FLOAT}{_SPACE}+([EW])\)")


def position(text: str) -> tuple[float, float] | None:
    """(latitude, longitude) of a text such as `(37.412374 N, 122.145867 W)`, north and east positive; None if it is none."""
    if not (match := _POSITION.match(text)):
        return None
    try:
        latitude, longitude = _float(match[1]), _float(match[3])
    except OverflowError:
        return None
    return (-latitude if match[2] == "S" else latitude), (-longitude if match[4] == "W" else longitude)


def _float(token: str) -> float:
    """The value of a well-formed float of Go's. OverflowError beyond double's range, save by a power of two, as in Go."""
    token = token.lower()
    if "x" in token:
        return float.fromhex(token.replace("_", ""))
    mantissa, _, power = token.partition("p")
    value = float(mantissa)
    if math.isinf(value) and "inf" not in mantissa:
        raise OverflowError
    return _times_power_of_two(value, power) if power else value


def _times_power_of_two(value: float, power: str) -> float:
    """value * 2**power, infinite if that is too much. OverflowError if the power itself does not fit in Go's int."""
    digits = power.lstrip("+-").lstrip("0")
    exponent = int(digits[:20] or "0")  # an int() of thousands of digits is refused by Python
    if power[0] == "-":
        exponent = -exponent
    if len(digits) > 19 or not -(1 << 63) <= exponent < 1 << 63:
        raise OverflowError
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(math.inf, value)


def away_from_tie(text: str, nearest: float) -> float:
    """
    The double next to a decimal text's `nearest` one, on the text's side of it; the same one if the text is exactly that.

    A double half-way between two float32s hides on which side of it the text was: rounded once more, it may go the wrong way.
    """
    exact = Decimal(text)
    if exact == Decimal(nearest):
        return nearest
    return math.nextafter(nearest, math.inf if exact > Decimal(nearest) else -math.inf)
