"""
Settings as tables: a frozen dataclass whose fields are rows, and the one loop that reads rows from an environment.

Whoever has settings declares them beside what they set, and reads them with the same words:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class MqttSettings:
        url: str = setting("MQTT_URL", "", str.strip, "mqtt://host:port", "the broker; empty = no MQTT")
        qos: int = setting("MQTT_QOS", 1, whole(0, 2), "0, 1 or 2", "quality of service")
        password: str = setting("MQTT_PASSWORD", "", str, "text", "the broker's password", secret=True)

    RULES: tuple[Rule[MqttSettings], ...] = (
        Rule("MQTT_PASSWORD", lambda s: bool(s.password) and not s.url, "is set, but MQTT_URL is not", "set both"),
    )

    settings = read(MqttSettings, os.environ)       # or Misconfigured: the variable, its fault, the form that would be right
    check(settings, RULES)                          # what no variable shows alone
    for row in rows(MqttSettings): …                # for the documents

A secret's value is never part of a message or of a repr. Files are only named: whoever opens one says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from .errors import Misconfigured

S = TypeVar("S")

LONGEST_NUMBER = 20  # digits of a size or duration; a float of 400 would be infinity

_TIME_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS = {"": 1, "B": 1, "K": 1 << 10, "KiB": 1 << 10, "kB": 1000, "M": 1 << 20, "MiB": 1 << 20, "MB": 10**6}
_SIZE_UNITS |= {"G": 1 << 30, "GiB": 1 << 30, "GB": 10**9}


# Rows


@dataclass(frozen=True, slots=True)
class SettingRow:
    """
    One setting. `name`: the dataclass's field; `parse`: raises ValueError; `form`: what is allowed, in words.

    empty    an empty variable is a value, and not the default
    family   the prefix of variables that stand in this one row: `parse` gets those that are set, by name, but for other rows'
    """

    name: str
    variable: str
    default: Any
    parse: Callable[[Any], Any]
    form: str
    meaning: str
    secret: bool
    empty: bool
    family: str = ""


def setting(
    variable: str, default: Any, parse: Callable[[str], Any], form: str, meaning: str, secret: bool = False, empty: bool = False
) -> Any:
    """A dataclass's field that is a row."""
    metadata = {"variable": variable, "parse": parse, "form": form, "meaning": meaning, "secret": secret, "empty": empty}
    return field(default=default, repr=not secret, metadata=metadata)


def setting_family(variable: str, family: str, parse: Callable[[Mapping[str, str]], Any], form: str, meaning: str) -> Any:
    """A row for all variables that begin with `family`; `variable` stands for them in documents. Their values may be secrets."""
    metadata = {"variable": variable, "parse": parse, "form": form, "meaning": meaning, "secret": True, "empty": False}
    return field(default=(), repr=False, metadata=metadata | {"family": family})


def family_of(row: SettingRow, cls: type, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a family that are set."""
    others = {one.variable for one in rows(cls)}
    named = sorted(name for name in environment if name.startswith(row.family) and name not in others)
    return {name: environment[name] for name in named if environment[name].strip()}


def rows(cls: type) -> tuple[SettingRow, ...]:
    """The rows of a dataclass of settings, in their order."""
    return tuple(SettingRow(name=row.name, default=row.default, **row.metadata) for row in fields(cls))


def read(cls: type[S], environment: Mapping[str, str], **overrides: Any) -> S:
    """
    The settings that the environment's variables give; an empty variable counts as not set, unless its row says otherwise.
    Raises Misconfigured.

    `overrides` (the command line's words) go before the variables, unless they are None.
    """
    values = {key: value for key, value in overrides.items() if value is not None}
    for row in rows(cls):
        if row.family:
            values[row.name] = row.parse(family_of(row, cls, environment))
            continue
        text = environment.get(row.variable, "")
        if row.name not in values and (text.strip() or (row.empty and row.variable in environment)):
            values[row.name] = _parsed(row, text)
    return cls(**values)


def _parsed(row: SettingRow, text: str) -> Any:
    doubt = doubtful(text)
    try:
        value = row.parse(text)
    except ValueError:
        shown = "its value is not usable" if row.secret else f"{text!r} is not usable"
        raise Misconfigured(row.variable, f"{shown}: it {doubt}" if doubt else shown, f"give {row.form}") from None
    if isinstance(value, Path) and doubt:  # a file of that name would be looked for, or even made
        raise Misconfigured(row.variable, f"{text!r} {doubt}", f"give {row.form}, without it")
    return value


def doubtful(text: str) -> str:
    """
    What a value has that nobody means: quotes or blanks around it, which Docker's `--env-file` keeps, or a carriage return, which
    Windows writes; "" if there is nothing.
    """
    if "\r" in text or "\n" in text:
        return "holds a carriage return" if "\r" in text else "holds a line break"
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return "is in quotes"
    if text != text.strip():
        return "begins or ends with a blank"
    return "" if text.isprintable() else "holds a control character"


# Rules


@dataclass(frozen=True, slots=True)
class Rule(Generic[S]):
    """Settings that contradict each other: `broken` says whether they do. A text that names a value is made from the settings."""

    variable: str
    broken: Callable[[S], bool]
    fault: str | Callable[[S], str]
    remedy: str | Callable[[S], str]


def check(settings: S, rules: Iterable[Rule[S]]) -> None:
    """Raises Misconfigured for the first rule that is broken."""
    for rule in rules:
        if rule.broken(settings):
            fault, remedy = (text if isinstance(text, str) else text(settings) for text in (rule.fault, rule.remedy))
            raise Misconfigured(rule.variable, fault, remedy)


# Parsers: text → value, or ValueError


def parse_duration(text: str) -> float:
    """Seconds of `20`, `20s`, `500ms`, `15m`, `1h`, `30d`."""
    number, unit = _split(text)
    return float(number) * _TIME_UNITS[unit or "s"] if (unit or "s") in _TIME_UNITS else refuse(text)


def parse_size(text: str) -> int:
    """Bytes of `1048576`, `64MiB`, `1 GB`."""
    number, unit = _split(text)
    return int(float(number) * _SIZE_UNITS[unit]) if unit in _SIZE_UNITS else refuse(text)


def _split(text: str) -> tuple[str, str]:
    stripped = text.strip()
    digits = len(stripped) - len(stripped.lstrip("0123456789."))
    if not 0 < digits <= LONGEST_NUMBER or stripped.count(".", 0, digits) > 1:
        refuse(text)
    return stripped[:digits], stripped[digits:].strip()


def refuse(text: str) -> Any:
    """How a parser says no: `return value if … else refuse(text)`."""
    raise ValueError(text)


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.strip().isdigit() else refuse(text)
        return number if low <= number <= high else refuse(text)

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = parse_duration(text)
        return number if low <= number <= high else refuse(text)

    return parse


def size(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = parse_size(text)
        return number if low <= number <= high else refuse(text)

    return parse


def choice(*allowed: str) -> Callable[[str], str]:
    return lambda text: text.strip().lower() if text.strip().lower() in allowed else refuse(text)


def some_of(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    """A comma list of some of these words, at least one; each counts once."""

    def parse(text: str) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(word.lower() for word in comma_list(text)))
        return words if words and set(words) <= set(allowed) else refuse(text)

    return parse


def boolean(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    lowered = text.strip().lower()
    return known[lowered] if lowered in known else bool(refuse(text))


def comma_list(text: str) -> tuple[str, ...]:
    """The words of a comma list."""
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)
