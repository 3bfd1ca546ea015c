"""
The server's end of the hand-over: what the set-up sends through `fly ssh console` is put into the state folder of this machine.

The bundle is one line of JSON on stdin, file name → content: nothing of it stands on a command line. Who logs in there is root,
and the server is not: the files get the owner of the folder above them.
"""

from __future__ import annotations

import json
import os
from typing import IO

from ..errors import Misconfigured
from ..onboarding.state_folder import CONFIGS_FILE, NOTES_FILE, SECRET_FILE, TOKENS_FILE, StateFolder

TOOK_OVER = "took over"  # what the other end waits for before it forgets its tokens
LONGEST_BUNDLE = 4 << 20  # characters
TAKEN_OVER = (TOKENS_FILE, NOTES_FILE, CONFIGS_FILE, SECRET_FILE)


def take_over(folder: StateFolder, stdin: IO[str]) -> list[str]:
    """The names of the files that were written. Raises Misconfigured."""
    try:
        bundle = json.loads(stdin.readline(LONGEST_BUNDLE))
        files = {name: str(bundle[name]).encode() for name in TAKEN_OVER if name in bundle}
    except (ValueError, TypeError, RecursionError):
        raise Misconfigured("--take-over", "stdin holds no bundle", "it is for setup on another machine alone") from None
    folder.create()
    above = folder.path.absolute().parent.stat()
    if os.geteuid() == 0 and above.st_uid != 0:
        os.chown(folder.path, above.st_uid, above.st_gid, follow_symlinks=False)
    with folder.lock():
        for name, content in files.items():
            folder.write(name, content)
    return list(files)
