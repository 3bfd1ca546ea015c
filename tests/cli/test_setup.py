"""`teslafast setup`, `login` and `logout` as processes: exit statuses, what goes to which stream, and no secret anywhere."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support import ROOT
from tests.support.certificates import HOST, World
from tests.support.ports import free_port
from tests.support.setup_stage import FIRST_REFRESH_TOKEN, VIN, SetupStage, grant, setup_stage


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[SetupStage]:
    with setup_stage(world, tmp_path) as running:
        yield running


def start(stage: SetupStage, command: str, *words: str, **environment: str) -> subprocess.Popen[str]:
    """`teslafast COMMAND …` on the stage; a variable of "" is not set."""
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TESLAFAST_STATE": str(stage.folder.path), "BROWSER": "true"}
    whole = {name: value for name, value in (known | stage.environment | environment).items() if value}
    where = ["--on", stage.url, "--domain", HOST, "--port", str(stage.inside.place.vehicle_port), "--ca", str(stage.ca)]
    line = [sys.executable, "-W", "error", "-m", "teslafast", command, *(where if command == "setup" else ()), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, env=whole, cwd=stage.folder.path.parent, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def run(stage: SetupStage, command: str, *words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    process = start(stage, command, *words, **environment)
    out, err = process.communicate(stdin, timeout=60)
    for secret in [*stage.tesla.secrets_known(), FIRST_REFRESH_TOKEN]:
        assert secret not in out + err
        assert not any(secret in path for _, path in stage.tesla.calls)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_without_a_person_it_ends_with_0_and_one_object_a_step(stage: SetupStage) -> None:
    stage.drive()
    done = run(stage, "setup", "--yes", "--json")
    assert (done.returncode, done.stderr) == (0, ""), done
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert all(row.keys() == {"step", "name", "state", "says", "remedy"} for row in rows)
    assert VIN not in done.stdout
    again = run(stage, "setup", "--yes", "--json", "--wait", "0")
    assert {json.loads(line)["state"] for line in again.stdout.splitlines()} == {"done"}
    assert (again.returncode, stage.tesla.pushes) == (0, 1)


def test_for_a_person_it_prints_a_line_a_step_and_the_link_to_the_page(stage: SetupStage) -> None:
    stage.drive()
    done = run(stage, "setup")
    assert done.returncode == 0, done
    assert " 8 key on the car   ✓ 5YJ3…0001 is paired" in done.stdout
    assert f"{stage.url}/#token=" in done.stdout
    assert "#token=" not in run(stage, "setup", "--yes").stdout  # a log of CI is no place for it


def test_what_is_missing_is_exit_3_with_one_line_on_stderr(stage: SetupStage) -> None:
    done = run(stage, "setup", "--yes", "--json", "--wait", "0", TESLA_REFRESH_TOKEN="")
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("teslafast: step 5, login: nobody has logged in — run `teslafast login`")
    assert json.loads(done.stdout.splitlines()[-1])["state"] == "waiting"


def test_what_is_wrong_is_exit_1(stage: SetupStage) -> None:
    stage.tesla.refuse("users/region", 403, {"error": "account disabled: EXCEEDED_LIMIT"})
    done = run(stage, "setup", "--yes", "--wait", "0")
    assert done.returncode == 1
    assert "Tesla: Fleet API: HTTP 403, account disabled: EXCEEDED_LIMIT" in done.stdout
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (["--only", "nonsense"], {}, "--only: 'nonsense' is not a step"),
        (["--from", "5", "--until", "4"], {}, "--from: step 5 comes after --until"),
        (["--on", "nowhere"], {}, "--on: 'nowhere' is not a place"),
        (
            ["--on", "http://road.example.com"],
            {},
            "--on: 'http://road.example.com' would carry tokens unencrypted — give https://",
        ),
        (["--on", "http://192.168.1.5:3000"], {}, "--on: 'http://192.168.1.5:3000' would carry tokens unencrypted"),
        (["--on", ""], {"TESLAFAST_ON": "http://road.example.com"}, "TESLAFAST_ON: 'http://road.example.com' would carry"),
        (["--domain", ""], {"TESLAFAST_DOMAIN": "nas.local"}, "TESLAFAST_DOMAIN: 'nas.local' is a name of a private network"),
        (["--with-key"], {}, "--with-key: is for --remove alone"),
        (["--domain", "road.example.com/path"], {}, "--domain:"),
        (["--redirect", "http://road.example.com/x"], {}, "--redirect:"),
        (["--field", "Soc"], {}, "--field:"),
        ([], {"TESLA_API_BASE_URL": "http://fleet.example"}, "TESLA_API_BASE_URL:"),
        ([], {"TESLA_TOKEN_URL": "http://auth.example"}, "TESLA_TOKEN_URL:"),
        ([], {"TESLA_AUTH_URL": "ftp://auth.example"}, "TESLA_AUTH_URL:"),
        (["--client-secret-file", "missing"], {}, "--client-secret-file:"),
        (["--vin", "SHORT"], {}, "--vin:"),
        (["--until", "1", "--vin", "SHORT"], {}, "--vin:"),  # at once, and not at the step that needs it
        (["--until", "1", "--field", "Soc=never"], {}, "--field:"),
        (["--until", "1", "--redirect", "http://localhost:8765"], {}, "--redirect:"),
        (["--until", "1", "--client-secret-file", "missing"], {}, "--client-secret-file:"),
        (["--until", "1", "--hostname", "10.0.0.1"], {}, "--hostname:"),
        (["--until", "1", "--ca", "missing"], {}, "--ca:"),
        (["--until", "1", "--fly-app", "A b"], {}, "--fly-app:"),
    ],
)
def test_bad_usage_is_exit_2_and_names_the_option(
    stage: SetupStage, words: list[str], environment: dict[str, str], says: str
) -> None:
    done = run(stage, "setup", "--yes", "--wait", "0", *words, **environment)
    assert done.returncode == 2, done
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_part_of_the_way_ends_without_the_link_to_the_page(stage: SetupStage) -> None:
    done = run(stage, "setup", "--until", "2")
    assert done.returncode == 0, done
    assert "#token=" not in done.stdout


def test_the_end_of_stdin_does_not_mix_a_question_with_the_steps_line(stage: SetupStage) -> None:
    done = run(stage, "setup", "--only", "app at Tesla", TESLA_CLIENT_ID="", TESLA_CLIENT_SECRET="")
    assert done.returncode == 3, done
    assert " 3 app at Tesla     … the app at Tesla is not known" in done.stdout.splitlines()


def test_what_needs_a_login_says_so(stage: SetupStage) -> None:
    done = run(stage, "setup", "--status", "--json", "--only", "region", TESLA_REFRESH_TOKEN="")
    row = json.loads(done.stdout)
    assert (done.returncode, row["says"], row["again"]) == (3, "nobody has logged in", 5)


@pytest.mark.parametrize("look", ["--dry-run", "--status", "--costs"])
def test_nothing_is_removed_by_a_run_that_only_looks(stage: SetupStage, look: str) -> None:
    done = run(stage, "setup", "--remove", "--yes", look)
    assert done.returncode == 2
    assert f"--remove: excludes {look}" in done.stderr
    assert (stage.folder.path / "app.key").exists()


def test_with_json_what_was_removed_stands_on_stderr(stage: SetupStage) -> None:
    done = run(stage, "setup", "--remove", "--yes", "--with-key", "--json")
    assert (done.returncode, done.stdout) == (0, "")
    assert "! consent: take it back at " in done.stderr
    assert not stage.folder.path.exists()


def test_a_removal_that_nobody_agrees_to_removes_nothing(stage: SetupStage) -> None:
    done = run(stage, "setup", "--remove")
    assert done.returncode == 3
    assert "not everything is gone: nobody answers" in done.stderr
    assert (stage.folder.path / "app.key").exists()


def test_costs_need_nothing(stage: SetupStage) -> None:
    done = run(stage, "setup", "--costs")
    assert done.returncode == 0
    assert "driving       26 fields" in done.stdout
    rows = [json.loads(line) for line in run(stage, "setup", "--costs", "--json").stdout.splitlines()]
    assert next(row for row in rows if row.get("preset") == "driving")["fields"] == 26
    assert stage.tesla.calls == []


def test_of_two_runs_at_once_the_second_says_who_is_at_work(stage: SetupStage) -> None:
    first = start(stage, "setup", "--wait", "0", TESLA_CLIENT_ID="", TESLA_CLIENT_SECRET="")
    assert first.stdout is not None
    assert any("Create New Application" in line for line in first.stdout)  # and now it asks for the id
    second = run(stage, "setup", "--yes", "--json", "--wait", "0")
    assert (second.returncode, second.stdout) == (3, "")
    (line,) = second.stderr.splitlines()
    assert line.startswith(f"teslafast: another `teslafast setup` is at work in {stage.folder.path}: process {first.pid} on ")
    assert run(stage, "setup", "--status", "--wait", "0", "--until", "1").returncode == 0  # who only looks disturbs nobody
    first.communicate(timeout=30)
    assert run(stage, "setup", "--yes", "--wait", "0", "--until", "1").returncode == 0


def test_a_login_by_a_pasted_address(stage: SetupStage) -> None:
    process = start(stage, "login", "--paste", TESLA_REFRESH_TOKEN="")
    assert process.stdout is not None
    address = next(line.strip() for line in process.stdout if line.strip().startswith("http"))
    out, err = process.communicate(f"{where(stage, address)}\n", timeout=30)
    assert process.returncode == 0, err
    assert "✓ logged in: tokens in" in out
    assert stage.tesla.refresh_token in (stage.folder.path / "tokens.json").read_text()
    assert stage.tesla.refresh_token not in out + err


def where(stage: SetupStage, address: str) -> str:
    """Where Tesla's page sends a browser in which the owner grants everything."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    status, answer = stage.tesla.authorize(query)
    assert status == 302, answer
    return answer


