"""
QR codes for a terminal: text → a square of dark and light modules → lines of half blocks. ISO/IEC 18004, error correction L.

    bytes ─▶ mode, length, data, padding ─▶ blocks, each with its Reed-Solomon codewords ─▶ interleaved
          ─▶ a zigzag through what the function patterns leave free ─▶ the best of eight masks

Byte mode alone, since what is shown is an address in upper and lower case; level L, since a screen has no dirt and every version
more makes the code wider than the terminal. Pure. The tests hold every version and mask against another encoder, and read the
lines with a reader of photographs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

# Index: version. Of level L, ISO/IEC 18004, table 9: error correction codewords of each block, and how many blocks.
_ECC_LENGTH = (0, 7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28)
_BLOCKS = (0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8)
LARGEST_VERSION = len(_BLOCKS) - 1  # 97 modules: as many columns, and 53 lines of a terminal
BLOCKS = " ▄▀█"  # light and light, dark below, dark above, both dark
QUIET = 4  # modules of light around the code, without which readers do not find it
_LEVEL_L = 1
_MASKS = (
    lambda x, y: (x + y) % 2,
    lambda x, y: y % 2,
    lambda x, y: x % 3,
    lambda x, y: (x + y) % 3,
    lambda x, y: (x // 3 + y // 2) % 2,
    lambda x, y: x * y % 2 + x * y % 3,
    lambda x, y: (x * y % 2 + x * y % 3) % 2,
    lambda x, y: ((x + y) % 2 + x * y % 3) % 2,
)
_INK = "\x1b[38;5;16m\x1b[48;5;231m"  # black on white, whatever the terminal's colours are
_PLAIN = "\x1b[0m"

Matrix = list[list[bool]]  # rows of modules, True = dark


def lines(text: str, *, coloured: bool) -> list[str]:
    """
    The code as lines for a terminal, two modules high each. Raises ValueError if the text is too long for LARGEST_VERSION.

    coloured: black on white by escape sequences; without them dark modules are drawn, as on paper.
    """
    square = matrix(text)
    width = len(square) + 2 * QUIET
    light = [False] * width
    rows = [light] * QUIET + [[False] * QUIET + row + [False] * QUIET for row in square] + [light] * (QUIET + 1)
    drawn = (
        "".join(BLOCKS[2 * upper + lower] for upper, lower in zip(*pair, strict=True))
        for pair in zip(rows[::2], rows[1::2], strict=False)
    )
    return [f"{_INK}{line}{_PLAIN}" if coloured else line for line in drawn]


def matrix(text: str, mask: int | None = None) -> Matrix:
    """The modules, without the quiet zone. `mask`: 0 to 7; None = the one that readers find easiest. Raises ValueError."""
    data = text.encode()
    version = next((v for v in range(1, LARGEST_VERSION + 1) if len(data) <= capacity(v)), None)
    if version is None:
        raise ValueError(f"{len(data)} bytes are too many for a QR code of {capacity(LARGEST_VERSION)}")
    bits = _codeword_bits(data, version)
    drawn = [_drawn(version, bits, choice) for choice in (range(8) if mask is None else (mask,))]
    return min(drawn, key=penalty)


def capacity(version: int) -> int:
    """Bytes of text that fit into a code of this version."""
    return _data_codewords(version) - (2 if version < 10 else 3)


# ---- codewords


def _raw_modules(version: int) -> int:
    """Modules that are left for codewords once the function patterns are drawn."""
    found = (16 * version + 128) * version + 64
    if version > 1:
        aligned = version // 7 + 2
        found -= (25 * aligned - 10) * aligned - 55
    return found - 36 if version > 6 else found


def _data_codewords(version: int) -> int:
    return _raw_modules(version) // 8 - _ECC_LENGTH[version] * _BLOCKS[version]


def _codeword_bits(data: bytes, version: int) -> list[int]:
    """What the zigzag carries, bit by bit."""
    size = _data_codewords(version)
    count = len(data).to_bytes(1 if version < 10 else 2, "big")
    digits = f"0100{_binary(count)}{_binary(data)}"
    digits += "0" * min(4, 8 * size - len(digits))
    digits += "0" * (-len(digits) % 8)
    stream = [int(digits[at : at + 8], 2) for at in range(0, len(digits), 8)]
    stream += [(0xEC, 0x11)[n % 2] for n in range(size - len(stream))]
    return [byte >> shift & 1 for byte in _interleaved(stream, version) for shift in range(7, -1, -1)]


def _binary(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def _interleaved(stream: list[int], version: int) -> list[int]:
    """Blocks of equal length but for the last ones, which may have one codeword more; told column by column."""
    blocks, short = _BLOCKS[version], len(stream) // _BLOCKS[version]
    long_ones = len(stream) % blocks
    cuts = [0]
    for number in range(blocks):
        cuts.append(cuts[-1] + short + (number >= blocks - long_ones))
    parts = [stream[start:end] for start, end in pairwise(cuts)]
    divisor = _generator(_ECC_LENGTH[version])
    checks = [_remainder(part, divisor) for part in parts]
    told = [part[at] for at in range(short + 1) for part in parts if at < len(part)]
    return told + [check[at] for at in range(len(divisor)) for check in checks]


def _times(one: int, other: int) -> int:
    """In the field of 256 elements modulo x⁸ + x⁴ + x³ + x² + 1."""
    product = 0
    for shift in range(7, -1, -1):
        product = product << 1 ^ (product >> 7) * 0x11D
        product ^= (other >> shift & 1) * one
    return product


def _generator(degree: int) -> list[int]:
    """The product of (x - 2^n) for n below the degree, highest power first, the leading 1 left out."""
    result, root = [0] * (degree - 1) + [1], 1
    for _ in range(degree):
        result = [_times(factor, root) ^ after for factor, after in zip(result, [*result[1:], 0], strict=True)]
        root = _times(root, 2)
    return result


def _remainder(data: list[int], divisor: list[int]) -> list[int]:
    result = [0] * len(divisor)
    for byte in data:
        factor = byte ^ result[0]
        result = [value ^ _times(part, factor) for value, part in zip([*result[1:], 0], divisor, strict=True)]
    return result


# ---- modules


def _drawn(version: int, bits: list[int], mask: int) -> Matrix:
    """Function patterns first; then the bits, masked, in the modules that these leave free."""
    fixed = _function_patterns(version, mask)
    size = 4 * version + 17
    square = [[fixed.get((x, y), False) for x in range(size)] for y in range(size)]
    left = iter(bits)
    for x, y in _zigzag(size):
        if (x, y) not in fixed:
            square[y][x] = bool(next(left, 0)) ^ (_MASKS[mask](x, y) == 0)
    return square


def _zigzag(size: int) -> Iterator[tuple[int, int]]:
    """Two columns at a time from the right, up and down in turn; the timing pattern's column is passed over."""
    upwards = True
    for right in (*range(size - 1, 6, -2), 5, 3, 1):
        for y in range(size - 1, -1, -1) if upwards else range(size):
            yield from ((right, y), (right - 1, y))
        upwards = not upwards


