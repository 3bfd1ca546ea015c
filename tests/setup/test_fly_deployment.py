"""What is made on Fly.io, in which order; and that deploy.sh's command and the set-up make the same."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from teslafast.certificates import folder as certs
from teslafast.certificates.issue import key_pem
from teslafast.cli.commands import teslafast
from teslafast.errors import Unhealthy
from teslafast.onboarding.app_key import public_pem
from teslafast.onboarding.state_folder import KEY_FILE, StateFolder
from teslafast.setup import fly_app
from teslafast.setup.console import SetupConsole
from teslafast.setup.context import SetupContext
from teslafast.setup.fly_deployment import PUBLIC_KEY_AT, FlyDeployment, in_base64
from teslafast.setup.options import SetupOptions

from tests.deploy.support import fake_fly
from tests.support.upkeep_stage import APP

HOST = "telemetry.example.com"


@dataclass
class FakeFly:
    """Fly's side in memory; `done` has what changed something, `staged` the secrets' values."""

    app: bool = False
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    certified: bool = False
    done: list[str] = field(default_factory=list)
    staged: dict[str, str] = field(default_factory=dict)

    def ask(self, *words: str) -> str | None:
        if words[0] == "status":
            return "" if self.app else None
        if words[0] == "certs":
            return "" if self.certified else None
        return json.dumps(self.lists.get(words[0], []))

    def do(self, *words: str) -> None:
        self.done.append(" ".join(words))

    def stage(self, name: str, value: Callable[[], str], *words: str) -> None:
        self.staged[name] = value()


def there(**lists: list[dict[str, Any]]) -> FakeFly:
    """An app that has everything but what is given."""
    whole = {
        "volumes": [{"name": "journal"}],
        "ips": [{"Address": "203.0.113.9", "Type": "v4"}],
        "secrets": [{"Name": "A_PEM"}, {"Name": "PUBLIC_KEY_PEM"}, {"Name": "JWT_SECRET"}],
    }
    return FakeFly(app=True, certified=True, lists=whole | lists)


PLAN: dict[str, Any] = {"app": "road", "files": {"A_PEM": lambda: "QQ=="}, "hostname": HOST}


def test_a_new_app_gets_everything_in_an_order_that_fly_takes() -> None:
    fly = FakeFly()
    FlyDeployment(**PLAN, values={"TESLA_VIN": "5YJ3TEST5PF000001"}).run(fly)
    assert fly.done == [
        "apps create road",
        "volumes create journal --app road --region fra --size 1 --count 1 --yes",
        "ips allocate-v4 --app road --yes",
        "deploy --app road --ha=false --primary-region fra",
        f"certs add {HOST} --app road",
    ]
    assert fly.staged.keys() == {"A_PEM", "PUBLIC_KEY_PEM", "JWT_SECRET", "TESLA_VIN"}
    assert len(fly.staged["JWT_SECRET"]) == 64


def test_an_app_that_has_everything_is_only_deployed_where_it_is() -> None:
    fly = there()
    FlyDeployment(**PLAN).run(fly)
    assert (fly.done, fly.staged) == (["deploy --app road --ha=false"], {})


@pytest.mark.parametrize(
    ("list_of", "rows", "begins"),
    [
        ("volumes", [{"name": "another"}], "volumes create journal --app road --region fra"),
        ("ips", [{"Address": "2a09::1", "Type": "v6"}, {"Address": "1.2.3.4", "Type": "shared_v4"}], "ips allocate-v4"),
    ],
)
def test_what_is_missing_of_an_app_is_made_and_nothing_else(list_of: str, rows: list[dict[str, Any]], begins: str) -> None:
    fly = there(**{list_of: rows})
    FlyDeployment(**PLAN).run(fly)
    first, second = fly.done
    assert first.startswith(begins)
    assert second == "deploy --app road --ha=false"


def test_renewed_files_are_sent_again_and_the_tokens_secret_is_kept() -> None:
    fly = there()
    FlyDeployment(**PLAN, renew=True).run(fly)
    assert fly.staged == {"A_PEM": "QQ=="}


def test_a_region_that_is_given_is_said_to_fly_also_later() -> None:
    fly = there()
    FlyDeployment(**PLAN, region="ams").run(fly)
    assert fly.done == ["deploy --app road --ha=false --primary-region ams"]


def test_the_address_is_the_apps_own_and_a_shared_one_is_none() -> None:
    assert FlyDeployment(app="road").address(there()) == "203.0.113.9"
    for rows in ([], [{"address": "1.2.3.4", "type": "shared_v4"}]):
        with pytest.raises(Unhealthy, match="no IPv4 address of its own"):
            FlyDeployment(app="road").address(there(ips=rows))


def test_a_list_that_fly_does_not_print_as_json_counts_as_empty() -> None:
    class Confused(FakeFly):
        def ask(self, *words: str) -> str | None:
            return "Error: try later" if words[0] != "certs" else None

    fly = Confused()
    FlyDeployment(**PLAN).run(fly)
    assert fly.done[0].startswith("volumes create")


# ---- both ways in, with a program `fly` that keeps what it is asked


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "fly"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable} -IS\n" + Path(fake_fly.__file__).read_text())
    path.chmod(0o755)
    return path


def told(program: Path) -> tuple[list[str], dict[str, Any]]:
    """What changed something, in short; and what Fly has now. Both are forgotten."""
    calls = [json.loads(line) for line in (program.parent / "calls.jsonl").read_text().splitlines()]
    state: dict[str, Any] = json.loads((program.parent / "state.json").read_text())
    for name in ("calls.jsonl", "state.json"):
        (program.parent / name).unlink()
    changing = {"create", "allocate-v4", "import", "deploy", "add"}
    return [call[0] if call[0] == "deploy" else " ".join(call[:2]) for call in calls if changing & {*call}], state


def test_deploy_sh_and_the_set_up_make_the_same_app(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = StateFolder(tmp_path / "state")
    state.write(KEY_FILE, key_pem(APP))
    made = certs.init(state.path / "certs", HOST, vehicles=0, durable=False).directory
    (made / "tesla_ca.pem").write_bytes((made / "vehicle_ca.pem").read_bytes())
    monkeypatch.setenv("FLY", str(program))
    result = CliRunner().invoke(teslafast, ["deploy-fly", "road", HOST, "ams", "--certs", str(made)])
    assert result.exit_code == 0, result.output
    assert f"DNS: {HOST} must be an A record of 127.0.0.1" in result.output
    scripts, by_script = told(program)

    lines: list[str] = []
    options = SetupOptions(environment={"FLY": str(program)}, on="fly", fly_app="road", fly_region="ams", domain=HOST, yes=True)
    context = SetupContext(options, state, SetupConsole(line=lines.append, status=lines.append, must=lines.append, ask=None))
    fly_app.name(context)
    fly_app.deploy(context)
    setups, by_setup = told(program)

    key = base64.b64decode(by_setup["secrets"].pop("PUBLIC_KEY_PEM"))
    assert key == public_pem(APP)
    assert by_script["secrets"].pop("PUBLIC_KEY_PEM") != key
    assert by_setup["secrets"].pop("TESLA_PUBLIC_KEY_PATH") == PUBLIC_KEY_AT
    assert by_setup["secrets"].pop("TESLAFAST_STATE") == "/data/teslafast.d"
    for secrets in (by_script["secrets"], by_setup["secrets"]):
        assert len(secrets.pop("JWT_SECRET")) == 64
    assert by_setup == by_script
    for _ in ("TESLA_PUBLIC_KEY_PATH", "TESLAFAST_STATE"):
        setups.remove("secrets import")
    assert setups == scripts
    assert by_setup["secrets"]["SERVER_KEY"] not in "".join(lines) + result.output


def test_a_set_up_replaces_the_key_that_is_at_fly_and_asks_for_what_is_missing_there(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateFolder(tmp_path / "state")
    state.write(KEY_FILE, key_pem(APP))
    made = certs.init(state.path / "certs", HOST, vehicles=0, durable=False).directory
    (made / "tesla_ca.pem").write_bytes((made / "vehicle_ca.pem").read_bytes())
    monkeypatch.setenv("FLY", str(program))
    CliRunner().invoke(teslafast, ["deploy-fly", "road", HOST, "--certs", str(made)])
    lines: list[str] = []
    options = SetupOptions(environment={"FLY": str(program)}, on="fly", fly_app="road", domain=HOST, yes=True)
    context = SetupContext(options, state, SetupConsole(line=lines.append, status=lines.append, must=lines.append, ask=None))
    fly_app.name(context)
    assert fly_app.lacks(context)  # deploy.sh's app has no public key yet
    fly_app.deploy(context)
    assert not fly_app.lacks(context)
    calls = [json.loads(line) for line in (program.parent / "calls.jsonl").read_text().splitlines()]
    _, words = [call for call in calls if call[0] == "deploy"]
    folder = state.path / "fly"
    assert words[:4] == ["deploy", str(folder), "--config", str(folder / "fly.toml")]
    assert not {"--env", "--file-secret"} & {*words}  # which the next plain `fly deploy` would not have
    assert base64.b64decode(told(program)[1]["secrets"]["PUBLIC_KEY_PEM"]) == public_pem(APP)


def test_a_dry_run_of_deploy_shs_command_reads_no_file_and_changes_nothing(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLY", str(program))
    result = CliRunner().invoke(teslafast, ["deploy-fly", "road", HOST, "--dry-run", "--certs", str(tmp_path / "none")])
    assert result.exit_code == 0, result.output
    assert told(program)[0] == []
    assert all(line.startswith("would ") for line in result.output.splitlines())


def test_in_base64_reads_the_file_when_it_is_sent(tmp_path: Path) -> None:
    content = in_base64(tmp_path / "later")
    (tmp_path / "later").write_bytes(b"A")
    assert content() == "QQ=="