@pytest.mark.parametrize("command", ["login", "setup"])
def test_a_login_in_a_browser_on_this_machine(stage: SetupStage, command: str) -> None:
    redirect = f"http://localhost:{free_port()}/callback"
    stage.tesla.redirect = redirect
    words = [] if command == "login" else ["--yes", "--until", "login"]
    process = start(stage, command, "--redirect", redirect, *words, TESLA_REFRESH_TOKEN="")
    assert process.stdout is not None
    address = next(line.strip() for line in process.stdout if line.strip().startswith("http") and "authorize" in line)
    assert grant(stage.tesla, address) == 200
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, out + err
    assert stage.tesla.refresh_token in (stage.folder.path / "tokens.json").read_text()


@pytest.mark.parametrize("pasted", ["http://localhost:8765/callback?nothing", "http://localhost:8765/callback?code=EU_1&state=x"])
def test_an_address_that_is_not_the_logins_is_refused_and_no_code_is_spent(stage: SetupStage, pasted: str) -> None:
    done = run(stage, "setup", "--yes", "--paste", "--only", "login", stdin=f"{pasted}\n", TESLA_REFRESH_TOKEN="")
    assert done.returncode == 3, done
    assert "step 5, login:" in done.stderr
    assert stage.tesla.calls == []


def test_logout_forgets_the_tokens_and_says_where_the_consent_is_revoked(stage: SetupStage) -> None:
    assert run(stage, "login").returncode == 0
    done = run(stage, "logout")
    assert done.returncode == 0
    assert "the tokens are gone from this machine" in done.stdout
    assert f"revoke_client_id={stage.tesla.client_id}" in done.stdout
    assert not (stage.folder.path / "tokens.json").exists()
    assert "there were no tokens" in run(stage, "logout").stdout