def _function_patterns(version: int, mask: int) -> dict[tuple[int, int], bool]:
    size, fixed = 4 * version + 17, {}
    for n in range(8, size - 8):
        fixed[n, 6] = fixed[6, n] = n % 2 == 0
    for centre_x, centre_y in ((3, 3), (size - 4, 3), (3, size - 4)):
        for dx in range(-4, 5):
            for dy in range(-4, 5):
                if 0 <= centre_x + dx < size and 0 <= centre_y + dy < size:
                    fixed[centre_x + dx, centre_y + dy] = max(abs(dx), abs(dy)) not in (2, 4)
    places = _alignment_places(version)
    for x in places:
        for y in places:
            if (x, y) not in ((6, 6), (6, size - 7), (size - 7, 6)):
                fixed |= {(x + dx, y + dy): max(abs(dx), abs(dy)) != 1 for dx in range(-2, 3) for dy in range(-2, 3)}
    fixed |= _format_modules(size, mask)
    if version >= 7:
        code = _checked(version, 12, 0x1F25)
        for n in range(18):
            fixed[size - 11 + n % 3, n // 3] = fixed[n // 3, size - 11 + n % 3] = bool(code >> n & 1)
    return fixed


def _alignment_places(version: int) -> list[int]:
    if version == 1:
        return []
    count, last = version // 7 + 2, 4 * version + 10
    step = (version * 4 + count * 2 + 1) // (2 * count - 2) * 2
    return [6, *sorted(last - step * n for n in range(count - 1))]


def _checked(value: int, extra: int, generator: int) -> int:
    """The value with the remainder of its BCH code appended, `extra` bits."""
    rest = value
    for _ in range(extra):
        rest = rest << 1 ^ (rest >> extra - 1) * generator
    return value << extra | rest


def _format_modules(size: int, mask: int) -> dict[tuple[int, int], bool]:
    """Level and mask, twice, and the one module that is always dark."""
    code = _checked(_LEVEL_L << 3 | mask, 10, 0x537) ^ 0x5412
    bits = [bool(code >> n & 1) for n in range(15)]
    corner = [*((8, n) for n in range(6)), (8, 7), (8, 8), (7, 8), *((14 - n, 8) for n in range(9, 15))]
    apart = [*((size - 1 - n, 8) for n in range(8)), *((8, size - 15 + n) for n in range(8, 15))]
    return dict(zip(corner, bits, strict=True)) | dict(zip(apart, bits, strict=True)) | {(8, size - 8): True}


def penalty(square: Matrix) -> int:
    """How hard the code is to find and to read: long runs, blocks of one colour, what looks like a finder, too much of one."""
    size = len(square)
    columns = [list(column) for column in zip(*square, strict=True)]
    found = 0
    for line in (*square, *columns):
        text = "".join("1" if dark else "0" for dark in line)
        runs = text.replace("01", "0 1").replace("10", "1 0").split()
        found += sum(len(run) - 2 for run in runs if len(run) >= 5)
        padded = f"0000{text}0000"
        found += 40 * sum(padded.startswith(mark, at) for at in range(len(padded)) for mark in ("10111010000", "00001011101"))
    for upper, lower in pairwise(square):
        found += 3 * sum(a == b == c == d for (a, b), (c, d) in zip(pairwise(upper), pairwise(lower), strict=True))
    dark = sum(map(sum, square))
    return found + 10 * max(0, -(-abs(20 * dark - 10 * size * size) // (size * size)) - 1)
