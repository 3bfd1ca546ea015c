"""
What `serve` does beside streaming when TESLAFAST_STATE names the set-up's folder: it keeps alive what would otherwise end.

    at a time of day of its own     every vehicle's config is looked at, and renewed 60 days before its end
    hourly for three days           likewise, while a vehicle has still to take its config
    hourly                          Tesla's reports, while a vehicle that has its config is not heard for a day
    weekly                          the login is refreshed, whatever else happens
    when the folder changes         at once: `teslafast setup` has just handed it over

Of several processes with one folder (nodes, or the old and the new one during a deploy) one does so; the others show what it saw.
All of it happens in one thread, which the event loop never waits for; its requests have a timeout. A dead Tesla changes nothing
for vehicles and dashboards. `checks` and `gauges` only read what the thread has left, and say nothing secret. Each change is one
line of the log.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .. import https
from ..errors import Misconfigured
from ..logs import fields, log
from ..setup_checks import SetupCheck, UpkeepGauges
from .setup_notes import SetupNotes, load_notes
from .state_folder import CONFIGS_FILE, NOTES_FILE, StateFolder
from .token_store import Tokens
from .upkeep_look import LOGIN_PAUSE, UpkeepAccount, ask_errors, is_ours, look
from .upkeep_report import checks_of, config_days, login_days
from .upkeep_state import UpkeepState, load_upkeep, save_upkeep

WAKE_S = 60.0  # how often the folder is looked at: a few small files
HOUR_S, DAY_S = 3600.0, 86_400.0
AT_LEAST_APART_S = DAY_S / 2  # between two daily looks: the first one after a start may be near the time of day
WAITING_S = 3 * DAY_S  # a car that sleeps takes its config within a day; beyond that, daily looks do
FIRST_LOOK_S = 1.0  # after the start: the server's own affairs come first

KEEPER_FILE = ".upkeep"  # locked by the process that keeps the set-up alive, for as long as it lives
NOT_YET = SetupCheck("state", "waiting", "the set-up's folder has not been looked at yet")

LastHeard = Callable[[str], float | None]


def is_kept_alive(folder: StateFolder) -> bool:
    """Whether a server keeps the set-up in this folder alive at the moment."""
    try:
        descriptor = os.open(folder.path / KEEPER_FILE, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@dataclass(frozen=True)
class Snapshot:
    """What the thread last left for others to read."""

    notes: SetupNotes = field(default_factory=SetupNotes)
    tokens: Tokens | None = None
    state: UpkeepState = field(default_factory=UpkeepState)
    silent: frozenset[str] = frozenset()
    fault: SetupCheck | None = None
    renewals: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)


class FolderUpkeep:
    """The upkeep of one folder. `now`: s since 1970."""

    def __init__(
        self,
        folder: StateFolder,
        environment: Mapping[str, str],
        now: Callable[[], float] = time.time,
        request: Callable[..., https.Reply] = https.request,
    ) -> None:
        # An access token of the environment is for commands: it lives eight hours, and nobody could refresh it here.
        kept = {name: value for name, value in environment.items() if name != "TESLA_ACCESS_TOKEN"}
        self.account = UpkeepAccount(folder, kept, now, request)
        self._now = now
        self._heard: LastHeard = lambda vin: None
        self._began = now()
        self._state = load_upkeep(folder)
        self._seen = ""
        self._told: dict[tuple[str, str], str] = {}
        self._unwritten = ""
        self._snapshot = Snapshot(fault=NOT_YET)
        self._keeper = False
        self._ended = threading.Event()

    # ---- for the server: none of it waits

    def start(self, heard: LastHeard) -> None:
        """`heard(vin)`: when a vehicle was last heard, s since 1970, None for never; it may be asked in another thread."""
        self._heard = heard
        self._began = self._now()
        threading.Thread(target=self._run, name="upkeep", daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def checks(self) -> Sequence[SetupCheck]:
        it = self._snapshot
        return [it.fault] if it.fault is not None else list(checks_of(it.notes, it.tokens, it.state, it.silent, self._now()))

    def gauges(self) -> UpkeepGauges:
        it, now = self._snapshot, self._now()
        days = config_days(it.state, now) if it.tokens is not None else None
        return UpkeepGauges(days, login_days(it.tokens, now), it.renewals, it.errors)

    # ---- in its thread

    def _run(self) -> None:
        wait_s = FIRST_LOOK_S
        while not self._ended.wait(wait_s):
            wait_s = WAKE_S
            try:
                self.step()
            except Exception as error:  # one that nobody expected ends neither the thread nor the server
                log.error("upkeep_failed", extra=fields(reason=type(error).__name__), exc_info=error)
                wait_s = HOUR_S
        if self._keeper:
            self._release()

    def step(self) -> None:
        """Does what is due, and leaves what it found for others to read."""
        try:
            tokens, notes, seen = self.account.tokens(), load_notes(self.account.folder), self._signature()
        except Misconfigured as error:
            self._leave(
                Snapshot(fault=SetupCheck("state", "wrong", f"{error.subject}: {error.fault}", error.remedy), state=self._state)
            )
            return
        changed, self._seen = seen != self._seen != "", seen
        before, keeps = self._state, self._is_keeper()
        if not keeps:
            before = self._state = load_upkeep(self.account.folder)
        elif is_ours(tokens, self.account.environment):
            self._look_if_due(changed or self._is_new_login(tokens))
            self._ask_if_due()
            tokens = self.account.tokens()
        if self._state != before:
            self._save()
        counted = dict(self.account.renewals), dict(self.account.errors)
        self._leave(Snapshot(notes, tokens, self._state, frozenset(self._silent()), None, *counted), tell=keeps)

    def _is_keeper(self) -> bool:
        """Whether this process has the folder, which the first one gets; where no lock can be had, each one that is asked."""
        path = self.account.folder.path
        if self._keeper or not path.is_dir():
            return True
        try:
            descriptor = os.open(path / KEEPER_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._keeper = True
        self._release = weakref.finalize(self, os.close, descriptor)
        self._state = load_upkeep(self.account.folder)  # as another process has left it
        return True

    def _look_if_due(self, changed: bool) -> None:
        now, state = self._now(), self._state
        if changed or now >= self.next_look(state):
            self._state = look(self.account, state)

    def next_look(self, state: UpkeepState) -> float:
        """When Tesla is asked again about every vehicle, unless the folder changes before (s since 1970)."""
        if state.paused:
            return state.paused_until
        if not state.looked:
            return 0.0
        waiting = any(car.state in ("waiting", "none") and self._now() < car.since + WAITING_S for car in state.cars.values())
        if waiting:
            return state.looked + HOUR_S
        earliest = state.looked + AT_LEAST_APART_S
        return earliest + (self._time_of_day() - earliest) % DAY_S

    def _ask_if_due(self) -> None:
        state, now = self._state, self._now()
        missing = self._silent()
        if not missing and state.last_error:
            self._state = replace(state, last_error="")
        elif missing and not state.paused and now >= state.asked + HOUR_S and self.account.has_secret():
            self._state = ask_errors(self.account, state, missing)

    def _silent(self) -> list[str]:
        """Vehicles that have taken their config, and have not been heard for a day."""
        now = self._now()

        def last(vin: str, since: float) -> float:
            return max(self._heard(vin) or 0.0, since, self._began)

        return [vin for vin, car in self._state.cars.items() if car.state == "taken" and last(vin, car.since) < now - DAY_S]

    def _is_new_login(self, tokens: Tokens | None) -> bool:
        """Whether somebody has logged in since the login was found to be over."""
        return self._state.paused == LOGIN_PAUSE and tokens is not None and tokens.obtained > self._state.login_seen

    def _time_of_day(self) -> float:
        """Seconds after midnight at which this installation looks: each at another, so that not all come to Tesla at once."""
        return int.from_bytes(hashlib.sha256(str(self.account.folder.path.absolute()).encode()).digest()[:4], "big") % DAY_S

    def _signature(self) -> str:
        """What of the folder concerns the upkeep; the tokens themselves do not, which it changes itself. Raises Misconfigured."""
        folder, tokens = self.account.folder, self.account.tokens()
        whose = "" if tokens is None else f"{tokens.owner} {bool(tokens.refresh_token)} {tokens.client_id}"
        contents = (folder.read(name) or b"" for name in (NOTES_FILE, CONFIGS_FILE))
        return hashlib.sha256(b"\0".join([whose.encode(), *contents])).hexdigest()

    # ---- what it leaves

    def _save(self) -> None:
        trouble = save_upkeep(self.account.folder, self._state)
        if trouble and trouble != self._unwritten:
            log.warning("upkeep_not_saved", extra=fields(reason=trouble, meaning="it is asked again after a restart"))
        self._unwritten = trouble

    def _leave(self, snapshot: Snapshot, tell: bool = True) -> None:
        self._snapshot = snapshot
        found: dict[tuple[str, str], str] = {}
        for check in self.checks():
            found[check.name, check.vin] = check.state
            if tell and self._told.get((check.name, check.vin)) != check.state:
                level = log.warning if check.state == "wrong" else log.info
                about = {"vin": check.vin} if check.vin else {}
                remedy = {"remedy": check.remedy} if check.remedy else {}
                level("setup_state", extra=fields(cause=check.name, state=check.state, reason=check.says, **about, **remedy))
        self._told = found
