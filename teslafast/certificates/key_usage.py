"""
The extended key usages of a certificate, and none of its other extensions.

`cryptography` reads all extensions or none, and refuses a certificate for any that it cannot read. OpenSSL and Go let such
certificates pass, and so must we: what they hold besides is none of our business. DER (X.690) is read here as far as that needs.
"""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCE, _OID, _BOOLEAN, _OCTETS, _EXTENSIONS = 0x30, 0x06, 0x01, 0x04, 0xA3
_EXTENDED_KEY_USAGE = bytes.fromhex("551d25")  # 2.5.29.37


def extended_key_usages(tbs_certificate: bytes) -> tuple[str, ...]:
    """Dotted, in their order. `tbs_certificate`: DER, of which RFC 5280, 4.1 tells. Raises ValueError."""
    extensions = [content for tag, content in _elements(_only(tbs_certificate, _SEQUENCE)) if tag == _EXTENSIONS]
    if not extensions:
        return ()
    for tag, extension in _elements(_only(extensions[0], _SEQUENCE)):
        parts = [part for part in _elements(extension) if part[0] != _BOOLEAN]  # whether it is critical
        if tag == _SEQUENCE and parts and parts[0] == (_OID, _EXTENDED_KEY_USAGE):
            if len(parts) != 2 or parts[1][0] != _OCTETS:
                break
            return tuple(_dotted(usage) for kind, usage in _elements(_only(parts[1][1], _SEQUENCE)) if kind == _OID)
    else:
        return ()
    raise ValueError("the extended key usage is broken")


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of one element after the other. Raises ValueError."""
    at = 0
    while at < len(data):
        if len(data) - at < 2:
            raise ValueError("an element is cut off")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            if not 0 < count <= 4:
                raise ValueError("an element's length is broken")
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if length > len(data) - at:
            raise ValueError("an element is cut off")
        yield tag, data[at : at + length]
        at += length


def _only(data: bytes, tag: int) -> bytes:
    """The content of the one element that is there."""
    elements = list(_elements(data))
    if len(elements) != 1 or elements[0][0] != tag:
        raise ValueError("an element is not what it should be")
    return elements[0][1]


def _dotted(oid: bytes) -> str:
    if not oid or oid[-1] & 0x80:
        raise ValueError("an object identifier is cut off")
    arcs, arc = [], 0
    for byte in oid:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    root = min(arcs[0] // 40, 2)
    return ".".join(map(str, [root, arcs[0] - 40 * root, *arcs[1:]]))
