"""Anchors for vehicles' certificates reach OpenSSL without a disk, and a system that allows neither way is refused in words."""

from __future__ import annotations

import errno
import os
import ssl
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest
from teslafast.certificates import anchors
from teslafast.errors import Misconfigured

from tests.support.certificates import World


def read_only(*args: object, **options: object) -> NoReturn:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.fixture
def context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no memory with a name: a temporary file is used")
def test_loading_anchors_makes_no_file(world: World, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", read_only)
    before = os.listdir("/proc/self/fd")
    count = anchors.load_anchors(context, world.anchors)
    assert context.cert_store_stats()["x509_ca"] == count > 0
    assert os.listdir("/proc/self/fd") == before, "the memory is given back"


@pytest.mark.parametrize("without", ["call", "permission", "/proc"])
def test_without_memory_that_has_a_name_a_temporary_file_is_used_and_removed(
    world: World, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, without: str
) -> None:
    if without == "call":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif without == "permission":
        monkeypatch.setattr(os, "memfd_create", read_only, raising=False)
    else:  # a name that leads nowhere, as without /proc
        context = Renamed(ssl.PROTOCOL_TLS_SERVER)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    count = anchors.load_anchors(context, world.anchors)
    assert context.cert_store_stats()["x509_ca"] == count > 0
    assert list(tmp_path.iterdir()) == []


class Renamed(ssl.SSLContext):
    def load_verify_locations(self, cafile: object = None, capath: object = None, cadata: object = None) -> None:
        super().load_verify_locations(str(cafile).replace("/proc/self/fd", "/nowhere"))


def test_a_system_that_allows_neither_is_refused_in_one_line(
    world: World, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "memfd_create", read_only, raising=False)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", read_only)
    with pytest.raises(Misconfigured, match="Read-only file system") as caught:
        anchors.load_anchors(context, world.anchors)
    assert caught.value.subject == "CA_PATH"


@pytest.mark.parametrize("memory", [True, False])
def test_what_openssl_cannot_read_is_refused_either_way(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memory: bool
) -> None:
    if not memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    path = tmp_path / "ca.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nMIIAAQ==\n-----END CERTIFICATE-----\n")
    with pytest.raises(Misconfigured, match="cannot be used"):
        anchors.load_anchors(context, path)
