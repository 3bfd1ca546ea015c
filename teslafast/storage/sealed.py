"""Records with a checksum at their end, for the journal's first page and the outputs' cursors: a torn one is not believed."""

from __future__ import annotations

import struct

from .._crc32c import checksum


def sealed(body: bytes) -> bytes:
    return body + checksum(body).to_bytes(4, "little")


def unsealed(data: bytes, form: struct.Struct) -> bytes | None:
    """The record of this form at the beginning of `data`; None if its checksum does not confirm it."""
    body, seal = data[: form.size], data[form.size : form.size + 4]
    return body if len(seal) == 4 and checksum(body).to_bytes(4, "little") == seal else None


def text_of(data: bytes) -> str:
    """Of a field that is filled up with zeros."""
    return data.rstrip(b"\0").decode("ascii")