def test_vehicle_commands_take_their_token_from_the_folder(stage: SetupStage) -> None:
    stage.drive()
    assert run(stage, "setup", "--yes").returncode == 0
    shown = run(stage, "vehicle", "show", "--vin", VIN)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "streams 26 fields" in shown.stdout
    assert run(stage, "vehicle", "errors").stdout == "✓ no errors reported\n"


def test_remove_takes_the_config_the_tokens_and_the_files_away(stage: SetupStage) -> None:
    stage.drive()
    run(stage, "setup", "--yes")
    done = run(stage, "setup", "--remove", "--yes", "--with-key")
    assert done.returncode == 0, done
    assert stage.tesla.cars[VIN].config is None
    assert not stage.folder.exists
    assert "Controls → Locks" in done.stdout


def test_a_person_answers_on_stdin(stage: SetupStage) -> None:
    stage.drive()
    answers = f"{stage.tesla.client_id}\n{stage.tesla.client_secret}\n"
    done = run(stage, "setup", stdin=answers, TESLA_CLIENT_ID="", TESLA_CLIENT_SECRET="")
    assert done.returncode == 0, done
    assert "Create New Application → Just for me → Next" in done.stdout


def test_a_question_that_nobody_answers_is_not_answered_by_its_default(stage: SetupStage) -> None:
    process = start(
        stage, "setup", "--on", "fly", "--wait", "0", TESLAFAST_STATE=str(stage.folder.path.parent / "new"), FLY="no-fly"
    )
    out, err = process.communicate("", timeout=30)
    assert process.returncode == 3, out + err
    assert "nobody answers any more" in err


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_ctrl_c_says_where_it_was_and_what_goes_on(stage: SetupStage, words: tuple[str, ...]) -> None:
    stage.tesla.cars[VIN].paired = False
    process = start(stage, "setup", "--yes", *words)
    assert process.stdout is not None
    assert any("vehicle" in line and "software" in line for line in process.stdout)  # step 7: the next one waits for the key
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "teslafast: interrupted in step 8, key on the car; the same command goes on" in err.splitlines()
    assert "Traceback" not in err
    stage.tesla.cars[VIN].paired = True
    stage.drive()
    assert run(stage, "setup", "--yes").returncode == 0
