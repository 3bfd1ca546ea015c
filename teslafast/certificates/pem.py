"""
PEM as OpenSSL reads it: bytes in which only the blocks count; and a word for what a file is that holds none.

Text between the blocks may have any encoding (Windows' tools write the owner's name in the system's), so a file is never decoded
as a whole. What OpenSSL takes for a certificate has three labels. Pure.
"""

from __future__ import annotations

import base64
import re

CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----")
_PKCS7_DATA = bytes.fromhex("06092a864886f70d0107")  # the object identifiers of PKCS#7, of which a PKCS#12 file holds one
_NONE = "holds no readable certificate"


def certificates(data: bytes) -> list[bytes]:
    """The DER of every certificate, in their order. Raises ValueError, whose text says what the file holds instead."""
    found = []
    for begin in _BEGIN.finditer(data):
        label = begin[1].decode("ascii")
        if label in CERTIFICATE_LABELS:
            body, end, _ = data[begin.end() :].partition(b"-----END " + begin[1] + b"-----")
            if not end:
                raise ValueError(foreign_form(data) or f"{_NONE}: one has no END line")
            found.append(_first_value(body, data))
    if not found:
        raise ValueError(foreign_form(data) or _NONE)
    return found


def _first_value(body: bytes, data: bytes) -> bytes:
    """The certificate alone: its own length tells where the data that a TRUSTED block appends begins."""
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except ValueError:
        raise ValueError(foreign_form(data) or f"{_NONE}: one is not Base64") from None
    size = _sequence_size(der)
    if size is None:  # a block that is cut short has a size: whoever parses it says so
        raise ValueError(_NONE)
    return der[:size]


def _sequence_size(der: bytes) -> int | None:
    """Bytes of the DER SEQUENCE at the beginning, its head included; None if there is none."""
    if len(der) < 2 or der[0] != 0x30:
        return None
    if der[1] < 0x80:
        return 2 + der[1]
    digits = der[1] & 0x7F
    if not 1 <= digits <= 4 or len(der) < 2 + digits:
        return None
    return 2 + digits + int.from_bytes(der[2 : 2 + digits], "big")


def foreign_form(data: bytes, command: str = "x509") -> str:
    """
    What a file is that OpenSSL does not read as PEM, with the way to mend it; "" if it is nothing that is known here.

    command    OpenSSL's for what the file should hold
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"B\0E\0G\0I\0N\0" in data:
        return "is UTF-16 text: save it as UTF-8 or ASCII"
    if _BEGIN.search(data):
        if rb"-----\n" in data or rb"\nMI" in data:
            return r"has \n written as two characters in place of line breaks: write real line breaks"
        return ""
    if _sequence_size(data) is not None:
        if _PKCS7_DATA in data[:64]:
            return "is PKCS#12 or PKCS#7, not PEM: openssl pkcs12 -in FILE -nodes -out NEW.pem"
        return f"is DER, not PEM: openssl {command} -inform der -in FILE -out NEW.pem"
    return ""
