"""The machinery of settings: any dataclass of rows is read from an environment, and what is wrong is said by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.environment import (
    Rule,
    boolean,
    check,
    choice,
    comma_list,
    parse_duration,
    parse_size,
    read,
    rows,
    seconds,
    setting,
    size,
    whole,
)
from teslafast.errors import Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings:
    """As an output would declare them."""

    url: str = setting("OUT_URL", "", str.strip, "out://host", "where to; empty = off")
    quality: int = setting("OUT_QUALITY", 1, whole(0, 2), "0, 1 or 2", "how sure to be")
    password: str = setting("OUT_PASSWORD", "", choice("sesame"), "the word", "what opens it", secret=True)


RULES: tuple[Rule[OutputSettings], ...] = (
    Rule("OUT_PASSWORD", lambda s: bool(s.password) and not s.url, "is set, but OUT_URL is not", "set both"),
    Rule("OUT_QUALITY", lambda s: s.quality == 2, lambda s: f"{s.quality} is too much", lambda s: f"give {s.quality - 1}"),
)


# Rows


def test_rows_says_what_was_declared_in_its_order() -> None:
    assert [(row.name, row.variable, row.default, row.meaning, row.secret) for row in rows(OutputSettings)] == [
        ("url", "OUT_URL", "", "where to; empty = off", False),
        ("quality", "OUT_QUALITY", 1, "how sure to be", False),
        ("password", "OUT_PASSWORD", "", "what opens it", True),
    ]


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read(OutputSettings, {}) == OutputSettings()


def test_each_variable_sets_its_own_field() -> None:
    settings = read(OutputSettings, {"OUT_URL": " out://a ", "OUT_QUALITY": "2", "OUT_PASSWORD": "sesame", "OTHER": "x"})
    assert settings == OutputSettings(url="out://a", quality=2, password="sesame")


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_a_blank_variable_counts_as_not_set(text: str) -> None:
    assert read(OutputSettings, {"OUT_QUALITY": text}).quality == 1


def test_an_override_wins_over_its_variable_unless_it_is_none() -> None:
    environment = {"OUT_QUALITY": "0", "OUT_URL": "out://a"}
    assert read(OutputSettings, environment, quality=2, url=None) == OutputSettings(quality=2, url="out://a")


def test_an_override_that_is_falsy_still_wins() -> None:
    assert read(OutputSettings, {"OUT_QUALITY": "2"}, quality=0).quality == 0


def test_a_bad_value_is_refused_with_the_variable_its_fault_and_the_form() -> None:
    with pytest.raises(Misconfigured) as caught:
        read(OutputSettings, {"OUT_QUALITY": "3"})
    assert str(caught.value) == "OUT_QUALITY: '3' is not usable — give 0, 1 or 2"


def test_a_secrets_bad_value_is_in_no_message_and_no_chained_error() -> None:
    with pytest.raises(Misconfigured) as caught:
        read(OutputSettings, {"OUT_PASSWORD": "open please"})
    assert str(caught.value) == "OUT_PASSWORD: its value is not usable — give the word"
    assert caught.value.__suppress_context__


def test_a_secrets_value_is_not_in_the_repr() -> None:
    assert "sesame" not in repr(read(OutputSettings, {"OUT_PASSWORD": "sesame"}))


def test_settings_that_were_read_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        read(OutputSettings, {}).quality = 0  # type: ignore[misc]  # that is the test


# Rules


def test_settings_that_break_no_rule_pass() -> None:
    check(OutputSettings(url="out://a", password="sesame"), RULES)


def test_the_first_rule_that_is_broken_is_told() -> None:
    with pytest.raises(Misconfigured) as caught:
        check(OutputSettings(password="sesame", quality=2), RULES)
    assert str(caught.value) == "OUT_PASSWORD: is set, but OUT_URL is not — set both"


def test_a_rule_may_name_the_value() -> None:
    with pytest.raises(Misconfigured) as caught:
        check(OutputSettings(quality=2), RULES)
    assert (caught.value.fault, caught.value.remedy) == ("2 is too much", "give 1")


def refuses(parse: Callable[[str], float], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return True
    return False


# Parsers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20", 20), ("20s", 20), ("500ms", 0.5), ("15m", 900), ("1h", 3600), ("30d", 2_592_000), (" 1.5 h ", 5400)],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("7", 7), ("7B", 7), ("1K", 1024), ("1kB", 1000), ("1.5MiB", 3 << 19), ("1 GB", 10**9)]
)
def test_a_size_is_read_in_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "h", "-1h", "1 week", "1h30m", "0x10", "1..5h", ".", "inf", "nan", "１h", "9" * 400])
@pytest.mark.parametrize("parse", [parse_duration, parse_size])
def test_a_text_that_is_neither_a_duration_nor_a_size_is_a_value_error(parse: Callable[[str], float], text: str) -> None:
    assert refuses(parse, text)


@given(st.text())
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            assert parse(text) >= 0
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("parse", "taken", "refused"),
    [
        (whole(1, 9), {"1": 1, " 9 ": 9}, ["0", "10", "1.0", "٣", "-1"]),
        (seconds(1, 60), {"1": 1, "1m": 60}, ["999ms", "61s", "x"]),
        (size(1024, 4096), {"1KiB": 1024, "4096": 4096}, ["1023", "4097", "x"]),
        (choice("json", "console"), {" JSON ": "json"}, ["xml", "jsonconsole"]),
        (boolean, {"on": True, " FALSE ": False}, ["2", "y"]),
        (comma_list, {" a, b ,,": ("a", "b"), ",": ()}, []),
    ],
    ids=["whole", "seconds", "size", "choice", "boolean", "comma_list"],
)
def test_a_parser_takes_what_is_within_its_bounds_and_nothing_else(
    parse: Callable[[str], object], taken: dict[str, object], refused: list[str]
) -> None:
    assert {text: parse(text) for text in taken} == taken
    for text in refused:
        with pytest.raises(ValueError, match=text):
            parse(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    place: Path | None = setting("PLACE", None, Path, "path of a file", "where")


@pytest.mark.parametrize("text", ["/data/journal\r", '"/data/journal"', "'/data/journal'", "/data/journal ", "/data/jour\x07nal"])
def test_a_path_with_what_nobody_means_in_it_is_refused_and_shown_as_it_is(text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read(FileSettings, {"PLACE": text})
    assert refused.value.subject == "PLACE"
    assert repr(text) in refused.value.fault


def test_a_path_with_a_blank_inside_is_taken() -> None:
    assert read(FileSettings, {"PLACE": "/my data/journal"}).place == Path("/my data/journal")


def test_quotes_around_a_number_are_named() -> None:
    with pytest.raises(Misconfigured, match="is not usable: it is in quotes"):
        read(OutputSettings, {"OUT_QUALITY": '"1"'})


def test_quotes_around_a_secret_are_named_without_it() -> None:
    with pytest.raises(Misconfigured, match="its value is not usable: it is in quotes") as refused:
        read(OutputSettings, {"OUT_PASSWORD": "'sesame'"})
    assert "sesame" not in str(refused.value)
