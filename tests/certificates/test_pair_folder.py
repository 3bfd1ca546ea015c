"""A pair that is replaced in one step: wherever the process is killed, certificate and key belong together."""

from __future__ import annotations

import fcntl
import os
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from teslafast.certificates import chain, folder
from teslafast.certificates.renewal import renew
from teslafast.errors import Misconfigured

from tests.support import ROOT

HOST = "telemetry.example.com"

# A renewal in a process of its own, which is killed at the Nth call that could change the disk; exit 0 once N is beyond the last.
KILLED_AT = textwrap.dedent(
    """
    import os, shutil, signal, sys
    from pathlib import Path
    from teslafast.certificates.renewal import renew

    watched = {"open", "os.rename", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.link"}
    made, copies, step = Path(sys.argv[1]), Path(sys.argv[2]), 0
    while True:
        step += 1
        shutil.copytree(made, copies / str(step), symlinks=True)
        child = os.fork()
        if not child:
            left = [step]

            def count(event, arguments):
                if event in watched and left:
                    left[0] -= 1
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            renew(copies / str(step))
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
    print(step)
    """
)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return folder.init(tmp_path / "certs", HOST, vehicles=0, durable=False).directory


def loads(directory: Path) -> None:
    """Raises ssl.SSLError if certificate and key do not belong together."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(directory / "server.pem", directory / "server.key")


def refusal(directory: Path) -> str:
    """ "" if the renewal works: not every one makes so many of these calls."""
    try:
        renew(directory)
    except Misconfigured as error:
        return str(error)
    return ""


def pairs(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.name.startswith("server-")]


@pytest.mark.parametrize("renewed_before", [False, True], ids=["the first renewal", "a later renewal"])
def test_a_renewal_that_is_killed_at_any_step_leaves_a_pair_and_the_next_one_works(
    renewed_before: bool, made: Path, tmp_path: Path
) -> None:
    if renewed_before:
        renew(made)
    copies = tmp_path / "copies"
    program = [sys.executable, "-c", KILLED_AT, str(made), str(copies)]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    steps = int(ended.stdout)
    assert steps > 20
    before, seen = chain.read((made / "server.pem").read_bytes())[0], set()
    for step in range(1, steps + 1):
        copy = copies / str(step)
        loads(copy)
        seen.add(chain.read((copy / "server.pem").read_bytes())[0] == before)
        renewal = renew(copy)
        loads(copy)
        assert chain.read((copy / "server.pem").read_bytes())[0] == renewal.leaf
        assert len(pairs(copy)) == 1
    assert seen == {True, False}


def test_the_links_are_relative_so_that_a_mount_at_another_path_shows_the_same(made: Path, tmp_path: Path) -> None:
    renew(made)
    moved = made.rename(tmp_path / "elsewhere")
    loads(moved)
    assert {os.readlink(moved / name) for name in ("server.pem", "server.key")} == {"server/server.pem", "server/server.key"}


def test_the_folder_of_the_pair_lets_in_whom_the_outer_folder_lets_in(made: Path) -> None:
    made.chmod(0o711)
    if os.geteuid() == 0:
        os.chown(made, 10001, 10002)
    renew(made)
    (pair,) = pairs(made)
    outer, inner = made.stat(), pair.stat()
    assert (inner.st_mode, inner.st_uid, inner.st_gid) == (outer.st_mode, outer.st_uid, outer.st_gid)


def test_the_old_key_is_gone_after_each_renewal(made: Path) -> None:
    for _ in range(3):
        old = (made / "server.key").read_bytes()
        renew(made)
        assert old not in {path.read_bytes() for path in made.rglob("*.key")}
        assert sorted(path.name for path in made.iterdir() if path.name.startswith("server")) == sorted(
            ["server", "server.key", "server.pem", *(pair.name for pair in pairs(made))]
        )


@pytest.mark.parametrize("call", ["symlink", "rename", "replace", "mkdir", "chmod"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_call_that_fails_leaves_a_pair(call: str, nth: int, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = getattr(os, call), iter(range(1, 100))

    def failing(*arguments: object, **named: object) -> object:
        if next(calls) == nth:
            raise OSError(28, "No space left on device")
        return real(*arguments, **named)

    before = (made / "server.pem").read_bytes()
    monkeypatch.setattr(os, call, failing)
    if said := refusal(made):
        assert "No space left on device" in said
        assert (made / "server.pem").read_bytes() == before
    monkeypatch.undo()
    loads(made)
    assert len(pairs(made)) <= 2
    renew(made)
    loads(made)
    assert len(pairs(made)) == 1


def test_two_renewals_at_a_time_are_one(made: Path) -> None:
    descriptor = os.open(made, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(Misconfigured, match="another renewal is under way"):
        renew(made)
    os.close(descriptor)
    renew(made)
