"""`certs renew`: a new leaf under the CA that vehicles know, in the place of the old one, or nothing."""

import datetime
import os
import ssl
from pathlib import Path

import pytest
from teslafast.certificates import chain, folder
from teslafast.certificates.renewal import renew
from teslafast.errors import Misconfigured
from teslafast.whole_file import WholeFile

HOST = "telemetry.example.com"
YEAR = datetime.timedelta(days=365)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return folder.init(tmp_path / "certs", HOST, vehicles=1, durable=False).directory


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_the_new_leaf_has_the_same_names_and_ca_and_another_key_and_a_later_end(made: Path) -> None:
    before, now = contents(made), datetime.datetime.now(datetime.UTC)
    renewal = renew(made, now + YEAR)
    after = contents(made)
    assert {name for name in before if before[name] != after[name]} == {"server.pem", "server.key"}
    old, new = chain.read(before["server.pem"])[0], chain.read(after["server.pem"])[0]
    assert new == renewal.leaf
    assert chain.names(new) == chain.names(old) == [HOST]
    assert chain.is_issued_by(new, chain.read(after["ca.pem"])[0])
    assert renewal.before == old.not_valid_after_utc
    assert new.not_valid_after_utc - old.not_valid_after_utc >= YEAR - datetime.timedelta(hours=1)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made / "server.pem", made / "server.key")


def test_the_new_key_has_the_mode_and_the_owner_of_the_old_one(made: Path) -> None:
    os.chmod(made / "server.key", 0o640)
    if os.geteuid() == 0:
        os.chown(made / "server.key", 10001, 10002)
    with (made / "server.key").open("rb") as old:  # while it is open nothing else has its number
        before = os.fstat(old.fileno())
        renew(made)
        after = (made / "server.key").stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_a_key_that_may_not_be_given_to_its_owner_changes_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(made)

    def not_permitted(self: WholeFile, present: os.stat_result) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(WholeFile, "take_after", not_permitted)
    with pytest.raises(Misconfigured, match="run it as root"):
        renew(made)
    assert contents(made) == before


@pytest.mark.parametrize("fails", [0, 1])
def test_a_disk_that_fails_at_either_file_leaves_the_old_pair(made: Path, monkeypatch: pytest.MonkeyPatch, fails: int) -> None:
    before, commit, calls = contents(made), WholeFile.commit, iter(range(10))

    def failing(self: WholeFile, *, replace: bool) -> None:
        if next(calls) == fails:
            raise OSError(28, "No space left on device")
        commit(self, replace=replace)

    monkeypatch.setattr(WholeFile, "commit", failing)
    with pytest.raises(Misconfigured, match="No space left on device"):
        renew(made)
    assert contents(made) == before


@pytest.mark.parametrize(
    ("missing", "says"), [("ca.key", "nothing can be signed without it"), ("server.pem", "No such file"), ("ca.pem", "ca.pem")]
)
def test_a_folder_that_lacks_a_file_is_refused_with_its_name(made: Path, missing: str, says: str) -> None:
    (made / missing).unlink()
    with pytest.raises(Misconfigured, match=says):
        renew(made)


def test_a_certificate_of_another_ca_is_not_replaced(made: Path, tmp_path: Path) -> None:
    other = folder.init(tmp_path / "other", HOST, vehicles=0, durable=False).directory
    for name in ("ca.pem", "ca.key"):
        (other / name).replace(made / name)
    before = contents(made)
    with pytest.raises(Misconfigured, match=r"was not issued by ca\.pem"):
        renew(made)
    assert contents(made) == before
