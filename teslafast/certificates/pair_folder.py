"""
Two files that are put in place together: whoever opens them finds both old or both new, whatever happens in between.

    DIR/server.pem  ─▶ server/server.pem       links that stay; the first renewal puts them where files were
    DIR/server.key  ─▶ server/server.key
    DIR/server      ─▶ server-7f3a…            one link, and to rename another over it is the one moment at which the pair changes
    DIR/server-7f3a…/server.pem, server.key    written whole and synced before

Two renames of files have a moment between them at which a killed process, a full disk or a power cut leaves a certificate beside
another one's key, with which no server starts. All links are relative, so a container that mounts DIR finds the same pair.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ..whole_file import WholeFile, sync_folder
from .issue import Pair

_PAIR_FOLDER = re.compile(r"server-[0-9a-f]{8,64}")
_NEW_LINK = "server.new"


def replace_pair(directory: Path, pair: Pair, serial: str) -> None:
    """
    Puts the pair in the place of DIR/server.pem and DIR/server.key, with their owners and modes. `serial`: hexadecimal.
    Raises OSError, and then the old pair is in place; BlockingIOError if another process is at it.
    """
    with _locked(directory):
        _sweep(directory)
        certificate, key = directory / "server.pem", directory / "server.key"
        if not (_is_linked(certificate) and _is_linked(key)):
            _link_present(directory, certificate, key)
        folder = _made(directory, f"server-{serial}")
        try:
            for path, content in ((key, pair.key), (certificate, pair.chain)):
                _write(folder / path.name, content, path.stat())
            _point(directory, "server", folder.name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        _sweep(directory)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _is_linked(path: Path) -> bool:
    return path.is_symlink() and os.readlink(path) == f"server/{path.name}"


def _link_present(directory: Path, certificate: Path, key: Path) -> None:
    """Moves the pair that is there behind the links: at each step both names lead to what they led to before."""
    contents = {path: (path.read_bytes(), path.stat()) for path in (certificate, key)}
    folder = _made(directory, f"server-{os.urandom(8).hex()}")
    try:
        for path, (content, present) in contents.items():
            _write(folder / path.name, content, present)
        _point(directory, "server", folder.name)
        for path in contents:
            _point(directory, path.name, f"server/{path.name}")
    except BaseException:
        if not any(map(_is_linked, contents)):
            with contextlib.suppress(OSError):  # another fault is on its way up
                (directory / "server").unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _made(directory: Path, name: str) -> Path:
    """A folder with DIR's owner and mode: whoever finds the files through DIR finds them through it."""
    folder, above = directory / name, directory.stat()
    folder.mkdir(0o700)
    own = folder.stat()
    if (own.st_uid, own.st_gid) != (above.st_uid, above.st_gid):
        os.chown(folder, above.st_uid, above.st_gid)
    folder.chmod(stat.S_IMODE(above.st_mode))
    return folder


def _write(path: Path, content: bytes, present: os.stat_result) -> None:
    file = WholeFile(path, 0o600)
    try:
        file.take_after(present)
        file.write(content)
        file.commit(replace=False)
    except BaseException:
        file.discard()
        raise


def _point(directory: Path, name: str, target: str) -> None:
    """Makes DIR/NAME a link to the target, at once and for good."""
    new = directory / _NEW_LINK
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    try:
        new.replace(directory / name)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_folder(directory / name)


def _sweep(directory: Path) -> None:
    """Removes the pairs that no link leads to: the one before, and what an interrupted renewal has left."""
    link = directory / "server"
    in_use = os.readlink(link) if link.is_symlink() else ""
    for folder in directory.iterdir():
        if _PAIR_FOLDER.fullmatch(folder.name) and folder.name != in_use and folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
    (directory / _NEW_LINK).unlink(missing_ok=True)
