"""
The name of a vehicle that does not exist: a VIN that every checker takes and that every reader knows for a test.

Seventeen characters; the ninth is the checksum of the others (49 CFR 565.15: each character has a value, each place a weight,
the weighted sum modulo 11 is the digit, ten is written X). `5YJ3TEST?PF000001` is the first of a million of ours.
"""

import string

VIN_LENGTH = 17  # ISO 3779
SAMPLES = 1_000_000
MODELS = {"S": "Model S", "3": "Model 3", "X": "Model X", "Y": "Model Y", "R": "Roadster", "C": "Cybertruck", "T": "Semi"}
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VALUES = {digit: int(digit) for digit in string.digits} | dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9), strict=True)
)


def check_digit(vin: str) -> str:
    """The ninth character that these seventeen ask for, whatever stands there now. KeyError for a letter that VINs lack."""
    total = sum(weight * _VALUES[character] for weight, character in zip(_WEIGHTS, vin, strict=True) if weight)
    return "0123456789X"[total % 11]


def sample_vin(number: int) -> str:
    """The VIN of the test vehicle `number` (0 to 999,999)."""
    if not 0 <= number < SAMPLES:
        raise ValueError(f"there are {SAMPLES} test vehicles, number {number} is not one of them")
    vin = f"5YJ3TEST0PF{number:06}"
    return vin[:8] + check_digit(vin) + vin[9:]


def model_of(vin: str) -> str:
    """The model that a VIN names, "" if it is not one of Tesla's."""
    return MODELS.get(vin[3], "") if len(vin) == VIN_LENGTH else ""


def is_vin(text: str) -> bool:
    """Whether it can name a vehicle: a certificate's common name, which is a VIN; 1 to 64 letters, digits, `-` and `_`."""
    return 0 < len(text) <= 64 and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def mended_vin(text: str) -> str:
    """
    As it was meant: without blanks around it, and in upper case if it has the length of a VIN.

    Test vehicles of another length keep their case. Whoever takes a VIN (a setting, an option, a query, a token) mends it first,
    so that it finds the vehicle that it names.
    """
    stripped = text.strip()
    return stripped.upper() if len(stripped) == VIN_LENGTH else stripped
