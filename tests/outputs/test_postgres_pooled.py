"""PostgreSQL behind PgBouncer, which gives each transaction another connection."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.output_events import alert, data
from tests.support.peers import PATIENCE_S
from tests.support.ports import free_port
from tests.support.postgres import NOBODY, Postgres
from tests.support.postgres_stage import check, run

pytestmark = pytest.mark.outputs


@pytest.fixture
def pooled(database: Postgres) -> Iterator[str]:
    """A URL that leads to the database through a pooler."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="teslafast-pgbouncer-"))
    lines = ["[databases]", f"postgres = host=127.0.0.1 port={database.port} user=postgres", "[pgbouncer]"]
    lines += [
        f"listen_port = {port}",
        "listen_addr = 127.0.0.1",
        "unix_socket_dir =",
        "auth_type = any",
        "pool_mode = transaction",
    ]
    (folder / "pgbouncer.ini").write_text("\n".join([*lines, "default_pool_size = 4", ""]))
    folder.chmod(0o755)
    as_user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    with subprocess.Popen([*as_user, program, str(folder / "pgbouncer.ini")], stderr=subprocess.DEVNULL) as process:
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        until_s = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(url, connect_timeout=2).close()
                break
            assert time.monotonic() < until_s
            time.sleep(0.02)  # nothing tells when it listens
        yield url
        process.kill()
    shutil.rmtree(folder)


def test_everything_is_stored_once_through_a_pooler(database: Postgres, pooled: str) -> None:
    events = [data(seq, {"Soc": seq, "Gear": "ShiftStateD"}) for seq in range(1, 40)]
    for _ in range(3):
        run(database, lambda output: output.send([*events, alert(40)]), url=pooled)
    assert database.ask("SELECT count(*), count(DISTINCT seq) FROM telemetry") == [(78, 39)]
    assert database.ask("SELECT count(*) FROM telemetry_events") == [(1,)]
    assert check(pooled).endswith("the table telemetry is there")
