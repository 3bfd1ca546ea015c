"""The commands: whatever the operator can mend is one line and exit 2, and no secret is ever part of it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jwt
import pytest
from teslafast import __version__, cli
from teslafast.cli.commands import CHAOS_HELP
from teslafast.cli.hints import all_rows
from teslafast.dashboards.tokens import Verifier
from teslafast.logs import log
from teslafast.simulator import chaos

from tests.support import ROOT
from tests.support.certificates import World
from tests.support.peers import PATIENCE_S, SECRET
from tests.support.ports import free_port
from tests.support.servers import spawn

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command line in this process, with these variables and no others of ours: exit code, stdout, stderr."""
    before = log.handlers, log.level, log.propagate

    def command(*arguments: str, **environment: str) -> tuple[int, str, str]:
        for name in ("JWT_SECRET", "NODE_ENV", "PORT", "HOST"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["teslafast", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        said = capsys.readouterr()
        return code, said.out, said.err

    yield command
    log.handlers, log.level, log.propagate = before


def one_line(result: tuple[int, str, str]) -> str:
    """The one line of an exit 2; log lines before it are not counted."""
    code, out, err = result
    lines = [line for line in err.splitlines() if not line.startswith("{")]
    assert (code, out, len(lines)) == (2, "", 1), result
    assert lines[0].startswith("teslafast: ")
    assert "Traceback" not in err
    return lines[0]


# ---- serve, and what stops it


WRONG: dict[str, dict[str, str]] = {
    "JWT_SECRET is not set": {"JWT_SECRET": ""},
    "JWT_SECRET is short": {"JWT_SECRET": "unusual"},
    "JWT_PREVIOUS_SECRETS is short": {"JWT_PREVIOUS_SECRETS": "unusual"},
    "PORT is no port": {"PORT": "many"},
    "NODE_ENV is unknown": {"NODE_ENV": "staging"},
    "JWT_ALGORITHMS is none": {"JWT_ALGORITHMS": "none"},
    "JWT_ALGORITHMS are mixed": {"JWT_ALGORITHMS": "HS256,RS256"},
    "JWT_PUBLIC_KEY_PATH is missing": {"JWT_ALGORITHMS": "RS256"},
    "JWT_PUBLIC_KEY_PATH leads nowhere": {"JWT_ALGORITHMS": "RS256", "JWT_PUBLIC_KEY_PATH": "nothing.pem"},
    "JWT_PUBLIC_KEY_PATH is no key": {"JWT_ALGORITHMS": "RS256", "JWT_PUBLIC_KEY_PATH": __file__},
    "KEY_PATH is missing": {"CERT_PATH": "cert.pem"},
    "CERT_PATH leads nowhere": {"CERT_PATH": "nothing.pem", "KEY_PATH": "nothing.pem"},
    "CERT_PATH is no certificate": {"CERT_PATH": __file__, "KEY_PATH": __file__},
    "REQUEST_CLIENT_CERT without TLS": {"REQUEST_CLIENT_CERT": "true"},
    "VEHICLE_PORT without TLS": {"VEHICLE_PORT": "4443"},
    "RING_BYTES is small": {"RING_BYTES": "1MiB", "MAX_FRAME_BYTES": "1MiB"},
    "HOST is not ours": {"HOST": "192.0.2.1"},
    "HOST is no name": {"HOST": "a" * 70},
    "TESLA_VIN is no VIN": {"TESLA_VIN": "a b"},
    "LOG_LEVEL is unknown": {"LOG_LEVEL": "loud"},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_setting_is_one_line_that_names_it(run: Run, case: str) -> None:
    variables = {"JWT_SECRET": SECRET, "PORT": "0"} | WRONG[case]
    line = one_line(run("serve", **variables))
    named = case.partition(" ")[0]
    assert line.startswith(f"teslafast: {named}: ")
    assert " — " in line, "the remedy"
    assert SECRET not in line
    assert "unusual" not in line


def test_a_key_or_ca_file_that_does_not_fit_is_named(run: Run, world: World) -> None:
    variables = world.environment | {"JWT_SECRET": SECRET, "VEHICLE_PORT": "0", "PORT": "0"}
    assert "KEY_PATH" in one_line(run("serve", **(variables | {"KEY_PATH": str(world.vehicle("device-1").key)})))
    assert "CA_PATH" in one_line(run("serve", **(variables | {"CA_PATH": __file__})))


def test_a_port_that_is_taken_is_named(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = one_line(run("serve", "--host", "127.0.0.1", "--port", str(port), JWT_SECRET=SECRET))
    assert line.startswith(f"teslafast: PORT: port {port} is already in use")


@pytest.mark.parametrize(
    "arguments", [("serve", "--port", "many"), ("serve", "--port", "70000"), ("serve", "--nothing"), ("nothing",)]
)
def test_an_unknown_command_or_option_is_exit_2(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments, JWT_SECRET=SECRET)
    assert (code, out) == (2, "")
    assert "Error: " in err
    assert "Traceback" not in err


def test_a_process_with_a_wrong_setting_prints_one_line_and_no_secret() -> None:
    process = spawn(["serve"], {"JWT_SECRET": "unusual"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=PATIENCE_S)
    one_line((process.returncode, out, err))
    assert "unusual" not in err


# ---- token


def claims(text: str) -> dict[str, object]:
    found: dict[str, object] = jwt.decode(text.strip(), SECRET, algorithms=["HS256"], options={"verify_aud": False})
    return found


def test_a_token_has_the_subject_vins_and_lifetime_that_were_given(run: Run) -> None:
    code, out, err = run("token", "--sub", "wall", "--vin", "A", "--vin", "B", "--ttl", "15m", JWT_SECRET=SECRET)
    assert (code, err) == (0, "")
    found = claims(out)
    assert (found["sub"], found["vins"]) == ("wall", ["A", "B"])
    assert isinstance(found["exp"], int)
    assert isinstance(found["iat"], int)
    assert found["exp"] - found["iat"] == 900


def test_a_token_without_options_is_for_all_vehicles_and_one_hour(run: Run) -> None:
    found = claims(run("token", "--sub", "wall", JWT_SECRET=SECRET)[1])
    assert "vins" not in found
    assert isinstance(found["exp"], int)
    assert isinstance(found["iat"], int)
    assert found["exp"] - found["iat"] == 3600


def test_a_token_has_the_audience_and_issuer_of_the_settings(run: Run) -> None:
    found = claims(run("token", "--sub", "x", JWT_SECRET=SECRET, JWT_AUDIENCE="dashboards", JWT_ISSUER="us")[1])
    assert (found["aud"], found["iss"]) == ("dashboards", "us")


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        ((), {}, "JWT_SECRET"),
        ((), {"NODE_ENV": "development"}, "JWT_SECRET"),
        (("--vin", "a b"), {"JWT_SECRET": SECRET}, "--vin"),
        ([f"--vin=5YJ3E1EA7KF{number:06}" for number in range(150)], {"JWT_SECRET": SECRET}, "--vin"),
        ((), {"JWT_ALGORITHMS": "RS256", "JWT_PUBLIC_KEY_PATH": "key.pem", "JWT_SECRET": SECRET}, "JWT_ALGORITHMS"),
    ],
)
def test_a_token_that_cannot_be_minted_is_one_line_that_names_the_setting(
    run: Run, arguments: Sequence[str], variables: dict[str, str], named: str
) -> None:
    line = one_line(run("token", "--sub", "x", *arguments, **variables))
    assert line.startswith(f"teslafast: {named}: ")
    assert SECRET not in line


@pytest.mark.parametrize("ttl", ["soon", "-1h", "1 week", "9" * 400])
def test_an_unusable_duration_is_exit_2(run: Run, ttl: str) -> None:
    code, out, err = run("token", "--sub", "x", "--ttl", ttl, JWT_SECRET=SECRET)
    assert (code, out) == (2, "")
    assert "is not a duration" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("ttl", ["0s", "999ms", "1138000d", "9" * 20 + "d"])
def test_a_lifetime_that_a_server_would_refuse_is_exit_2(run: Run, ttl: str) -> None:
    line = one_line(run("token", "--sub", "x", "--ttl", ttl, JWT_SECRET=SECRET))
    assert re.fullmatch(r"teslafast: --ttl: .* 1s to 11\d{5}d.*", line)


def test_the_shortest_and_the_longest_lifetime_give_valid_tokens(run: Run) -> None:
    verifier = Verifier([SECRET], ["HS256"], None, None)
    refused = one_line(run("token", "--sub", "x", "--ttl", "1138000d", JWT_SECRET=SECRET))
    longest = refused.partition("1s to ")[2].partition(",")[0]
    for ttl in ("1s", longest):
        now = time.time()
        code, out, _ = run("token", "--sub", "x", "--ttl", ttl, JWT_SECRET=SECRET)
        assert code == 0
        assert verifier.verify(out.strip(), now).sub == "x"


# ---- health


def test_health_of_a_port_where_nothing_listens_is_one_line_and_exit_1(run: Run) -> None:
    port = free_port()
    code, out, err = run("health", f"http://127.0.0.1:{port}")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"teslafast: 127.0.0.1:{port}: no answer")
    assert " — check the address, the network, and that the server runs" in err


@pytest.mark.parametrize("arguments", [("--port", "0"), ("--host", "127.0.0.2", "--port", "0")])
def test_health_finds_the_server_that_was_started_with_a_port_of_its_own(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:  # what PORT says, and where somebody else listens
        variables = {"JWT_SECRET": SECRET, "PORT": str(other.getsockname()[1]), "XDG_RUNTIME_DIR": str(tmp_path)}
        more = {"LOG_FORMAT": "json", "RING_BYTES": "8MiB"}
        with spawn(["serve", *arguments], variables | more, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert any('"listening"' in line for line in process.stderr)
            while not list(tmp_path.glob("*.json")):
                assert process.poll() is None
            code, out, err = run("health", **variables)
            process.terminate()
            process.stderr.read()
    assert (code, out[:3], err) == (0, "ok:", "")
    assert list(tmp_path.iterdir()) == []


def test_a_token_for_a_vin_in_lower_case_or_with_blanks_is_one_for_the_vehicle(run: Run) -> None:
    code, out, _ = run("token", "--sub", "x", "--vin", " 5yj3e1ea7kf000001", JWT_SECRET=SECRET)
    assert code == 0
    assert Verifier([SECRET], ["HS256"], None, None).verify(out.strip(), time.time()).vins == frozenset({"5YJ3E1EA7KF000001"})


def test_health_of_an_unusable_url_is_exit_2(run: Run) -> None:
    assert one_line(run("health", "ftp://example.com")).startswith("teslafast: URL: ")


# ---- the rest


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version")[1].strip().endswith(__version__)


def test_help_lists_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    named = set(re.findall(r"^  (\w+)", out, re.MULTILINE))
    assert named >= {"serve", "demo", "token", "watch", "simulate", "certs", "doctor", "vehicle", "health"}


def test_no_command_is_cut_off_in_help(run: Run) -> None:
    for group in ((), ("certs",), ("vehicle",)):
        assert "..." not in run(*group, "--help")[1].partition("Commands:")[2]


def test_the_help_of_serve_lists_every_setting(run: Run) -> None:
    out = run("serve", "--help")[1]
    assert [row.variable for row in all_rows() if f"\n  {row.variable} " not in out] == []


def test_a_misspelt_setting_is_warned_of_at_start() -> None:
    process = spawn(["serve"], {"JWT_SECRET": SECRET, "PORT": "0", "RING_BYTE": "1GiB"}, stderr=subprocess.PIPE)
    assert process.stderr is not None
    with process.stderr:
        line = next(line for line in process.stderr if "setting_doubtful" in line)
        next(line for line in process.stderr if "listening" in line)
        process.terminate()
        assert "RING_BYTE: is not a setting: did you mean RING_BYTES?" in line
        process.stderr.read()
    assert process.wait(PATIENCE_S) == 0


def test_help_names_every_kind_of_chaos() -> None:
    named = CHAOS_HELP.partition(": ")[2].partition(";")[0].split(", ")
    assert named == list(chaos.CHAOS_KINDS)


def test_the_package_runs_as_a_module() -> None:
    said = subprocess.run([sys.executable, "-m", "teslafast", "--version"], cwd=ROOT, capture_output=True, check=True)
    assert __version__.encode() in said.stdout


def test_a_closed_stdout_is_not_a_traceback() -> None:
    process = spawn(["--help"], {}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert "Traceback" not in process.stderr.read()
    process.wait(PATIENCE_S)
