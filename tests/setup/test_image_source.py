"""What Fly builds an image from: the same from a clone of the repository and from an installed package."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from teslafast.errors import Misconfigured
from teslafast.setup import image_source
from teslafast.setup.image_source import BESIDE_THE_PACKAGE, check_app_name, write_image_source
from teslafast.setup.outcome import Blocked

from tests.support import ROOT

INSTALLED = """
import sys
from pathlib import Path
from teslafast.setup.image_source import PACKAGE, write_image_source
assert PACKAGE.parent == Path(sys.argv[1]), PACKAGE
write_image_source(Path(sys.argv[2]), "road")
"""


def held(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files", "teslafast"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines()) - {"teslafast/web/package.json"}  # which only the page's tests need


def test_a_clone_gives_its_own_sources_and_the_app_its_name(tmp_path: Path) -> None:
    config = write_image_source(tmp_path / "fly", "road")
    found = held(config.parent)
    assert tracked() | {*BESIDE_THE_PACKAGE} <= found.keys()
    assert not [name for name in found if name.endswith((".so", ".c", ".pyc"))]
    said = tomllib.loads(config.read_text())
    assert said.pop("app") == "road"
    assert said == tomllib.loads((ROOT / "fly.toml").read_text())


def test_the_dockerfile_copies_nothing_that_is_not_there(tmp_path: Path) -> None:
    folder = write_image_source(tmp_path / "fly", "road").parent
    copied = [line.split()[1:-1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")]
    from_here = [name for words in copied for name in words if not words[0].startswith("--from")]
    assert from_here
    assert all((folder / name).exists() for name in from_here)


def test_an_installed_package_gives_the_same_as_its_clone(tmp_path: Path) -> None:
    lib = tmp_path / "lib"  # as pip lays it out, without the compiled modules, which an image makes itself
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(lib)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(lib)}
    command = [sys.executable, "-W", "error", "-c", INSTALLED, str(lib), str(tmp_path / "fly")]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)
    ours = held(write_image_source(tmp_path / "clone", "road").parent)
    theirs = held(tmp_path / "fly")
    assert theirs == {name: content for name, content in ours.items() if name in theirs}
    assert tracked() | {*BESIDE_THE_PACKAGE} <= theirs.keys()


def test_an_older_folder_is_made_anew_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "fly"
    (folder / "teslafast").mkdir(parents=True)
    (folder / "teslafast" / "gone.py").touch()
    write_image_source(folder, "road")
    assert not (folder / "teslafast" / "gone.py").exists()
    assert not [path for path in [folder, *folder.rglob("*")] if path.stat().st_mode & 0o077]


def test_an_installation_without_sources_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_source, "_is_checkout", lambda: False)
    monkeypatch.setattr(image_source, "PACKED", tmp_path / "none.zip")
    with pytest.raises(Blocked, match="does not hold what an image is built from"):
        write_image_source(tmp_path / "fly", "road")
    assert not (tmp_path / "fly").exists()


@pytest.mark.parametrize("name", ["", "my car", "-road", "road-", "road.example.com", "x" * 64])
def test_a_name_that_fly_would_refuse_is_refused_at_once(name: str) -> None:
    with pytest.raises(Misconfigured, match="not a name that Fly"):
        check_app_name(name)
    assert check_app_name(" Road-1 ") == "road-1"
