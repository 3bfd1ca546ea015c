"""
The Dockerfile's steps, one after the other, in a clean root that debootstrap makes: a wheel is built, installed, and runs.

In place of python:3.13-slim stands Debian with its own Python: what the steps need of the base is a `python3` with venv and
headers, and apt. Takes minutes and root; run by `make test-deploy`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.support.dockerfile import Build, Stage, can_execute, words_of
from tests.support import ROOT
from tests.support.peers import PATIENCE_S, SECRET, Place
from tests.support.servers import Lines

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.skipif(bool(can_execute()), reason=can_execute() or "can be executed"),
]

AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PORT = "38123"


def mirror() -> str:
    """Where this machine's own apt gets Debian's packages from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Codename: bookworm"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert told, "apt knows no source: run apt-get update"
    return told[0]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("image")
    base = folder / "base"
    included = "--include=python3,python3-venv,python3-dev,ca-certificates"
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", included, "bookworm", str(base), mirror()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (base / "usr/local/bin/python3").symlink_to("/usr/bin/python3")
    shutil.copy(AUTHORITIES, base / str(AUTHORITIES).lstrip("/"))  # a proxy of this machine's may stand before the package index
    network = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name == "PIP_INDEX_URL"}
    yield Build(ROOT, base, folder, network | {"PIP_CERT": str(AUTHORITIES), "DEBIAN_FRONTEND": "noninteractive"}).execute()
    shutil.rmtree(folder)


def entry(image: Stage) -> list[str]:
    return words_of(image.words["ENTRYPOINT"])


def test_what_runs_is_the_environment_alone(image: Stage) -> None:
    version = image.run([*entry(image), "--version"], {})
    assert version.startswith("teslafast, version ")
    assert not image.place("/src").exists()
    for tool in ("gcc", "cc", "make"):
        assert not (image.root / "usr/bin" / tool).exists()
    assert not list(image.place("/opt/teslafast/bin").glob("pip*"))
    (package,) = image.place("/opt/teslafast/lib").glob("python3*/site-packages/teslafast")
    assert not [path for path in package.rglob("*") if path.suffix in (".pyx", ".pxd", ".c")]
    assert len(list(package.rglob("*.so"))) == len(list((ROOT / "teslafast").rglob("*.pyx")))
    assert list(package.glob("server/__pycache__/server.*.pyc"))


def test_a_cluster_needs_nothing_else(image: Stage) -> None:
    python = ["/opt/teslafast/bin/python", "-c"]
    image.run([*python, "import nats.aio.client, nkeys"], {})
    kept = sum(path.stat().st_size for path in image.place("/opt/teslafast").rglob("*") if path.is_file())
    print(f"/opt/teslafast has {kept / 1e6:.0f} MB")


def test_it_is_nobody_and_may_write_where_the_journal_lies(image: Stage) -> None:
    assert image.run(["id", "-u"], {}).strip() == "10001"
    image.run(["touch", "/data/journal"], {})
    with image.start(["touch", "/opt/teslafast/x"], {}, stderr=subprocess.PIPE) as process:
        assert process.wait(PATIENCE_S) != 0


SETTINGS = {
    "PORT": PORT,
    "HOST": "127.0.0.1",
    "JWT_SECRET": SECRET,
    "NODE_ENV": "development",
    "LOG_FORMAT": "json",
}


def test_it_serves_is_healthy_and_ends_cleanly(image: Stage) -> None:
    command = [*entry(image), *words_of(image.words["CMD"])]
    with image.start(command, SETTINGS | {"JOURNAL_PATH": "/data/teslafast.journal"}, stderr=subprocess.PIPE) as server:
        assert server.stderr is not None
        lines = Lines()
        for line in server.stderr:
            lines.add(line)
            if "listening" in line:
                break
        lines.wait_for("listening", port=int(PORT))
        assert image.run(words_of(image.words["HEALTHCHECK"]), SETTINGS).startswith("ok: 0 vehicles")
        place = Place(int(PORT), int(PORT))
        with place.dashboard() as dashboard, place.vehicle("5YJ3TEST5PF000001") as vehicle:
            vehicle.tell({"Soc": {"floatValue": 71.5}})
            assert dashboard.until("data")["data"] == {"Soc": 71.5}
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE_S) == 0
    assert image.place("/data/teslafast.journal").stat().st_uid == 10001


def test_a_server_that_is_gone_is_not_healthy(image: Stage) -> None:
    with image.start(words_of(image.words["HEALTHCHECK"]), SETTINGS, stderr=subprocess.PIPE) as check:
        assert check.wait(PATIENCE_S) == 1
