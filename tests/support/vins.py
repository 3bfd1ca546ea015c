"""Test vehicles' VINs by a name that a test's reader understands."""

from zlib import crc32

from teslafast.vin import SAMPLES, sample_vin


def vin_of(name: str) -> str:
    """The same 17 characters each time, for example `vin_of("late")`; another name has (all but certainly) another VIN."""
    return sample_vin(crc32(name.encode()) % SAMPLES)
