"""The NATS configurations of deploy/cluster, and nats-server's own opinion of each."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.support import ROOT
from tests.support.nats_servers import PROGRAM

CLUSTER = ROOT / "deploy" / "cluster"
AN_NKEY = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def taken(path: Path, **environment: str) -> bool:
    """Whether `nats-server -t` takes it, after it has said why not."""
    command = [str(PROGRAM), "-t", "-c", str(path)]
    done = subprocess.run(command, env=os.environ | {"NODE_NKEY": AN_NKEY} | environment, check=False)
    return done.returncode == 0


def whole(path: Path) -> str:
    """A configuration without its comments, with what it includes in its place."""
    text = re.sub(r"^include (\S+)$", lambda found: whole(path.parent / found[1]), path.read_text(), flags=re.MULTILINE)
    return re.sub(r"#.*", "", text)


def granted(text: str, verb: str) -> set[str]:
    """The subjects that it allows to `publish` or to `subscribe`."""
    (subjects,) = re.findall(rf"\b{verb}: \[(.*?)\]", text, re.DOTALL)
    return set(re.findall(r'"([^"]+)"', subjects))
