"""Questions: their choices, and how they stand on a terminal."""

import pytest
from teslafast.setup.console import WIDEST_QUESTION, SetupConsole
from teslafast.setup.outcome import Waiting

MISSING = Waiting("nobody has said it", "say it")


def console(asked: list[str], *answers: str) -> SetupConsole:
    left = iter(answers)

    def ask(question: str, default: str, secret: bool) -> str:
        asked.append(question)
        return next(left)

    return SetupConsole(line=asked.append, status=asked.append, must=asked.append, ask=ask)


def test_short_choices_stand_beside_the_question() -> None:
    asked: list[str] = []
    assert console(asked, "2").choose("Where?", ("here", "there"), MISSING) == 1
    assert asked == ["Where?   1 here   2 there"]


def test_choices_that_would_not_fit_have_a_line_each() -> None:
    asked: list[str] = []
    longest = "x" * WIDEST_QUESTION
    assert console(asked, "").choose("Where?", ("here", longest), MISSING) == 0
    assert asked[0].splitlines()[:3] == ["Where?", "      1 here", f"      2 {longest}"]


@pytest.mark.parametrize("given", ["0", "3", "here", "-1", "²"])
def test_what_is_no_choice_is_asked_again(given: str) -> None:
    asked: list[str] = []
    assert console(asked, given, "1").choose("Where?", ("here", "there"), MISSING) == 0
    assert asked[1] == "  give a number from 1 to 2"
