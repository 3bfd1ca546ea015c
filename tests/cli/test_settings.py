"""`teslafast settings` as a process: what is in force, where it came from, and a check that starts nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from teslafast.cli.hints import all_rows

from tests.support import ROOT
from tests.support.certificates import World

SECRET = "0123456789abcdef0123456789abcdef"


def run(*words: str, **environment: str) -> tuple[int, str, str]:
    command = [sys.executable, "-W", "error", "-m", "teslafast", "settings", *words]
    whole = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(command, env=whole, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def table(*words: str, **environment: str) -> dict[str, tuple[str, str]]:
    """Variable → (source, value)."""
    code, out, err = run("--json", *words, **({"JWT_SECRET": SECRET} | environment))
    assert code == 0, err
    assert SECRET not in out + err
    found = [json.loads(line) for line in out.splitlines()]
    return {row["variable"]: (row["source"], row["value"]) for row in found}


def test_every_setting_is_shown_with_its_source_and_secrets_are_hidden() -> None:
    shown = table("--port", "8080", RING_BYTES="1GiB", JSONL_PATH="out.jsonl", TESLA_VIN="5YJ3TEST5PF000001,5YJ3TEST7PF000002")
    assert list(shown) == [row.variable for row in all_rows()]
    assert shown["PORT"] == ("flag", "8080")
    assert shown["RING_BYTES"] == ("environment", "1GiB")
    assert shown["JWT_SECRET"] == ("environment", "(hidden)")
    assert shown["PING_INTERVAL"] == ("default", "20s")
    assert shown["TESLA_VIN"] == ("environment", "5YJ3TEST5PF000001,5YJ3TEST7PF000002")
    assert shown["JSONL_PATH"] == ("environment", "out.jsonl")
    assert shown["JSONL_KEEP"] == ("default", "5")


def test_a_secret_made_at_random_is_said_to_be_made() -> None:
    code, out, _ = run("--json", NODE_ENV="development")
    assert code == 0
    assert {"variable": "JWT_SECRET", "source": "made", "value": "(hidden)"} in map(json.loads, out.splitlines())


def test_a_wrong_setting_is_shown_in_the_table_and_is_exit_2() -> None:
    code, out, err = run(JWT_SECRET=SECRET, PORT="many")
    assert code == 2
    assert next(line for line in out.splitlines() if line.startswith("PORT ")).split()[1:] == [
        "environment", "'many'", "is", "not", "usable:", "give", "a", "port,", "0", "to", "65535",
    ]  # fmt: skip
    assert err.startswith("teslafast: PORT: 'many' is not usable")


def test_hints_are_on_stderr_and_the_table_alone_on_stdout() -> None:
    code, out, err = run(JWT_SECRET=f'"{SECRET}"', RING_BYTE="1GiB")
    assert code == 0
    assert "warning: RING_BYTE: is not a setting: did you mean RING_BYTES?" in err
    assert "warning: JWT_SECRET: its value is in quotes" in err
    assert SECRET not in out + err
    assert "warning" not in out


def test_check_of_good_settings_is_exit_0_and_reads_the_files(world: World) -> None:
    code, out, err = run("--check", JWT_SECRET=SECRET, VEHICLE_PORT="0", **world.environment)
    assert (code, out, err) == (0, "The settings are valid, and the files that they name can be read.\n", "")


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"JWT_SECRET": ""}, "JWT_SECRET"),
        ({"PORT": "70000"}, "PORT"),
        ({"CERT_PATH": "/nowhere.pem", "KEY_PATH": "/nowhere.key"}, "CERT_PATH"),
        ({"CA_PATH": __file__}, "CA_PATH"),
        ({"JOURNAL_PATH": "/no/such/folder/journal"}, "JOURNAL_PATH"),
        ({"JOURNAL_PATH": "journal\r"}, "JOURNAL_PATH"),
        ({"CERT_PATH": "'server.pem'", "KEY_PATH": "server.key"}, "CERT_PATH"),
        ({"JWT_ALGORITHMS": "RS256", "JWT_PUBLIC_KEY_PATH": __file__}, "JWT_PUBLIC_KEY_PATH"),
        ({"JSONL_PATH": "x", "JSONL_KEEP": "many"}, "JSONL_KEEP"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "KAFKA_FOO_BAR": "1"}, "KAFKA_FOO_BAR"),
        ({"STATUS_PORT": "3000"}, "STATUS_PORT"),
        ({"METRICS_PORT": "3000"}, "METRICS_PORT"),
        ({"STATUS_PORT": "8080", "METRICS_PORT": "8080"}, "STATUS_PORT"),
    ],
)
def test_check_of_what_would_not_start_is_exit_2_and_names_it(variables: dict[str, str], named: str, tmp_path: Path) -> None:
    code, out, err = run("--check", **({"JWT_SECRET": SECRET} | variables))
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"teslafast: {named}: ")
    assert list(tmp_path.iterdir()) == []


def test_what_an_output_warns_of_is_said_with_its_reason() -> None:
    code, _, err = run("--check", JWT_SECRET=SECRET, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9", KAFKA_ACKS="1")
    assert code == 0
    assert "kafka_not_idempotent" in err
    assert "a retry may deliver an event twice" in err


def test_a_password_in_a_url_is_hidden() -> None:
    from teslafast.cli.settings import _bounded

    assert _bounded("mqtt://me:hunter2@broker:1883,mqtt://b") == "mqtt://…@broker:1883,mqtt://b"
