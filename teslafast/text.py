"""
Text from strangers, made fit for a terminal: nothing that it would obey, and no wider than it is; and how far a word is from the
one that was meant. Pure.
"""

import unicodedata


def printable(text: str, limit: int = 500) -> str:
    """Without what a terminal would obey or what would turn text round: control and format characters become `?`."""
    return "".join(character if character.isprintable() else "?" for character in text[:limit])


def one_line(text: str, limit: int = 300) -> str:
    """What a stranger said, on one line and not without end."""
    return printable(" ".join(text.split()), limit)


def cut(text: str, width: int) -> str:
    """The beginning that fills at most `width` cells; wide characters fill two, combining ones none."""
    cells = 0
    for index, character in enumerate(text):
        cells += 0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if cells > width:
            return text[:index]
    return text


def typing_errors(one: str, other: str, at_most: int) -> int:
    """How many letters were added, left out, mistaken or swapped with the next (optimal string alignment); bounded work."""
    if abs(len(one) - len(other)) > at_most:
        return at_most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for y, letter in enumerate(one, 1):
        older, before, row = before, row, [y]
        for x, twin in enumerate(other, 1):
            least = min(before[x] + 1, row[x - 1] + 1, before[x - 1] + (letter != twin))
            if x > 1 and y > 1 and letter == other[x - 2] and one[y - 2] == twin:
                least = min(least, older[x - 2] + 1)
            row.append(least)
        if min(row) > at_most:
            return at_most + 1
    return row[-1]
