"""
The set-up's folder: what `teslafast setup` has learnt, and the tokens. Every process of this installation reads it here.

    app.key          the app's private key, which signs configs
    state.json       domain, region, vehicles … no secret, and only a hint: each step asks the world (setup_notes.py)
    client_secret    the app's secret, absent where it comes from the environment
    tokens.json      the owner's refresh and access token (token_store.py)
    configs.jws      configs signed beforehand, for a server that renews them without the key
    certs/           as `certs init` makes it; server-ca.pem: a copy of --ca, where the server has a certificate of its own
    .gitignore       *: nothing of it belongs into a repository
    .lock            held while a file is read, changed and written

Where it is: TESLAFAST_STATE, else ./teslafast.d. The folder has mode 0700, every file 0600. A file is written whole or not at all
(whole_file.py). There is one lock for all processes: whoever reads a file in order to change it holds `lock` until the new one is
in place. It is held for as long as one request takes, never while a person or a car is waited for.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import Misconfigured, Unhealthy
from ..whole_file import WholeFile

STATE_VARIABLE = "TESLAFAST_STATE"
DEFAULT_STATE = "teslafast.d"
KEY_FILE, NOTES_FILE, SECRET_FILE = "app.key", "state.json", "client_secret"
IGNORING_FILE = ".gitignore"
TOKENS_FILE, CONFIGS_FILE, CERTS_FOLDER = "tokens.json", "configs.jws", "certs"
GIVEN_CA_FILE = "server-ca.pem"
# What stands in such a folder, also while it is being written, or beside it (the journal has several files).
_OURS = (
    *(KEY_FILE, NOTES_FILE, SECRET_FILE, TOKENS_FILE, CONFIGS_FILE, CERTS_FOLDER),
    *(GIVEN_CA_FILE, "public-key.pem", "serve.env", "teslafast.journal", "upkeep.json", ".lock", ".setup", ".upkeep"),
)
STATE_FOLDER_MODE, STATE_FILE_MODE = 0o700, 0o600
LONGEST_STATE_FILE = 1 << 20  # bytes: the largest, configs.jws, has a few KB for each vehicle's config
LOCK_PATIENCE_S = 60.0  # a refresh that is tried twice takes at most 40 s (https.TIMEOUT_S)
_LOOK_AGAIN_S = 0.05


class StateFolder:
    """One folder. It need not exist before something is written. Reading raises Misconfigured if a file cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._descriptor = -1

    @classmethod
    def locate(cls, environment: Mapping[str, str], given: Path | None = None) -> StateFolder:
        """The folder of the command line, else that of TESLAFAST_STATE, else ./teslafast.d; it may not exist yet."""
        return cls(given or Path(environment.get(STATE_VARIABLE, "").strip() or DEFAULT_STATE))

    @property
    def exists(self) -> bool:
        return self.path.is_dir()

    def create(self) -> None:
        """Makes the folder, or closes it to others if it is too open. Raises Misconfigured."""
        try:
            self.path.mkdir(mode=STATE_FOLDER_MODE, parents=True, exist_ok=True)
            self._keep_out_of_repositories()
            found = self.path.stat()
            if stat.S_IMODE(found.st_mode) & 0o077:
                self.path.chmod(STATE_FOLDER_MODE)
        except OSError as error:
            remedy = f"make room, or give a folder of your own with --state, or {STATE_VARIABLE}"
            raise Misconfigured(STATE_VARIABLE, f"{self.path}: {error.strerror}", remedy) from None

    def _keep_out_of_repositories(self) -> None:
        """
        Keys and tokens, often made in a clone of something, belong into no repository. A folder that holds anything else as well
        is left as it is: there, the file would hide a project's own. Raises OSError.
        """
        ignoring = self.path / IGNORING_FILE
        if ignoring.exists() or not all(path.name.startswith(_OURS) for path in self.path.iterdir()):
            return
        self._put(ignoring, b"*\n", True)

    # ---- files

    def read(self, name: str) -> bytes | None:
        """The content of a file, None if there is none. Raises Misconfigured."""
        try:
            with (self.path / name).open("rb") as file:
                content = file.read(LONGEST_STATE_FILE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            remedy = f"make it readable, or name another folder in {STATE_VARIABLE}"
            raise Misconfigured(STATE_VARIABLE, f"{self.path / name}: {error.strerror}", remedy) from None
        if len(content) > LONGEST_STATE_FILE:
            raise Misconfigured(STATE_VARIABLE, f"{self.path / name} is not a file of teslafast's", "move it away")
        return content

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The object in a file, None if there is no file. Raises Misconfigured."""
        content = self.read(name)
        if content is None:
            return None
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Misconfigured(STATE_VARIABLE, f"{self.path / name} is damaged", "move it away, and run `teslafast setup` again")
        return found

    def write(self, name: str, content: bytes, *, replace: bool = True) -> None:
        """
        Puts a file in place whole, with mode 0600 from its first moment, safe from a crash. Raises Misconfigured; FileExistsError
        if there is one and `replace` is false.
        """
        self.create()
        with self.lock():
            try:
                self._put(self.path / name, content, replace)
            except FileExistsError:
                raise
            except OSError as error:
                remedy = f"make room, or make the folder writable, or name another in {STATE_VARIABLE}"
                raise Misconfigured(STATE_VARIABLE, f"{self.path / name} cannot be written: {error.strerror}", remedy) from None

    def _put(self, path: Path, content: bytes, replace: bool) -> None:
        """Raises OSError."""
        file = WholeFile(path, STATE_FILE_MODE)
        try:
            file.write(content)
            file.commit(replace=replace)
        except BaseException:
            file.discard()
            raise
        path.chmod(STATE_FILE_MODE)
        self._give_to_owner(path)

    def _give_to_owner(self, path: Path) -> None:
        """What root writes, for example through `fly ssh`, belongs to whom the folder belongs to: the server is not root."""
        owner = self.path.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Raises Misconfigured."""
        self.write(name, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")

    def remove(self, name: str) -> bool:
        """Whether there was such a file. Raises Misconfigured."""
        try:
            (self.path / name).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Misconfigured(STATE_VARIABLE, f"{self.path / name}: {error.strerror}", "remove it yourself") from None
        return True

    # ---- the lock

    @contextlib.contextmanager
    def lock(self, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
        """
        Held by one thread of one process at a time; the thread that holds it may take it again. Raises Unhealthy if another
        process holds it for longer than `patience_s`, Misconfigured if the folder cannot be used.
        """
        if not self._thread_lock.acquire(timeout=patience_s):
            raise self._held(patience_s)
        try:
            if self._depth == 0:
                self._descriptor = self._locked(patience_s)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    os.close(self._descriptor)  # which gives the lock up
        finally:
            self._thread_lock.release()

    def _locked(self, patience_s: float) -> int:
        self.create()
        try:
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, STATE_FILE_MODE)
        except OSError as error:
            remedy = f"make the folder writable, or name another in {STATE_VARIABLE}"
            raise Misconfigured(STATE_VARIABLE, f"{self.path / '.lock'}: {error.strerror}", remedy) from None
        self._give_to_owner(self.path / ".lock")
        until = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() >= until:
                    os.close(descriptor)
                    raise self._held(patience_s) from None
                time.sleep(_LOOK_AGAIN_S)

    def _held(self, patience_s: float) -> Unhealthy:
        return Unhealthy(f"{self.path} has been in use by another process for {patience_s:g} s", "wait for it, or end it")
