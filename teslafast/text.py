"""
Text from strangers, made fit for a terminal: nothing that it would obey, and no wider than it is. Pure.
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
