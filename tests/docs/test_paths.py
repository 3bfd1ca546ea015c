"""Files that the documents name exist, and what they quote of the program is what it says."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support import ROOT
from tests.support.pages import pages
from tests.support.peers import PATIENCE_S
from tests.support.servers import spawn

TEXT = "\n".join(page.read_text() for page in pages())
NAMED = sorted(
    path for path in set(re.findall(r"`((?:teslafast|tests|deploy|docs|bench|examples)/[\w./-]*)`", TEXT)) if "NAME" not in path
)
ROOMS = sorted(set(re.findall(r"`((?:websocket|vehicles|protocol|core|server|dashboards)/\w+\.pyx?)`", TEXT)))


@pytest.mark.parametrize("path", [*NAMED, *(f"teslafast/{path}" for path in ROOMS)])
def test_a_file_that_the_documents_name_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_a_bad_setting_is_told_as_the_page_on_settings_shows() -> None:
    (shown,) = re.findall(r"^    (teslafast: MAX_FRAME_BYTES: .*)$", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    with spawn(["serve"], {"MAX_FRAME_BYTES": "1kb"}, stderr=subprocess.PIPE) as server:
        _, said = server.communicate(timeout=PATIENCE_S)
    assert (server.returncode, said.strip()) == (2, shown)
