"""What is needed for a moment, on machines with and without a folder for it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from teslafast.errors import Misconfigured
from teslafast.scratch import named_bytes, scratch_folder


def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)


def test_a_folder_goes_with_all_that_is_in_it() -> None:
    with scratch_folder() as folder:
        (folder / "file").write_bytes(b"x")
    assert not folder.exists()


def test_where_no_folder_can_be_made_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    no_folder(monkeypatch)
    with pytest.raises(Misconfigured, match="TMPDIR: there is no folder for temporary files"), scratch_folder():
        pass


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only Linux gives memory a name")
def test_bytes_have_a_path_where_no_folder_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    no_folder(monkeypatch)
    with named_bytes(b"content") as path:
        assert path.read_bytes() == b"content"
    assert not path.exists()


def test_bytes_have_a_path_where_memory_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with named_bytes(b"content") as path:
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"content", 0o600)
    assert not Path(path).exists()
