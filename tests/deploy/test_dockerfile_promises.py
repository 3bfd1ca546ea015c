"""What the Dockerfile promises, without running it: test_dockerfile.py does that."""

from __future__ import annotations

import pytest

from tests.deploy.support.dockerfile import ignored, instructions, words_of
from tests.deploy.support.fly import settings_on_fly
from tests.support import ROOT

STEPS = instructions((ROOT / "Dockerfile").read_text())


def last_stage() -> dict[str, str]:
    """The instructions after the last FROM; of several the last."""
    found: dict[str, str] = {}
    for word, rest in STEPS:
        found = {"FROM": rest} if word == "FROM" else found | {word: rest}
    return found


def test_both_stages_stand_on_the_same_python() -> None:
    assert len({rest.split()[0] for word, rest in STEPS if word == "FROM"}) == 1


def test_it_runs_as_a_number_that_is_not_root_and_without_a_shell_between() -> None:
    stage = last_stage()
    user, group = stage["USER"].split(":")
    assert user == group != "0"
    assert user.isdigit()
    assert words_of(stage["ENTRYPOINT"]) == ["/opt/teslafast/bin/teslafast"]
    assert words_of(stage["CMD"]) == ["serve"]
    assert words_of(stage["HEALTHCHECK"]) == ["/opt/teslafast/bin/teslafast", "health"]


def test_its_ports_are_those_of_fly() -> None:
    settings = settings_on_fly()
    assert last_stage()["EXPOSE"].split() == [str(settings.port), str(settings.vehicle_port)]


def test_only_the_environment_is_taken_over_into_what_runs() -> None:
    assert last_stage()["COPY"] == "--from=build /opt/teslafast /opt/teslafast"


def test_what_a_cluster_needs_is_in_it_unless_it_is_left_out() -> None:
    assert ("ARG", "EXTRAS=cluster") in STEPS
    (install,) = [rest for word, rest in STEPS if word == "RUN" and "/wheels/*.whl" in rest and "install" in rest]
    assert '"$wheel${EXTRAS:+[$EXTRAS]}"' in install


def test_what_is_built_from_is_all_that_a_build_can_see() -> None:
    named = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert named[0] == "*"
    allowed = {line[1:] for line in named if line.startswith("!")}
    copied = {source for word, rest in STEPS if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]}
    assert allowed == copied
    assert all((ROOT / source).exists() for source in copied)


@pytest.mark.parametrize(
    "path", ["certs/server.key", ".env", ".git/config", "teslafast/_wire.c", "teslafast/web/.DS_Store", "a.journal"]
)
def test_no_secret_and_nothing_that_was_made_here_goes_into_a_build(path: str) -> None:
    text = (ROOT / ".dockerignore").read_text()
    assert ignored(text, path)
    assert not ignored(text, "teslafast/_wire.pyx")
    assert not ignored(text, "teslafast/web/index.html")
