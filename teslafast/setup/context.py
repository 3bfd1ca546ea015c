"""What the steps of one run share: the options, the folder, the notes, and the two accounts at Tesla."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..errors import Declined, Misconfigured, PermanentFault, Unhealthy
from ..onboarding import jws
from ..onboarding.accounts import oauth_of, owner_api
from ..onboarding.fleet_api import FleetApi
from ..onboarding.oauth import OAuth
from ..onboarding.refusals_of_tesla import Kind, Step, explain, is_limit
from ..onboarding.served_key import addresses_of, is_trial
from ..onboarding.setup_notes import ELSEWHERE, ON_THIS_MACHINE, SetupNotes, load_notes, save_notes
from ..onboarding.state_folder import KEY_FILE, StateFolder
from ..onboarding.token_store import handed_over, load_tokens
from ..onboarding.vehicle_config import ConfigStatus
from ..onboarding.vehicle_host import check_root, check_vehicle_host
from ..urls import is_this_machine
from .console import SetupConsole
from .options import DEFAULT_VEHICLE_PORT, SetupOptions
from .outcome import Blocked, NotNow, Waiting, as_not_now, retry_after_s

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

Found = TypeVar("Found")
LOOK_PAUSES_S = (2.0, 3.0, 5.0, 10.0)  # between two questions; Tesla bills each, and an owner's phone needs a moment
TESLAS_PAUSES_S = (5.0, 10.0, 20.0, 20.0, 20.0, 30.0, 60.0)  # between two tries of what Tesla is not ready for


class SetupContext:
    """One run. What was looked up stays for the rest of it, so that nothing is asked twice."""

    def __init__(self, options: SetupOptions, folder: StateFolder, console: SetupConsole) -> None:
        self.options = options
        self.folder = folder
        self.console = console
        self.notes: SetupNotes = load_notes(folder)
        self.lender: Callable[[], str] | None = None  # asks the server for an access token, once it alone refreshes
        self.asked_for_key = False  # the server's step: one look with a phone a run
        self.acted = False  # the server's step: one deploy a run
        self.tried_regions = False  # the registration's step: a region that refused is a note then
        self.drivers: set[str] = set()  # vehicles that are shared with this account
        self.seen: dict[str, tuple[Mapping[str, Any], ConfigStatus]] = {}  # the cars' configs, as they were asked for last
        self.limit: NotNow | None = None  # the account's billing limit, once Tesla has said so: nothing more is asked then
        self.outside: str | None = None  # the router's address at its provider, once it was asked
        self.statuses: dict[str, dict[str, Any]] = {}
        self._partners: dict[str, FleetApi] = {}
        self._owner: FleetApi | None = None
        self._key: EllipticCurvePrivateKey | None = None

    # ---- what was decided

    def save(self) -> None:
        """Keeps the notes, unless this run only looks."""
        if not self.options.look_only:
            save_notes(self.folder, self.notes)

    @property
    def domain_is_known(self) -> bool:
        """Whether nobody need be asked for it."""
        return bool(self.options.domain or self.options.variable("TESLAFAST_DOMAIN") or self.notes.domain)

    @property
    def domain(self) -> str:
        """The app's domain, in lower case and without a scheme. Raises Waiting, Misconfigured."""
        given, subject = self._given("domain", "TESLAFAST_DOMAIN", self.notes.domain)
        if given:
            before, self.notes.domain = self.notes.domain, read_domain(given, subject)
            if self.notes.domain != before == self.notes.hostname:
                self.notes.hostname = ""
        else:
            missing = Waiting("the app's domain is not known", "give it with --domain, or set TESLAFAST_DOMAIN")
            self.notes.domain = self.console.answer_as(self._domain_question(), "", missing, read_domain)
        return self.notes.domain

    @property
    def hostname(self) -> str:
        """Where vehicles connect; the domain, unless it was said. Raises Waiting, Misconfigured."""
        domain = self.domain  # first: with another one, the name that was noted may be none of its own
        given, subject = self._given("hostname", "TESLAFAST_HOSTNAME", self.notes.hostname)
        host = check_vehicle_host(given, subject) if given else domain
        check_root(host, domain, subject)  # before it is kept: a later run would find a name that nobody has given
        self.notes.hostname = host
        return host

    def _domain_question(self) -> str:
        if self.notes.where == ON_THIS_MACHINE:
            return "Name that leads here: a domain of yours, or dynamic DNS (duckdns.org, dedyn.io, dynv6.net …)"
        return "The name under which Tesla finds your server (for example road.example.com, or NAME.fly.dev)"

    def _given(self, option: str, variable: str, noted: str) -> tuple[str, str]:
        """What was said before, and where, so that a fault names the right place."""
        if said := str(getattr(self.options, option)):
            return said, f"--{option}"
        return (said, variable) if (said := self.options.variable(variable)) else (noted, f"--{option}")

    @property
    def port(self) -> int:
        """The port to which vehicles connect. Raises Misconfigured."""
        given = self.options.variable("TESLAFAST_PORT")
        if given and not (given.isdecimal() and 0 < int(given) < 65536):
            raise Misconfigured("TESLAFAST_PORT", f"{given!r} is not a port", "give a number from 1 to 65535")
        self.notes.port = self.options.port or int(given or 0) or self.notes.port or DEFAULT_VEHICLE_PORT
        return self.notes.port

    def is_trial(self, host: str) -> bool:
        """
        Whether this is tried out on one machine: no DNS knows the name, and either Tesla or the server was said to be here. A
        server that setup made is none: its owner has only not made the A record yet.
        """
        if is_this_machine(urlsplit(self.oauth.hosts.api).hostname or ""):
            return all(map(is_this_machine, addresses_of(host)))
        return self.notes.where == ELSEWHERE and is_trial(self.notes.url, host)

    # ---- the accounts

    @property
    def oauth(self) -> OAuth:
        """The app at Tesla, as far as it is known. Raises Misconfigured."""
        return oauth_of(self.options.environment, self.folder)

    def key(self) -> EllipticCurvePrivateKey:
        """The app's private key. Raises Waiting, Misconfigured."""
        if self._key is None:
            pem = self.folder.read(KEY_FILE)
            if pem is None:
                raise Waiting(f"there is no {KEY_FILE}", "teslafast setup --only 1", again=Step.APP_KEY)
            self._key = jws.load_key(pem, str(self.folder.path / KEY_FILE))
        return self._key

    def partner(self, base_url: str) -> FleetApi:
        """The API with the app's own token, in one region. Raises Waiting, Declined, Unhealthy."""
        if base_url not in self._partners:
            oauth = self.oauth
            if not oauth.client_id or not oauth.client_secret:
                lacking = "TESLA_CLIENT_ID" if not oauth.client_id else "TESLA_CLIENT_SECRET"
                raise Waiting(f"{lacking} is not known", "make the app at Tesla: teslafast setup --only 3", again=Step.PORTAL)
            token = oauth.partner_token(base_url)
            self._partners[base_url] = FleetApi(
                base_url, token, renew=lambda refused: oauth.partner_token(base_url), is_partner=True
            )
        return self._partners[base_url]

    def forget_partners(self) -> None:
        """After the client id or secret has changed."""
        self._partners.clear()

    @property
    def owner(self) -> FleetApi:
        """The API with the owner's token. Raises Waiting, Declined, Unhealthy, Misconfigured."""
        if self._owner is None:
            try:
                self._owner = owner_api({**self.options.environment, **self._lent()}, self.folder)
            except Misconfigured as error:
                if error.subject not in ("tokens", "TESLA_ACCESS_TOKEN"):
                    raise
                given = self.options.variable("TESLA_ACCESS_TOKEN")
                says = f"{error.subject} {error.fault}" if given or load_tokens(self.folder) else "nobody has logged in"
                raise Waiting(says, error.remedy, again=Step.LOGIN) from None
            self._owner.domain = self.notes.domain
        return self._owner

    def _lent(self) -> dict[str, str]:
        """TESLA_ACCESS_TOKEN from the server that the tokens were handed over to; nothing if they are here, or it is set."""
        if self.lender is None or self.options.variable("TESLA_ACCESS_TOKEN") or not handed_over(load_tokens(self.folder)):
            return {}
        return {"TESLA_ACCESS_TOKEN": self.lender()}

    def check_limit(self) -> None:
        """Before the Fleet API is asked: it answers nobody any more, and bills it, once the limit is reached. Raises Blocked."""
        if self.limit is not None:
            raise self.limit

    def forget_owner(self) -> None:
        """After a login."""
        self._owner = None

    # ---- waiting

    def patiently(self, what: str, attempt: Callable[[], Found]) -> Found:
        """
        What `attempt` gives; while Tesla says that it comes right by itself, or cannot be reached, it is tried again until --wait
        is over. Raises NotNow.
        """
        clock, pauses = self.console.clock, iter(TESLAS_PAUSES_S)
        until = clock.now() + self.options.wait_s
        while True:
            try:
                return attempt()
            except Declined as error:
                if is_limit(error.words):
                    self.limit = as_not_now(error)
                if explain(error.status, error.words or error.fault).kind is not Kind.WAIT:
                    raise as_not_now(error) from None
                wait: NotNow = as_not_now(error)
                least = float(retry_after_s(error))
            except PermanentFault as error:
                raise Blocked(error.fault, error.remedy) from None
            except Unhealthy as error:
                wait, least = Waiting(error.fault, error.remedy), 0.0
            left = until - clock.now()
            if left <= 0 or least > left or self.options.look_only:
                raise wait
            pause = max(least, min(next(pauses, TESLAS_PAUSES_S[-1]), left))
            ends = time.strftime("%H:%M", time.localtime(clock.time() + left))
            self.console.status(f"{what}: {wait.says}; next try in {pause:.0f} s, until {ends}")
            clock.sleep(pause)

    def until(self, what: str, look: Callable[[], Found | None]) -> Found | None:
        """What `look` gives once it gives something; None if --wait is over before. Pauses between two looks."""
        clock, pauses = self.console.clock, iter(LOOK_PAUSES_S)
        began = clock.now()
        while True:
            found = look()
            passed = clock.now() - began
            if found is not None or passed >= self.options.wait_s or self.options.look_only:
                return found
            self.console.status(f"{what}, {passed:.0f} s (Ctrl-C ends the waiting; the same command goes on)")
            clock.sleep(min(next(pauses, LOOK_PAUSES_S[-1]), self.options.wait_s - passed))


def read_domain(given: str, subject: str = "--domain") -> str:
    """The app's domain as Tesla wants it: the name alone, in lower case. People paste the origin. Raises Misconfigured."""
    return check_vehicle_host(re.sub(r"^https?://|/+$", "", given.strip(), flags=re.IGNORECASE), subject)


def short_vin(vin: str) -> str:
    """A VIN as it may stand in an issue: 5YJ3…0001."""
    return f"{vin[:4]}…{vin[-4:]}" if len(vin) > 8 else vin
