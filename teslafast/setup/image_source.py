"""
What Fly.io builds the server's image from: the sources of this very installation, in a folder with fly.toml and the Dockerfile.

    a clone of the repository    its own files
    pip install                  the Python files as they are installed, and image.zip, which setup.py packs into every wheel: the
                                 Cython sources, setup.py, pyproject.toml, the Dockerfile, fly.toml

So the server runs the version that set it up, whatever machine that is (a Mac's compiled modules are of no use there), from a
release, a wheel of one's own or a commit that was never released. Rejected: `pip install teslafast==VERSION` in the image, which
only a published release has; and copying the installed wheel, which fits one platform and one Python alone.

The folder is kept, and fly.toml in it names the app: a plain `fly deploy` there deploys the same again.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import Misconfigured
from ..onboarding.state_folder import STATE_FILE_MODE, STATE_FOLDER_MODE
from .outcome import Blocked

PACKAGE = Path(__file__).resolve().parents[1]
PACKED = Path(__file__).with_name("image.zip")
BESIDE_THE_PACKAGE = ("Dockerfile", "fly.toml", "pyproject.toml", "setup.py", "README.md", "LICENSE")
_GENERATED = {".so", ".c", ".pyc", ".pyo", ".pyd"}
FLY_APP_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def check_app_name(given: str, subject: str = "--fly-app") -> str:
    """A name as Fly takes it, in lower case. Raises Misconfigured."""
    name = given.strip().lower()
    if not FLY_APP_NAME.fullmatch(name):
        raise Misconfigured(subject, f"{given!r} is not a name that Fly.io takes", "give letters, digits and hyphens: my-car")
    return name


def write_image_source(folder: Path, app: str) -> Path:
    """Makes the folder anew, for this app; its fly.toml. Raises Blocked, Misconfigured."""
    packed = None if _is_checkout() else _packed()
    try:
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in _files(packed):
            _put(folder / name, content)
        config = folder / "fly.toml"
        _put(config, f'app = "{app}"\n\n{config.read_text()}'.encode())
        for path in [folder, *folder.rglob("*")]:
            path.chmod(STATE_FOLDER_MODE if path.is_dir() else STATE_FILE_MODE)
    except OSError as error:
        raise Misconfigured("--state", f"{folder}: {error.strerror}", "make room, or give a folder that you may write") from None
    return config


def _is_checkout() -> bool:
    return all((PACKAGE.parent / name).is_file() for name in BESIDE_THE_PACKAGE)


def _packed() -> zipfile.ZipFile:
    """Raises Blocked."""
    try:
        return zipfile.ZipFile(PACKED)
    except (OSError, zipfile.BadZipFile):
        remedy = "install it with pip, from a wheel or a clone of the repository"
        raise Blocked("this installation of teslafast does not hold what an image is built from", remedy) from None


def _files(packed: zipfile.ZipFile | None) -> Iterator[tuple[str, bytes]]:
    """Name in the folder, content."""
    for path in sorted(PACKAGE.rglob("*")):
        below = path.relative_to(PACKAGE)
        if path.is_file() and path.suffix not in _GENERATED and path != PACKED and "__pycache__" not in below.parts:
            yield f"{PACKAGE.name}/{below.as_posix()}", path.read_bytes()
    if packed is None:
        for name in BESIDE_THE_PACKAGE:
            yield name, (PACKAGE.parent / name).read_bytes()
        return
    with packed:
        for name in packed.namelist():
            yield name, packed.read(name)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
