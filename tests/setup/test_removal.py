"""Everything away again: what is asked, what a running server does, and what becomes of the key."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest
from teslafast.onboarding.upkeep import KEEPER_FILE
from teslafast.setup.removal import remove

from tests.support.certificates import World
from tests.support.setup_stage import VIN, SetupStage, setup_stage


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Iterator[SetupStage]:
    """A finished set-up."""
    with setup_stage(world, tmp_path) as running:
        running.drive()
        assert running.run()[0] == 0
        yield running


def test_nothing_goes_before_a_person_has_agreed(stage: SetupStage) -> None:
    assert not remove(stage.context(yes=False))
    assert stage.tesla.cars[VIN].config is not None
    assert (stage.folder.path / "tokens.json").exists()


def test_the_key_stays_until_it_is_said_that_it_goes(stage: SetupStage) -> None:
    stage.answers = {"Take all of this away?": "yes"}
    assert remove(stage.context(yes=False))
    assert stage.tesla.cars[VIN].config is None
    assert sorted(path.name for path in stage.folder.path.iterdir()) == [".gitignore", "app.key"]
    stage.answers["Delete app.key, too?"] = "y"
    assert remove(stage.context(yes=False))
    assert not stage.folder.exists


def test_without_a_person_the_key_goes_only_with_its_own_option(stage: SetupStage) -> None:
    assert remove(stage.context())
    assert sorted(path.name for path in stage.folder.path.iterdir()) == [".gitignore", "app.key"]
    assert any("--remove --with-key" in line for line in stage.printed)
    assert remove(stage.context(with_key=True))
    assert not stage.folder.exists


def test_what_was_removed_can_be_set_up_again_with_the_key_that_the_car_knows(stage: SetupStage) -> None:
    key = (stage.folder.path / "app.key").read_bytes()
    remove(stage.context())
    stage.folder.write("public-key.pem", b"")  # step 2 writes it again; the stage's server serves the file of this name
    stage.environment["TESLA_REFRESH_TOKEN"] = stage.tesla.refresh_token
    assert stage.run()[0] == 0
    assert (stage.folder.path / "app.key").read_bytes() == key


def test_it_is_said_what_a_server_will_do_that_runs_from_the_folder(stage: SetupStage) -> None:
    with (stage.folder.path / KEEPER_FILE).open("w") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        assert remove(stage.context())
    assert any("a server runs from this folder" in line for line in stage.printed)


def test_a_second_removal_has_nothing_to_do(stage: SetupStage) -> None:
    remove(stage.context(with_key=True))
    calls = len(stage.tesla.calls)
    assert remove(stage.context(with_key=True))
    assert len(stage.tesla.calls) == calls


@pytest.mark.parametrize(
    ("endpoint", "status", "error", "left"),
    [
        ("DELETE", 503, "upstream", "tokens.json"),  # it may be deleted later, with this login
        ("DELETE", 403, {"error": "account disabled: EXCEEDED_LIMIT"}, ""),  # Tesla has deleted it
        ("DELETE", 404, "VIN not_found", ""),  # the car was sold
        ("DELETE", 401, "invalid bearer token", "state.json"),  # nothing can be deleted with this login
    ],
)
def test_what_cannot_be_deleted_now_keeps_what_is_needed_to_delete_it(
    stage: SetupStage, endpoint: str, status: int, error: object, left: str
) -> None:
    stage.tesla.refuse(f"{endpoint} /api/1/vehicles/{VIN}", status, error)
    assert remove(stage.context()) is (left == "")
    files = {path.name for path in stage.folder.path.iterdir()}
    assert (left in files) if left else files == {".gitignore", "app.key"}
    assert ("tokens.json" in files) is (left == "tokens.json")
    if left == "tokens.json":
        stage.tesla.refusals.clear()
        assert remove(stage.context())
        assert stage.tesla.cars[VIN].config is None
